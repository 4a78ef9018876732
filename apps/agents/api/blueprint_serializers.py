"""The shapes of blueprints, and of what an act on one came to."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.response import Response

from apps.agents.api.serializers import AgentRef, AgentWrite
from apps.agents.fields import SHAREABLE, restored
from apps.agents.models import Blueprint, BlueprintGrant
from apps.agents.services.blueprints import BlueprintAct
from apps.agents.services.instances import AT_MOST
from apps.identity.api.serializers import PrincipalRef, TeamRef
from apps.identity.models import Team


class BlueprintSerializer(serializers.ModelSerializer[Blueprint]):
    """`values` is what every instance shares, relations by id; `instances` how many there are. `version` is the ETag."""

    team = TeamRef(read_only=True, allow_null=True)
    values = serializers.DictField(source="defaults")
    instances = serializers.IntegerField(source="size")

    class Meta:
        model = Blueprint
        fields = [
            "id",
            "version",
            "name",
            "description",
            "team",
            "values",
            "instances",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class SharedValues(AgentWrite):
    """The fields that a definition may say; each is optional."""

    def get_fields(self) -> dict[str, Any]:
        return {name: field for name, field in super().get_fields().items() if name in SHAREABLE}


class BlueprintWrite(serializers.Serializer[Blueprint]):
    name = serializers.CharField(max_length=200)
    description = serializers.CharField(max_length=4000, allow_blank=True, required=False)
    team = serializers.PrimaryKeyRelatedField(queryset=Team.objects.all(), allow_null=True, required=False)
    values = SharedValues(required=False)
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True)


class InstanceWrite(AgentWrite):
    """A name, and what this instance says otherwise than the definition."""


class InstancesWrite(serializers.Serializer[Any]):
    instances = InstanceWrite(many=True, min_length=1, max_length=AT_MOST)  # type: ignore[call-arg]
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class AgentsWrite(serializers.Serializer[Any]):
    """Agents by id."""

    agents = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=AT_MOST)
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class TakeDefinitionWrite(AgentsWrite):
    fields = serializers.ListField(  # type: ignore[assignment]
        child=serializers.ChoiceField([(name, name) for name in SHAREABLE]),
        min_length=1,
        max_length=len(SHAREABLE),
    )


class InstanceResultSerializer(serializers.Serializer[Any]):
    """`status` is made, done, unchanged, kept (it has its own, which stays) or refused; `agent` is null for one that was not
    made or that the asker may not see."""

    name = serializers.CharField()
    status = serializers.ChoiceField(["made", "done", "unchanged", "kept", "refused"])
    agent = AgentRef(allow_null=True)
    message = serializers.CharField()
    fields = serializers.DictField(child=serializers.CharField())  # type: ignore[assignment]


class ActAnswer(serializers.Serializer[Any]):
    """What an act on a blueprint came to, instance by instance."""

    blueprint = serializers.UUIDField(source="blueprint.pk")
    version = serializers.IntegerField(source="blueprint.version")
    results = InstanceResultSerializer(many=True)


class BlueprintGrantSerializer(serializers.ModelSerializer[BlueprintGrant]):
    """Leave for every instance to use a tool. No operations: all of them."""

    tool = serializers.StringRelatedField[Any]()
    tool_id = serializers.UUIDField()
    granted_by = PrincipalRef()
    revoked_by = PrincipalRef(allow_null=True)

    class Meta:
        model = BlueprintGrant
        fields = [
            "id", "tool", "tool_id", "operations", "constraints", "reason", "granted_by", "granted_at", "expires_at",
            "revoked_at", "revoked_by", "revoke_reason",
        ]  # fmt: skip
        read_only_fields = fields


def answer_of(act: BlueprintAct, status: int = 200) -> Response:
    return Response(ActAnswer(act).data, status=status)


def definition_of(blueprint: Blueprint) -> dict[str, Any]:
    """A blueprint as what would have to be sent to make it."""
    values = {name: restored(name, value) for name, value in blueprint.defaults.items()}
    return {
        "name": blueprint.name,
        "description": blueprint.description,
        "team": blueprint.team,
        "values": values,
    }
