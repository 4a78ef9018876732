"""Policies and decisions over REST."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.agents.api.scoped import agent_for
from apps.agents.api.serializers import AgentRef
from apps.agents.models import Agent, DataClass
from apps.agents.toolnames import LONGEST
from apps.identity.api.actor import actor_of
from apps.identity.api.serializers import PrincipalRef, ReasonWrite
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.kit.errors import NotFound
from apps.kit.rest.etags import check_if_match, etag_of
from apps.kit.rest.reading import body_of
from apps.oversight.models import Decision, ToolPolicy
from apps.oversight.services.decisions import Question, decide
from apps.oversight.services.policies import drop_tool_policy, set_tool_policy


class ToolPolicySerializer(serializers.ModelSerializer[ToolPolicy]):
    updated_by = PrincipalRef(read_only=True)

    class Meta:
        model = ToolPolicy
        fields = ["allowed_tools", "version", "updated_at", "updated_by"]


class ToolPolicyWrite(serializers.Serializer[ToolPolicy]):
    """Exactly these tools may be called; an empty list allows none. `server/tool` names one of an MCP server."""

    allowed_tools = serializers.ListField(child=serializers.CharField(max_length=LONGEST), max_length=500)
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class QuestionWrite(serializers.Serializer[Question]):
    """`agent` is an id, a number (AGT-0412) or a slug; an agent asking about itself may leave it out."""

    agent = serializers.CharField(max_length=80, required=False)
    tool = serializers.CharField(
        max_length=255, help_text="`mcp__server__tool` and `server/tool` name the server too."
    )
    mcp_server = serializers.CharField(max_length=255, required=False, allow_blank=True, default="")
    operation = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")
    call_id = serializers.CharField(max_length=255, required=False, allow_blank=True, default="")
    conversation_id = serializers.CharField(max_length=255, required=False, allow_blank=True, default="")
    arguments = serializers.DictField(
        required=False,
        default=dict,
        help_text="The call's own, as the tool would get them; not kept unless a person is asked.",
    )
    data_classes = serializers.ListField(
        child=serializers.ChoiceField(DataClass.choices), required=False, default=list, max_length=20,
        help_text="Of what the arguments hold, beside those of the tool.",
    )  # fmt: skip
    purpose = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    on_behalf_of = serializers.CharField(
        max_length=255,
        required=False,
        allow_blank=True,
        default="",
        help_text="The person the agent acts for.",
    )
    approval = serializers.CharField(
        max_length=40,
        required=False,
        allow_blank=True,
        default="",
        help_text="The id of an approval of this very call.",
    )


class DecisionSerializer(serializers.ModelSerializer[Decision]):
    agent = AgentRef(read_only=True)
    asked_by = PrincipalRef(read_only=True)
    tool = serializers.CharField(source="tool_name")

    class Meta:
        model = Decision
        fields = [
            "id", "agent", "asked_by", "tool", "operation", "call_id", "conversation_id", "outcome", "code",
            "reason", "policy_version", "decided_at", "data_classes", "purpose", "on_behalf_of", "findings", "obligations",
            "shadow", "digest", "approval_id", "expires_at",
        ]  # fmt: skip


class NextStep(serializers.Serializer[object]):
    """What may be done about an answer: `do` for programs, `words` for people and models."""

    do = serializers.CharField()
    words = serializers.CharField()


class DecisionAnswer(DecisionSerializer):
    """`approval` is what the call waits for; `policies` those that spoke about it; `next` what to do."""

    approval = serializers.SerializerMethodField()
    policies = serializers.SerializerMethodField()
    next = NextStep(many=True, source="next_steps")

    class Meta(DecisionSerializer.Meta):
        fields = [*DecisionSerializer.Meta.fields, "approval", "policies", "next"]

    def get_approval(self, decision: Decision) -> dict[str, str] | None:
        return {"id": str(decision.approval_id)} if decision.approval_id else None

    def get_policies(self, decision: Decision) -> list[dict[str, Any]]:
        named = [one for one in decision.findings if one.get("policy")]
        return [{"id": one["policy"], "version": one.get("version"), "mode": one["mode"]} for one in named]


class DecisionFilter(django_filters.FilterSet):
    agent = django_filters.UUIDFilter(field_name="agent_id")
    tool = django_filters.CharFilter(field_name="tool_name")
    since = django_filters.IsoDateTimeFilter(field_name="decided_at", lookup_expr="gte")

    class Meta:
        model = Decision
        fields = ["outcome", "code", "call_id"]


class DecisionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Decision]):
    """May this agent call this tool? Every answer is kept."""

    serializer_class = DecisionAnswer
    filterset_class = DecisionFilter
    permissions = {
        "list": Permission.DECISIONS_VIEW,
        "retrieve": Permission.DECISIONS_VIEW,
        "create": Permission.DECISIONS_ASK,
    }
    queryset = Decision.objects.none()

    def get_queryset(self) -> QuerySet[Decision]:
        return Decision.objects.visible_to(actor_of(self.request)).select_related("agent", "asked_by")

    @extend_schema(request=QuestionWrite, responses={200: DecisionAnswer})
    def create(self, request: Request) -> Response:
        """Ask. The answer is `outcome` allow, notify (allowed, people are told), ask (wait for a person) or deny, with its
        `reason`; a denial is a 200 too."""
        body = body_of(request, QuestionWrite)
        agent = _agent_asked_about(request, body.pop("agent", None))
        decision = decide(agent, Question(tool_name=body.pop("tool"), **body), actor=actor_of(request))
        return Response(self.get_serializer(decision).data)


class ToolPolicyView(APIView):
    """The tools an agent may call."""

    permissions = {
        "GET": Permission.AGENTS_VIEW,
        "PUT": Permission.POLICY_EDIT,
        "DELETE": Permission.POLICY_EDIT,
    }

    @extend_schema(responses=ToolPolicySerializer)
    def get(self, request: Request, agent_id: UUID) -> Response:
        return _policy(_policy_of(agent_for(request, agent_id)))

    @extend_schema(request=ToolPolicyWrite, responses=ToolPolicySerializer)
    def put(self, request: Request, agent_id: UUID) -> Response:
        """Set the policy. An existing one needs If-Match with the ETag that was read."""
        agent = agent_for(request, agent_id)
        known = ToolPolicy.objects.filter(agent=agent).first()
        version = known.version if known else 0
        if known and known.allowed_tools is not None:
            check_if_match(request, known, required=True)
        body = body_of(request, ToolPolicyWrite)
        policy = set_tool_policy(
            agent, body["allowed_tools"], reason=body["reason"], version=version, actor=actor_of(request)
        )
        return _policy(policy)

    @extend_schema(request=ReasonWrite, responses={204: None})
    def delete(self, request: Request, agent_id: UUID) -> Response:
        agent = agent_for(request, agent_id)
        policy = _policy_of(agent)
        check_if_match(request, policy, required=True)
        reason = body_of(request, ReasonWrite)["reason"]
        drop_tool_policy(agent, reason=reason, version=policy.version, actor=actor_of(request))
        return Response(status=204)


def _agent_asked_about(request: Request, name: str | None) -> Agent:
    visible = Agent.objects.visible_to(actor_of(request), Permission.DECISIONS_ASK)
    if name is None:
        if actor_of(request).kind != Principal.Kind.AGENT:
            raise serializers.ValidationError({"agent": "Name the agent you ask about"})
        return get_object_or_404(visible, principal=actor_of(request))
    return get_object_or_404(visible.called(name))


def _policy_of(agent: Agent) -> ToolPolicy:
    policy = ToolPolicy.objects.limiting().select_related("updated_by").filter(agent=agent).first()
    if policy is None:
        raise NotFound("No tool policy limits this agent.", code="oversight.policy.none")
    return policy


def _policy(policy: ToolPolicy) -> Response:
    return Response(ToolPolicySerializer(policy).data, headers={"ETag": etag_of(policy)})
