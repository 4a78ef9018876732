"""The shapes of risk in REST: one agent's record of it, and the policy."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.agents import risk
from apps.agents.api.serializers import AssessmentSerializer
from apps.agents.models import RiskPolicy
from apps.identity.api.serializers import PrincipalRef


class FactSerializer(serializers.Serializer[Any]):
    """One fact in words and the thing it is about: kind and id, '' where it is about none or the asker may not see it."""

    level = serializers.IntegerField(allow_null=True)
    words = serializers.CharField()
    kind = serializers.CharField(allow_blank=True)
    id = serializers.CharField(allow_blank=True)


class DimensionSerializer(serializers.Serializer[Any]):
    """`answer` is a person's, `by_facts` what the record amounts to (null: says nothing), `level` what counts."""

    dimension = serializers.CharField(source="dimension.field")
    answer = serializers.IntegerField(allow_null=True)
    by_facts = serializers.IntegerField(allow_null=True)
    held = serializers.IntegerField(allow_null=True)
    level = serializers.IntegerField(allow_null=True)
    decides = serializers.BooleanField()
    is_contradicted = serializers.BooleanField()
    contradiction = serializers.CharField(allow_blank=True)
    to_lower = serializers.CharField(allow_blank=True)
    facts = FactSerializer(many=True)


class PolicyRef(serializers.ModelSerializer[RiskPolicy]):
    class Meta:
        model = RiskPolicy
        fields = ["id", "number", "name"]


class RiskRecordSerializer(serializers.Serializer[Any]):
    """`policy` is the version that wrote the tier; null for one of before there were policies."""

    assessment = AssessmentSerializer(allow_null=True)
    policy = PolicyRef(allow_null=True)
    facts_raise = serializers.BooleanField()
    is_held = serializers.BooleanField()
    dimensions = DimensionSerializer(many=True, source="lines")


class TakeFactWrite(serializers.Serializer[Any]):
    dimension = serializers.ChoiceField([(one, one) for one in risk.FIELDS])
    reason = serializers.CharField(max_length=2000, allow_blank=True, required=False, default="")


class RiskPolicySerializer(serializers.ModelSerializer[RiskPolicy]):
    """One version. `rules` is the whole policy as data; `version` is the ETag of a draft; `done` of `total` agents are
    recalculated, `moved` of them to another tier."""

    created_by = PrincipalRef(read_only=True, allow_null=True)
    applied_by = PrincipalRef(read_only=True, allow_null=True)
    based_on = PolicyRef(read_only=True, allow_null=True)
    is_recalculating = serializers.BooleanField(read_only=True)

    class Meta:
        model = RiskPolicy
        fields = [
            "id", "version", "number", "name", "note", "state", "rules", "based_on", "created_by", "created_at", "applied_by",
            "applied_at", "reason", "moves", "total", "done", "moved", "is_recalculating", "finished_at",
        ]  # fmt: skip
        read_only_fields = fields


class RiskPolicyWrite(serializers.Serializer[Any]):
    """Parts that `rules` leaves out are as in the policy in force when drafting, and as they were when editing."""

    name = serializers.CharField(max_length=120)
    note = serializers.CharField(max_length=2000, allow_blank=True, required=False)
    rules = serializers.DictField(required=False)


class MoveSerializer(serializers.Serializer[Any]):
    agent = serializers.UUIDField(source="agent_id")
    name = serializers.CharField()
    state = serializers.CharField()
    before = serializers.IntegerField(allow_null=True)
    after = serializers.IntegerField()
    why = serializers.CharField()
    lacks_certification = serializers.BooleanField(source="lacks")


class PreviewCell(serializers.Serializer[Any]):
    before = serializers.IntegerField(allow_null=True)
    after = serializers.IntegerField()
    agents = serializers.IntegerField()


class PolicyPreviewSerializer(serializers.Serializer[Any]):
    """What a policy would do: the matrix of tiers, every agent that moves, those that would lack a certification first."""

    matrix = PreviewCell(many=True)
    moves = MoveSerializer(many=True)
    raised = serializers.IntegerField()
    lowered = serializers.IntegerField()
    lacking = serializers.IntegerField()
    unassessed = serializers.IntegerField()
