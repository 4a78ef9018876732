"""Frameworks, certifications, findings and their jobs over REST."""

from __future__ import annotations

from uuid import UUID

import django_filters
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.agents.api.scoped import agent_for
from apps.agents.api.serializers import AgentRef
from apps.agents.models import Agent
from apps.compliance.models import Certification, Control, ControlResult, Finding, Framework
from apps.compliance.services.certifications import (
    CertificationRequest,
    ControlJudgement,
    certify_agent,
    revoke_certification,
)
from apps.compliance.services.findings import resolve_finding
from apps.compliance.services.frameworks import add_control, create_framework, edit_control, edit_framework
from apps.compliance.services.runs import run_drift_detection, run_expiry
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import PrincipalRef, ReasonWrite
from apps.identity.roles import Permission
from apps.kit.rest.paging import CursorPage
from apps.kit.rest.reading import body_of


class ControlSerializer(serializers.ModelSerializer[Control]):
    class Meta:
        model = Control
        fields = ["code", "title", "requirement", "reference", "severity", "position"]


class FrameworkSerializer(serializers.ModelSerializer[Framework]):
    controls = ControlSerializer(many=True, read_only=True)

    class Meta:
        model = Framework
        fields = ["key", "name", "edition", "summary", "is_active", "controls"]


class FrameworkEdit(serializers.ModelSerializer[Framework]):
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")

    class Meta:
        model = Framework
        fields = ["name", "edition", "summary", "is_active", "reason"]


class FrameworkWrite(serializers.ModelSerializer[Framework]):
    """`key` is how the framework is named in addresses."""

    key = serializers.SlugField(max_length=40)

    class Meta:
        model = Framework
        fields = ["key", "name", "edition", "summary", "is_active"]


class ControlEdit(serializers.ModelSerializer[Control]):
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")

    class Meta:
        model = Control
        fields = ["title", "requirement", "reference", "severity", "position", "reason"]


class ControlWrite(serializers.ModelSerializer[Control]):
    """`code` is how the control is named in a certification."""

    class Meta:
        model = Control
        fields = ["code", "title", "requirement", "reference", "severity", "position"]


class ResultSerializer(serializers.ModelSerializer[ControlResult]):
    control = serializers.CharField(source="control.code")

    class Meta:
        model = ControlResult
        fields = ["control", "result", "note"]


class CertificationSerializer(serializers.ModelSerializer[Certification]):
    agent = AgentRef(read_only=True)
    framework = serializers.CharField(source="framework.key")
    certified_by = PrincipalRef(read_only=True)
    results = ResultSerializer(many=True, read_only=True)

    class Meta:
        model = Certification
        fields = [
            "id", "agent", "framework", "status", "tier", "evidence", "results", "baseline", "certified_by",
            "certified_at", "expires_at", "ended_at", "ended_reason",
        ]  # fmt: skip


class JudgementWrite(serializers.Serializer[ControlJudgement]):
    result = serializers.ChoiceField(ControlResult.Result.choices)
    note = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class CertificationWrite(serializers.Serializer[Certification]):
    """`controls` maps every control's code to its judgement."""

    framework = serializers.SlugRelatedField(
        slug_field="key", queryset=Framework.objects.filter(is_active=True)
    )
    evidence = serializers.CharField(max_length=8000)
    controls = serializers.DictField(child=JudgementWrite())


class FindingSerializer(serializers.ModelSerializer[Finding]):
    agent = AgentRef(read_only=True)
    resolved_by = PrincipalRef(read_only=True, allow_null=True)

    class Meta:
        model = Finding
        fields = [
            "id", "agent", "kind", "severity", "title", "detail", "evidence", "status", "opened_at",
            "resolved_at", "resolved_by", "resolution",
        ]  # fmt: skip


class ResolutionWrite(serializers.Serializer[Finding]):
    resolution = serializers.CharField(max_length=4000)


class DriftRunWrite(serializers.Serializer[object]):
    """`agent` absent: every certified agent is compared."""

    agent = serializers.UUIDField(required=False, allow_null=True, default=None)


class DriftRunAnswer(serializers.Serializer[object]):
    agents = serializers.IntegerField(help_text="Certified agents compared.")
    findings = serializers.IntegerField(help_text="New findings raised.")
    failed = serializers.IntegerField(help_text="Findings that could not be raised; the log says why.")


class ExpiryAnswer(serializers.Serializer[object]):
    expired = serializers.IntegerField()


class FindingFilter(django_filters.FilterSet):
    agent = django_filters.UUIDFilter(field_name="agent_id")
    since = django_filters.IsoDateTimeFilter(field_name="opened_at", lookup_expr="gte")

    class Meta:
        model = Finding
        fields = ["kind", "severity", "status"]


class CertificationFilter(django_filters.FilterSet):
    agent = django_filters.UUIDFilter(field_name="agent_id")
    framework = django_filters.CharFilter(field_name="framework__key")
    expires_before = django_filters.IsoDateTimeFilter(field_name="expires_at", lookup_expr="lt")

    class Meta:
        model = Certification
        fields = ["status", "tier"]


class ByName(CursorPage):
    ordering = ("name", "id")


class FrameworkViewSet(viewsets.ReadOnlyModelViewSet[Framework]):
    """Frameworks an agent can be certified against, with their controls. Those out of use stay readable by key."""

    serializer_class = FrameworkSerializer
    pagination_class = ByName
    lookup_field = "key"
    permissions = {
        "list": Permission.COMPLIANCE_VIEW,
        "retrieve": Permission.COMPLIANCE_VIEW,
        "create": Permission.COMPLIANCE_CERTIFY,
        "partial_update": Permission.COMPLIANCE_CERTIFY,
    }
    queryset = Framework.objects.prefetch_related("controls")

    def get_queryset(self) -> QuerySet[Framework]:
        known = super().get_queryset()
        return known.filter(is_active=True) if self.action == "list" else known

    @extend_schema(request=FrameworkWrite, responses={201: FrameworkSerializer})
    @idempotent
    def create(self, request: Request) -> Response:
        stated = body_of(request, FrameworkWrite)
        framework = create_framework(stated.pop("key"), stated, actor=actor_of(request))
        return Response(self.get_serializer(framework).data, status=201)

    @extend_schema(request=FrameworkEdit, responses=FrameworkSerializer)
    def partial_update(self, request: Request, key: str) -> Response:
        changes = body_of(request, FrameworkEdit, partial=True)
        reason = changes.pop("reason", "")
        edit_framework(self.get_object(), changes, reason=reason, actor=actor_of(request))
        return Response(self.get_serializer(self.get_object()).data)


class ControlsView(APIView):
    """Adding a control to a framework."""

    permissions = {"POST": Permission.COMPLIANCE_CERTIFY}

    @extend_schema(request=ControlWrite, responses={201: ControlSerializer})
    @idempotent
    def post(self, request: Request, key: str) -> Response:
        framework = get_object_or_404(Framework, key=key)
        stated = body_of(request, ControlWrite)
        control = add_control(framework, stated.pop("code"), stated, actor=actor_of(request))
        return Response(ControlSerializer(control).data, status=201)


class ControlView(APIView):
    """Changing what a control asks for."""

    permissions = {"PATCH": Permission.COMPLIANCE_CERTIFY}

    @extend_schema(request=ControlEdit, responses=ControlSerializer)
    def patch(self, request: Request, key: str, code: str) -> Response:
        control = get_object_or_404(Control, framework__key=key, code=code)
        changes = body_of(request, ControlEdit, partial=True)
        reason = changes.pop("reason", "")
        return Response(
            ControlSerializer(edit_control(control, changes, reason=reason, actor=actor_of(request))).data
        )


class CertificationViewSet(viewsets.ReadOnlyModelViewSet[Certification]):
    """Certifications of the agents you may see."""

    serializer_class = CertificationSerializer
    filterset_class = CertificationFilter
    permissions = {
        "list": Permission.COMPLIANCE_VIEW,
        "retrieve": Permission.COMPLIANCE_VIEW,
        "revoke": Permission.COMPLIANCE_CERTIFY,
    }
    queryset = Certification.objects.none()

    def get_queryset(self) -> QuerySet[Certification]:
        rows = Certification.objects.visible_to(actor_of(self.request))
        return rows.select_related("agent", "framework", "certified_by").prefetch_related("results__control")

    @extend_schema(request=ReasonWrite, responses=CertificationSerializer)
    @action(detail=True, methods=["post"])
    @idempotent
    def revoke(self, request: Request, pk: UUID) -> Response:
        body = body_of(request, ReasonWrite)
        revoke_certification(self.get_object(), reason=body["reason"], actor=actor_of(request))
        return Response(self.get_serializer(self.get_object()).data)


class AgentCertificationsView(APIView):
    """One agent's certifications, and giving it a new one."""

    permissions = {"GET": Permission.COMPLIANCE_VIEW, "POST": Permission.COMPLIANCE_CERTIFY}

    @extend_schema(responses=CertificationSerializer(many=True))
    def get(self, request: Request, agent_id: UUID) -> Response:
        agent = agent_for(request, agent_id)
        rows = agent.certifications.select_related("agent", "framework", "certified_by")
        return Response(CertificationSerializer(rows.prefetch_related("results__control"), many=True).data)

    @extend_schema(request=CertificationWrite, responses={201: CertificationSerializer})
    @idempotent
    def post(self, request: Request, agent_id: UUID) -> Response:
        agent = agent_for(request, agent_id)
        body = body_of(request, CertificationWrite)
        controls = {code: ControlJudgement(**judged) for code, judged in body["controls"].items()}
        wanted = CertificationRequest(body["framework"], body["evidence"], controls)
        certification = certify_agent(agent, wanted, actor=actor_of(request))
        return Response(CertificationSerializer(certification).data, status=201)


class FindingViewSet(viewsets.ReadOnlyModelViewSet[Finding]):
    """What somebody must look at."""

    serializer_class = FindingSerializer
    filterset_class = FindingFilter
    permissions = {
        "list": Permission.COMPLIANCE_VIEW,
        "retrieve": Permission.COMPLIANCE_VIEW,
        "resolve": Permission.FINDINGS_RESOLVE,
    }
    queryset = Finding.objects.none()

    def get_queryset(self) -> QuerySet[Finding]:
        return Finding.objects.visible_to(actor_of(self.request)).select_related("agent", "resolved_by")

    @extend_schema(request=ResolutionWrite, responses=FindingSerializer)
    @action(detail=True, methods=["post"])
    @idempotent
    def resolve(self, request: Request, pk: UUID) -> Response:
        body = body_of(request, ResolutionWrite)
        finding = resolve_finding(self.get_object(), resolution=body["resolution"], actor=actor_of(request))
        return Response(self.get_serializer(finding).data)


class DriftRunView(APIView):
    """Compare certified agents with their baselines now."""

    permissions = {"POST": Permission.JOBS_RUN}

    @extend_schema(request=DriftRunWrite, responses=DriftRunAnswer)
    def post(self, request: Request) -> Response:
        agent_id = body_of(request, DriftRunWrite)["agent"]
        agent = (
            get_object_or_404(Agent.objects.visible_to(actor_of(request)), pk=agent_id) if agent_id else None
        )
        return Response(DriftRunAnswer(run_drift_detection(agent, actor=actor_of(request))).data)


class ExpiryRunView(APIView):
    """End certifications whose time is over now."""

    permissions = {"POST": Permission.JOBS_RUN}

    @extend_schema(request=None, responses=ExpiryAnswer)
    def post(self, request: Request) -> Response:
        return Response(ExpiryAnswer({"expired": run_expiry(actor=actor_of(request))}).data)
