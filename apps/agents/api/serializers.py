"""The shapes of the registry in REST."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.agents import risk
from apps.agents.models import (
    Agent,
    AgentAlias,
    AiActClass,
    Environment,
    ObservedModel,
    ObservedTool,
    OversightLevel,
    number_of,
)
from apps.agents.search import Hit
from apps.identity.api.serializers import PrincipalRef, TeamRef
from apps.identity.models import Principal, Team


class AgentRef(serializers.ModelSerializer[Agent]):
    """Which agent is meant, briefly."""

    ref = serializers.CharField(read_only=True)

    class Meta:
        model = Agent
        fields = ["id", "ref", "name"]


class ReasonSerializer(serializers.Serializer[risk.Reason]):
    """`level` is what counts; it is above `answer` where the policy lets facts raise it."""

    dimension = serializers.CharField(source="dimension.field")
    answer = serializers.IntegerField()
    level = serializers.IntegerField()
    meaning = serializers.CharField()
    decides = serializers.BooleanField()


class AssessmentSerializer(serializers.Serializer[risk.Assessment]):
    """The tier with its reasons. `because` are what holds it there; `to_lower` says what a lower tier would need, null at
    tier 1."""

    tier = serializers.IntegerField()
    name = serializers.CharField()
    sentence = serializers.CharField()
    because = serializers.ListField(child=serializers.CharField())
    reasons = ReasonSerializer(many=True)
    to_lower = serializers.CharField(allow_null=True)


class BreakerSerializer(serializers.Serializer[Agent]):
    state = serializers.CharField(source="breaker_state")
    tripped_at = serializers.DateTimeField(source="breaker_tripped_at", allow_null=True)
    reason = serializers.CharField(source="breaker_reason")


class AgentSerializer(serializers.ModelSerializer[Agent]):
    """An agent's record. `version` is also its ETag."""

    ref = serializers.CharField(read_only=True)
    owner = PrincipalRef(read_only=True, allow_null=True)
    deputy = PrincipalRef(read_only=True, allow_null=True)
    team = TeamRef(read_only=True, allow_null=True)
    risk = serializers.SerializerMethodField()
    risk_policy = serializers.SerializerMethodField()
    breaker = BreakerSerializer(source="*", read_only=True)

    class Meta:
        model = Agent
        fields = [
            "id", "ref", "version", "slug", "principal", "name", "purpose", "state", "tier", "risk", "risk_policy", "team", "owner",
            "deputy", *risk.FIELDS, "business_service", "environment", "framework", "repository", "blueprint",
            "endpoints", "languages", "users_served", "countries", "retention_days", "sub_processors", "oversight_level",
            "ai_act_class", "tags", "custom", "breaker", "certified_until", "confirmed_at", "first_seen", "last_seen",
            "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(AssessmentSerializer(allow_null=True))
    def get_risk(self, agent: Agent) -> dict[str, Any] | None:
        assessment = agent.assessment
        return AssessmentSerializer(assessment).data if assessment else None

    def get_risk_policy(self, agent: Agent) -> int | None:
        """The number of the policy version that wrote the tier; null for one of before there were policies."""
        return number_of(agent.risk_policy_id)


class HitSerializer(serializers.Serializer[Hit]):
    """An agent that fits, and why.

    `score` orders the hits of one query and means nothing beside another's. `similarity` is the cosine of the
    query with the agent's purpose, null by words alone. `matched` are the words of the query it holds,
    `sentence` is what of its record fits best.
    """

    agent = AgentSerializer()
    score = serializers.FloatField()
    similarity = serializers.FloatField(allow_null=True)
    matched = serializers.ListField(child=serializers.CharField())
    sentence = serializers.CharField()


class SearchAnswer(serializers.Serializer[object]):
    """`by` is meaning, words when no vector could be had, filters when the query held nothing else."""

    by = serializers.ChoiceField(["meaning", "words", "filters"])
    results = HitSerializer(many=True)


def _people() -> Any:
    return Principal.objects.filter(kind=Principal.Kind.HUMAN)


def _texts(longest: int) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(max_length=longest), max_length=200, required=False
    )


class AgentWrite(serializers.Serializer[Agent]):
    """The curated fields; each is optional in a PATCH."""

    name = serializers.CharField(max_length=200)
    purpose = serializers.CharField(max_length=4000, allow_blank=True, required=False)
    team = serializers.PrimaryKeyRelatedField(queryset=Team.objects.all(), allow_null=True, required=False)
    owner = serializers.PrimaryKeyRelatedField(queryset=_people(), allow_null=True, required=False)
    deputy = serializers.PrimaryKeyRelatedField(queryset=_people(), allow_null=True, required=False)
    framework = serializers.CharField(max_length=80, allow_blank=True, required=False)
    repository = serializers.URLField(max_length=200, allow_blank=True, required=False)
    business_service = serializers.CharField(max_length=120, allow_blank=True, required=False)
    environment = serializers.ChoiceField(Environment.choices, allow_blank=True, required=False)
    endpoints = _texts(300)
    languages = _texts(35)
    users_served = serializers.CharField(max_length=200, allow_blank=True, required=False)
    countries = _texts(2)
    retention_days = serializers.IntegerField(min_value=0, max_value=36_500, allow_null=True, required=False)
    sub_processors = _texts(120)
    oversight_level = serializers.ChoiceField(OversightLevel.choices, allow_blank=True, required=False)
    ai_act_class = serializers.ChoiceField(AiActClass.choices, allow_blank=True, required=False)
    tags = _texts(50)
    custom = serializers.DictField(required=False)
    data_sensitivity = serializers.IntegerField(min_value=1, max_value=4, required=False)
    decision_authority = serializers.IntegerField(min_value=1, max_value=4, required=False)
    blast_radius = serializers.IntegerField(min_value=1, max_value=4, required=False)
    regulatory_exposure = serializers.IntegerField(min_value=1, max_value=4, required=False)


class DraftWrite(serializers.Serializer[Agent]):
    name = serializers.CharField(max_length=200)
    purpose = serializers.CharField(max_length=4000, allow_blank=True, required=False, default="")
    team = serializers.PrimaryKeyRelatedField(
        queryset=Team.objects.all(), allow_null=True, required=False, default=None
    )


class AliasSerializer(serializers.ModelSerializer[AgentAlias]):
    source = PrincipalRef(read_only=True)  # type: ignore[assignment]  # a field of that name, not Field.source

    class Meta:
        model = AgentAlias
        fields = ["source", "service_name", "agent_name", "first_seen"]


class ObservedToolSerializer(serializers.ModelSerializer[ObservedTool]):
    class Meta:
        model = ObservedTool
        fields = ["tool_name", "mcp_server", "calls", "first_seen", "last_seen"]


class ObservedModelSerializer(serializers.ModelSerializer[ObservedModel]):
    class Meta:
        model = ObservedModel
        fields = ["provider", "model", "calls", "first_seen", "last_seen"]


class EvidenceSerializer(serializers.Serializer[Agent]):
    """What telemetry showed of the agent."""

    aliases = AliasSerializer(many=True)
    tools = ObservedToolSerializer(source="observed_tools", many=True)
    models = ObservedModelSerializer(source="observed_models", many=True)
    first_seen = serializers.DateTimeField(allow_null=True)
    last_seen = serializers.DateTimeField(allow_null=True)
