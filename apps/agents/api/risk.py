"""Risk over REST: what one agent's tier rests on, and the policy that tiers follow."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.agents.api import risk_serializers as shapes
from apps.agents.api.scoped import agent_for
from apps.agents.models import RiskPolicy
from apps.agents.queries.risk import risk_record
from apps.agents.queries.risk_preview import Preview, preview_of
from apps.agents.services.risk_answers import reassess_agent, take_fact_level
from apps.agents.services.risk_policies import (
    apply_policy,
    discard_policy,
    draft_policy,
    edit_policy,
    return_to_policy,
)
from apps.identity.access import require
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import ReasonWrite
from apps.identity.roles import Permission
from apps.kit.rest.etags import check_if_match, etag_of
from apps.kit.rest.paging import CursorPage
from apps.kit.rest.reading import body_of


class AgentRiskView(APIView):
    """Why an agent has its tier: each dimension by answer and by facts."""

    permissions = {"GET": Permission.AGENTS_VIEW}

    @extend_schema(responses=shapes.RiskRecordSerializer)
    def get(self, request: Request, agent_id: UUID) -> Response:
        return _told(request, agent_id)


class TakeFactLevelView(APIView):
    """Answering a dimension as its facts do."""

    permissions = {"POST": Permission.AGENTS_CURATE}

    @extend_schema(request=shapes.TakeFactWrite, responses=shapes.RiskRecordSerializer)
    @idempotent
    def post(self, request: Request, agent_id: UUID) -> Response:
        """Take the level of the facts as the answer, where they say more."""
        agent = agent_for(request, agent_id)
        body = body_of(request, shapes.TakeFactWrite)
        take_fact_level(agent, body["dimension"], reason=body["reason"], actor=actor_of(request))
        return _told(request, agent_id)


class ReassessView(APIView):
    """Letting go of what former facts hold up."""

    permissions = {"POST": Permission.AGENTS_CURATE}

    @extend_schema(request=ReasonWrite, responses=shapes.RiskRecordSerializer)
    @idempotent
    def post(self, request: Request, agent_id: UUID) -> Response:
        """Judge by the facts as they are now. Its tier may fall, which its owner and deputy may not bring about."""
        agent = agent_for(request, agent_id)
        reassess_agent(agent, reason=body_of(request, ReasonWrite)["reason"], actor=actor_of(request))
        return _told(request, agent_id)


def _told(request: Request, agent_id: UUID) -> Response:
    record = risk_record(agent_for(request, agent_id), actor=actor_of(request))
    return Response(shapes.RiskRecordSerializer(record).data)


class PolicyPage(CursorPage):
    ordering = ("-created_at", "id")


class RiskPolicyViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[RiskPolicy]
):
    """Versions of the risk policy: one in force, drafts, and former ones, which stay for good."""

    serializer_class = shapes.RiskPolicySerializer
    pagination_class = PolicyPage
    filterset_class = None
    lookup_value_converter = "uuid"
    permissions = {
        "list": Permission.AGENTS_VIEW,
        "retrieve": Permission.AGENTS_VIEW,
        "create": Permission.RISK_POLICY,
        "partial_update": Permission.RISK_POLICY,
        "destroy": Permission.RISK_POLICY,
        "preview": Permission.RISK_POLICY,
        "apply": Permission.RISK_POLICY,
        "return_to": Permission.RISK_POLICY,
    }
    queryset = RiskPolicy.objects.none()

    def get_queryset(self) -> QuerySet[RiskPolicy]:
        visible = RiskPolicy.objects.visible_to(actor_of(self.request))
        return visible.select_related("created_by", "applied_by", "based_on")

    def retrieve(self, request: Request, pk: UUID) -> Response:
        return self._answer(self.get_object())

    @extend_schema(request=shapes.RiskPolicyWrite, responses={201: shapes.RiskPolicySerializer})
    @idempotent
    def create(self, request: Request) -> Response:
        """Write a draft; nothing follows from it until it is applied."""
        body = body_of(request, shapes.RiskPolicyWrite)
        policy = draft_policy(
            body["name"], body.get("rules", {}), note=body.get("note", ""), actor=actor_of(request)
        )
        return self._answer(policy, status=201)

    @extend_schema(request=shapes.RiskPolicyWrite, responses=shapes.RiskPolicySerializer)
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Change a draft. Needs If-Match with the ETag that was read."""
        policy = self.get_object()
        version = check_if_match(request, policy, required=True)
        changes = body_of(request, shapes.RiskPolicyWrite, partial=True)
        return self._answer(edit_policy(policy, changes, version=version, actor=actor_of(request)))

    def destroy(self, request: Request, pk: UUID) -> Response:
        """Discard a draft. What was in force stays."""
        discard_policy(self.get_object(), actor=actor_of(request))
        return Response(status=204)

    @extend_schema(responses=shapes.PolicyPreviewSerializer)
    @action(detail=True, pagination_class=None)
    def preview(self, request: Request, pk: UUID) -> Response:
        """What this policy would do to the whole fleet. Nothing is written."""
        require(actor_of(request), Permission.RISK_POLICY)
        policy = self.get_object()
        response = Response(_preview(preview_of(policy.parsed)))
        response["ETag"] = etag_of(policy)
        return response

    @extend_schema(request=ReasonWrite, responses=shapes.RiskPolicySerializer)
    @action(detail=True, methods=["post"])
    @idempotent
    def apply(self, request: Request, pk: UUID) -> Response:
        """Put a draft into force. Needs If-Match with the ETag of the preview that was seen. The fleet is recalculated in
        the background; the answer's `done`, `total` and `moved` follow it."""
        policy = self.get_object()
        version = check_if_match(request, policy, required=True)
        reason = body_of(request, ReasonWrite)["reason"]
        return self._answer(apply_policy(policy, reason=reason, version=version, actor=actor_of(request)))

    @extend_schema(request=None, responses={201: shapes.RiskPolicySerializer})
    @action(detail=True, methods=["post"], url_path="return")
    @idempotent
    def return_to(self, request: Request, pk: UUID) -> Response:
        """A draft with the rules of this version."""
        return self._answer(return_to_policy(self.get_object(), actor=actor_of(request)), status=201)

    def _answer(self, policy: RiskPolicy, status: int = 200) -> Response:
        response = Response(self.get_serializer(policy).data, status=status)
        response["ETag"] = etag_of(policy)
        return response


def _preview(preview: Preview) -> dict[str, Any]:
    cells = sorted(preview.counts.items(), key=lambda one: (one[0][0] or 0, one[0][1]))
    matrix = [{"before": before, "after": after, "agents": count} for (before, after), count in cells]
    return dict(
        shapes.PolicyPreviewSerializer(
            {
                "matrix": matrix, "moves": preview.moves, "raised": preview.raised, "lowered": preview.lowered,
                "lacking": len(preview.lacking), "unassessed": preview.unassessed,
            }
        ).data
    )  # fmt: skip
