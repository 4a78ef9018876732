"""When breakers trip by themselves, over REST."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.agents.api.scoped import agent_for
from apps.agents.api.serializers import AgentRef
from apps.identity.api.actor import actor_of
from apps.identity.api.idempotency import idempotent
from apps.identity.api.serializers import PrincipalRef, ReasonWrite
from apps.identity.roles import Permission
from apps.kit.rest.reading import body_of
from apps.oversight.models import BreakerRule
from apps.oversight.services.limits import LimitRequest, Whose, drop_limit, set_limit


class LimitWrite(serializers.Serializer[LimitRequest]):
    """`threshold` in US dollars for spend; `share_percent` null: any share of its calls. `tier` null: the whole fleet."""

    is_on = serializers.BooleanField(required=False, default=True)
    threshold = serializers.IntegerField(min_value=1)
    window_s = serializers.IntegerField(min_value=1)
    share_percent = serializers.IntegerField(required=False, allow_null=True, default=None)
    reason = serializers.CharField(max_length=2000)


class RuleSerializer(serializers.ModelSerializer[BreakerRule]):
    """`agent` and `tier` null: it holds for the fleet."""

    agent = AgentRef(read_only=True, allow_null=True)
    cause = serializers.CharField(read_only=True)
    updated_by = PrincipalRef(read_only=True)

    class Meta:
        model = BreakerRule
        fields = [
            "agent", "tier", "cause", "is_on", "threshold", "window_s", "share_percent", "version", "updated_at", "updated_by",
        ]  # fmt: skip


class RulesView(APIView):
    """Every limit somebody chose for the fleet or for a tier."""

    permissions = {"GET": Permission.AGENTS_VIEW}

    @extend_schema(responses=RuleSerializer(many=True))
    def get(self, request: Request) -> Response:
        rows = BreakerRule.objects.filter(agent=None).select_related("updated_by")
        return Response(RuleSerializer(rows, many=True).data)


class FleetLimitView(APIView):
    """The limit of one cause for the whole fleet."""

    permissions = {"PUT": Permission.POLICY_EDIT, "DELETE": Permission.POLICY_EDIT}

    @extend_schema(request=LimitWrite, responses=RuleSerializer)
    @idempotent
    def put(self, request: Request, cause: str) -> Response:
        return _set(request, Whose(), cause)

    @extend_schema(request=ReasonWrite, responses={204: None})
    def delete(self, request: Request, cause: str) -> Response:
        return _drop(request, Whose(), cause)


class TierLimitView(APIView):
    """The limit of one cause for a tier."""

    permissions = {"PUT": Permission.POLICY_EDIT, "DELETE": Permission.POLICY_EDIT}

    @extend_schema(request=LimitWrite, responses=RuleSerializer)
    @idempotent
    def put(self, request: Request, tier: int, cause: str) -> Response:
        return _set(request, Whose(tier=tier), cause)

    @extend_schema(request=ReasonWrite, responses={204: None})
    def delete(self, request: Request, tier: int, cause: str) -> Response:
        return _drop(request, Whose(tier=tier), cause)


class AgentLimitView(APIView):
    """The limit of one cause for one agent."""

    permissions = {"PUT": Permission.POLICY_EDIT, "DELETE": Permission.POLICY_EDIT}

    @extend_schema(request=LimitWrite, responses=RuleSerializer)
    @idempotent
    def put(self, request: Request, agent_id: UUID, cause: str) -> Response:
        return _set(request, Whose(agent=agent_for(request, agent_id)), cause)

    @extend_schema(request=ReasonWrite, responses={204: None})
    def delete(self, request: Request, agent_id: UUID, cause: str) -> Response:
        return _drop(request, Whose(agent=agent_for(request, agent_id)), cause)


def _set(request: Request, whose: Whose, cause: str) -> Response:
    body = body_of(request, LimitWrite)
    reason = body.pop("reason")
    rule = set_limit(whose, LimitRequest(cause, **body), reason=reason, actor=actor_of(request))
    return Response(RuleSerializer(rule).data)


def _drop(request: Request, whose: Whose, cause: str) -> Response:
    reason = body_of(request, ReasonWrite)["reason"]
    drop_limit(whose, cause, reason=reason, actor=actor_of(request))
    return Response(status=204)
