"""Certifying blueprints over REST."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.agents.api.blueprint_serializers import ActAnswer, answer_of
from apps.agents.api.blueprints import blueprint_for
from apps.compliance.api.views import CertificationWrite
from apps.compliance.models import BlueprintCertification
from apps.compliance.services.blueprints import certify_blueprint, revoke_blueprint_certification
from apps.compliance.services.certifications import CertificationRequest, ControlJudgement
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import PrincipalRef, ReasonWrite
from apps.identity.roles import Permission
from apps.kit.rest.paging import CursorPage
from apps.kit.rest.reading import body_of


class BlueprintCertificationSerializer(serializers.ModelSerializer[BlueprintCertification]):
    """`certified` is what of the definition was judged, `held` how many agents hold a certification through it."""

    framework = serializers.CharField(source="framework.key")
    certified_by = PrincipalRef(read_only=True)
    held = serializers.IntegerField(read_only=True)

    class Meta:
        model = BlueprintCertification
        fields = [
            "id", "framework", "status", "tier", "evidence", "controls", "certified", "baseline", "certified_by",
            "certified_at", "expires_at", "ended_at", "ended_reason", "held",
        ]  # fmt: skip


class BlueprintCertificationPage(CursorPage):
    ordering = ("-certified_at", "id")


class BlueprintCertificationViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[BlueprintCertification]):
    """One judgement of a definition, held by every instance that is as it was certified."""

    serializer_class = BlueprintCertificationSerializer
    filterset_class: Any = None
    pagination_class = BlueprintCertificationPage
    permissions = {
        "list": Permission.COMPLIANCE_VIEW,
        "create": Permission.COMPLIANCE_CERTIFY,
        "revoke": Permission.COMPLIANCE_CERTIFY,
    }
    queryset = BlueprintCertification.objects.none()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.blueprint = blueprint_for(request, kwargs["blueprint_id"])

    def get_queryset(self) -> QuerySet[BlueprintCertification]:
        rows = BlueprintCertification.objects.visible_to(actor_of(self.request)).filter(
            blueprint_id=self.kwargs["blueprint_id"]
        )
        held = Count("given", filter=Q(given__status="active"))
        return rows.select_related("framework", "certified_by").annotate(held=held)

    @extend_schema(request=CertificationWrite, responses={201: ActAnswer})
    @idempotent
    def create(self, request: Request, blueprint_id: UUID) -> Response:
        """Certify the definition, and with it every instance that does not differ from it."""
        body = body_of(request, CertificationWrite)
        judged = {code: ControlJudgement(**one) for code, one in body["controls"].items()}
        asked = CertificationRequest(body["framework"], body["evidence"], judged)
        return answer_of(certify_blueprint(self.blueprint, asked, actor=actor_of(request)), status=201)

    @extend_schema(request=ReasonWrite, responses=ActAnswer)
    @action(detail=True, methods=["post"])
    @idempotent
    def revoke(self, request: Request, blueprint_id: UUID, pk: UUID) -> Response:
        """Take it back from every agent that holds one through it."""
        given = get_object_or_404(self.get_queryset(), pk=pk)
        reason = body_of(request, ReasonWrite)["reason"]
        return answer_of(revoke_blueprint_certification(given, reason=reason, actor=actor_of(request)))
