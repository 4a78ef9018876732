"""How an agent is held, over REST: its mode, levels of oversight, budgets."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.agents.api.scoped import agent_for
from apps.agents.models import Agent, OversightLevel
from apps.agents.toolnames import LONGEST
from apps.identity.access import access_of
from apps.identity.api.actor import actor_of
from apps.identity.api.serializers import PrincipalRef, ReasonWrite
from apps.identity.models import Team
from apps.identity.roles import Permission
from apps.kit.rest.reading import body_of
from apps.oversight.models import AgentBudget, AgentControl, LevelSetting, Mode
from apps.oversight.services.control import (
    LevelChoice,
    drop_budget,
    drop_level,
    set_budget,
    set_level,
    set_mode,
)


class BudgetSerializer(serializers.ModelSerializer[AgentBudget]):
    set_by = PrincipalRef(read_only=True)

    class Meta:
        model = AgentBudget
        fields = ["id", "kind", "most", "window_s", "reason", "set_by", "set_at"]


class ControlAnswer(serializers.Serializer[Any]):
    """`mode` is what becomes of calls that nothing on record covers."""

    mode = serializers.CharField()
    reason = serializers.CharField()
    version = serializers.IntegerField()
    budgets = BudgetSerializer(many=True)


class AgentModeWrite(serializers.Serializer[Any]):
    """`version` (as read) refuses a stale write."""

    mode = serializers.ChoiceField(Mode.choices)
    reason = serializers.CharField(max_length=2000)
    version = serializers.IntegerField(required=False, allow_null=True, default=None)


class BudgetWrite(serializers.Serializer[Any]):
    """`most` calls, or millionths of a US dollar, in a window of `window_s` seconds that ends now."""

    kind = serializers.ChoiceField(AgentBudget.Kind.choices)
    most = serializers.IntegerField(min_value=0)
    window_s = serializers.IntegerField(min_value=60, max_value=31 * 86_400)
    reason = serializers.CharField(max_length=2000)


class LevelSerializer(serializers.ModelSerializer[LevelSetting]):
    set_by = PrincipalRef(read_only=True)

    class Meta:
        model = LevelSetting
        fields = ["id", "agent", "team", "tool", "operation", "level", "reason", "set_by", "set_at"]


class LevelWrite(serializers.Serializer[Any]):
    """For an agent, a team, or (both null) everybody; an empty tool or operation stands for every one."""

    agent = serializers.UUIDField(required=False, allow_null=True, default=None)
    team = serializers.PrimaryKeyRelatedField(
        queryset=Team.objects.all(), required=False, allow_null=True, default=None
    )
    tool = serializers.CharField(max_length=LONGEST, required=False, default="", allow_blank=True)
    operation = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    level = serializers.ChoiceField(OversightLevel.choices)
    reason = serializers.CharField(max_length=2000)


class ControlView(APIView):
    """How one agent is held."""

    permissions = {"GET": Permission.AGENTS_VIEW, "PUT": Permission.POLICY_EDIT}

    @extend_schema(responses=ControlAnswer)
    def get(self, request: Request, agent_id: UUID) -> Response:
        return _control(agent_for(request, agent_id))

    @extend_schema(request=AgentModeWrite, responses=ControlAnswer)
    def put(self, request: Request, agent_id: UUID) -> Response:
        """Set the mode."""
        agent = agent_for(request, agent_id)
        set_mode(agent, actor=actor_of(request), **body_of(request, AgentModeWrite))
        return _control(agent)


class BudgetsView(APIView):
    """What one agent may spend."""

    permissions = {"POST": Permission.POLICY_EDIT}

    @extend_schema(request=BudgetWrite, responses={201: BudgetSerializer})
    def post(self, request: Request, agent_id: UUID) -> Response:
        """Set a budget; one of the same kind and window is replaced."""
        budget = set_budget(
            agent_for(request, agent_id), actor=actor_of(request), **body_of(request, BudgetWrite)
        )
        return Response(BudgetSerializer(budget).data, status=201)


class BudgetView(APIView):
    """One budget."""

    permissions = {"DELETE": Permission.POLICY_EDIT}

    @extend_schema(request=ReasonWrite, responses={204: None})
    def delete(self, request: Request, agent_id: UUID, budget_id: int) -> Response:
        reason = body_of(request, ReasonWrite)["reason"]
        drop_budget(agent_for(request, agent_id), budget_id, actor=actor_of(request), reason=reason)
        return Response(status=204)


class LevelsView(APIView):
    """How much a person is in the loop, for which calls of whom."""

    permissions = {"GET": Permission.DECISIONS_VIEW, "POST": Permission.POLICY_EDIT}

    @extend_schema(responses=LevelSerializer(many=True))
    def get(self, request: Request) -> Response:
        rows = _levels(request).select_related("set_by")[:1000]
        return Response(LevelSerializer(rows, many=True).data)

    @extend_schema(request=LevelWrite, responses={201: LevelSerializer})
    def post(self, request: Request) -> Response:
        """Set a level; one for the same calls is replaced."""
        body = body_of(request, LevelWrite)
        agent = agent_for(request, body.pop("agent")) if body["agent"] else body.pop("agent")
        setting = set_level(LevelChoice(agent=agent, **body), actor=actor_of(request))
        return Response(LevelSerializer(setting).data, status=201)


class LevelView(APIView):
    """One level."""

    permissions = {"DELETE": Permission.POLICY_EDIT}

    @extend_schema(request=ReasonWrite, responses={204: None})
    def delete(self, request: Request, level_id: UUID) -> Response:
        setting = get_object_or_404(_levels(request).select_related("agent", "team"), pk=level_id)
        drop_level(setting, actor=actor_of(request), reason=body_of(request, ReasonWrite)["reason"])
        return Response(status=204)


def _levels(request: Request) -> Any:
    """Those of agents one sees, of one's teams, and of everybody."""
    actor = actor_of(request)
    access = access_of(actor)
    rows = LevelSetting.objects.all()
    if access.allows(Permission.DECISIONS_VIEW):
        return rows
    teams = access.teams_with(Permission.DECISIONS_VIEW)
    seen = Agent.objects.visible_to(actor, Permission.DECISIONS_VIEW)
    return rows.filter(Q(agent__in=seen) | Q(team__in=teams) | Q(agent=None, team=None))


def _control(agent: Agent) -> Response:
    control = AgentControl.objects.filter(agent=agent).first()
    told = {
        "mode": control.mode if control else Mode.OBSERVE,
        "reason": control.reason if control else "",
        "version": control.version if control else 0,
        "budgets": agent.budgets.select_related("set_by"),
    }
    return Response(ControlAnswer(told).data)
