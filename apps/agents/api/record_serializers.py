"""The shapes of what agents are made of and what they use."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.agents.fields import EDITABLE
from apps.agents.models import (
    AgentVersion,
    Claim,
    DataClass,
    DataSource,
    Dependency,
    ModelEndpoint,
    NodeKind,
    Origin,
    PredictiveModel,
    System,
    Tool,
    ToolGrant,
    ToolOperation,
)
from apps.identity.api.serializers import PrincipalRef, TeamRef
from apps.identity.models import Principal, Team

SHARED = ["id", "version", "description", "owner", "team", "created_at", "updated_at"]


class AssetSerializer(serializers.ModelSerializer[Any]):
    """`version` is also the ETag."""

    owner = PrincipalRef(read_only=True, allow_null=True)
    team = TeamRef(read_only=True, allow_null=True)


class OperationSerializer(serializers.ModelSerializer[ToolOperation]):
    class Meta:
        model = ToolOperation
        fields = ["name", "description", "side_effect", "data_classes", "schema"]


class ToolSerializer(AssetSerializer):
    operations = OperationSerializer(many=True, read_only=True)

    class Meta:
        model = Tool
        fields = [
            *SHARED, "name", "server", "kind", "side_effect", "data_classes", "schema", "schema_hash", "operations",
        ]  # fmt: skip


class ModelEndpointSerializer(AssetSerializer):
    class Meta:
        model = ModelEndpoint
        fields = [
            *SHARED, "provider", "model", "snapshot", "region", "deprecated_on", "input_usd_per_million",
            "output_usd_per_million",
        ]  # fmt: skip


class PredictiveModelSerializer(AssetSerializer):
    class Meta:
        model = PredictiveModel
        fields = [
            *SHARED, "name", "release", "registry_url", "metrics_url", "drift_status", "drift_checked_at", "tool",
        ]  # fmt: skip


class DataSourceSerializer(AssetSerializer):
    class Meta:
        model = DataSource
        fields = [*SHARED, "name", "data_class", "region", "system"]


class SystemSerializer(AssetSerializer):
    class Meta:
        model = System
        fields = [*SHARED, "name", "kind", "url", "region", "criticality"]


def _price() -> serializers.DecimalField:
    return serializers.DecimalField(
        max_digits=10, decimal_places=4, min_value=Decimal(0), allow_null=True, required=False
    )


class AssetWrite(serializers.Serializer[Any]):
    """What every kind of asset has; each field is optional in a PATCH."""

    description = serializers.CharField(max_length=4000, allow_blank=True, required=False)
    owner = serializers.PrimaryKeyRelatedField(
        queryset=Principal.objects.filter(kind=Principal.Kind.HUMAN), allow_null=True, required=False
    )
    team = serializers.PrimaryKeyRelatedField(queryset=Team.objects.all(), allow_null=True, required=False)


class ToolWrite(AssetWrite):
    name = serializers.CharField(max_length=255)
    server = serializers.CharField(max_length=255, allow_blank=True, required=False)
    kind = serializers.CharField(max_length=12, required=False)
    side_effect = serializers.CharField(max_length=12, allow_blank=True, required=False)
    data_classes = serializers.ListField(
        child=serializers.ChoiceField(DataClass.choices), max_length=8, required=False
    )
    schema = serializers.JSONField(allow_null=True, required=False)


class ModelEndpointWrite(AssetWrite):
    provider = serializers.CharField(max_length=120, allow_blank=True, required=False)
    model = serializers.CharField(max_length=255)
    snapshot = serializers.CharField(max_length=255, allow_blank=True, required=False)
    region = serializers.CharField(max_length=60, allow_blank=True, required=False)
    deprecated_on = serializers.DateField(allow_null=True, required=False)
    input_usd_per_million = _price()
    output_usd_per_million = _price()


class PredictiveModelWrite(AssetWrite):
    name = serializers.CharField(max_length=255)
    release = serializers.CharField(max_length=80, allow_blank=True, required=False)
    registry_url = serializers.URLField(max_length=300, allow_blank=True, required=False)
    metrics_url = serializers.URLField(max_length=300, allow_blank=True, required=False)
    drift_status = serializers.ChoiceField(PredictiveModel.Drift.choices, required=False)
    tool = serializers.PrimaryKeyRelatedField(queryset=Tool.objects.all(), allow_null=True, required=False)


class DataSourceWrite(AssetWrite):
    name = serializers.CharField(max_length=255)
    data_class = serializers.ChoiceField(DataClass.choices)
    region = serializers.CharField(max_length=60, allow_blank=True, required=False)
    system = serializers.PrimaryKeyRelatedField(
        queryset=System.objects.all(), allow_null=True, required=False
    )


class SystemWrite(AssetWrite):
    name = serializers.CharField(max_length=255)
    kind = serializers.ChoiceField(System.Kind.choices, required=False)
    url = serializers.URLField(max_length=300, allow_blank=True, required=False)
    region = serializers.CharField(max_length=60, allow_blank=True, required=False)
    criticality = serializers.IntegerField(min_value=1, max_value=4, allow_null=True, required=False)


class NodeSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(NodeKind.choices)
    id = serializers.UUIDField()


class DependencySerializer(serializers.ModelSerializer[Dependency]):
    """`source` needs `target`."""

    source = serializers.SerializerMethodField(method_name="get_source_node")  # type: ignore[assignment]
    target = serializers.SerializerMethodField()

    class Meta:
        model = Dependency
        fields = ["id", "source", "target", "relation", "origin", "calls", "first_seen", "last_seen"]

    @extend_schema_field(NodeSerializer)
    def get_source_node(self, edge: Dependency) -> dict[str, str]:
        return {"kind": edge.source_kind, "id": str(edge.source_id)}

    @extend_schema_field(NodeSerializer)
    def get_target(self, edge: Dependency) -> dict[str, str]:
        return {"kind": edge.target_kind, "id": str(edge.target_id)}


class DependencyWrite(serializers.Serializer[Dependency]):
    source = NodeSerializer()  # type: ignore[assignment]
    target = NodeSerializer()
    relation = serializers.ChoiceField(Dependency.Relation.choices)


class GrantSerializer(serializers.ModelSerializer[ToolGrant]):
    """Leave to use a tool. No operations: all of them."""

    tool = serializers.StringRelatedField[Any]()
    tool_id = serializers.UUIDField()
    granted_by = PrincipalRef()
    revoked_by = PrincipalRef(allow_null=True)

    class Meta:
        model = ToolGrant
        fields = [
            "id", "tool", "tool_id", "operations", "constraints", "reason", "granted_by", "granted_at", "expires_at",
            "revoked_at", "revoked_by", "revoke_reason",
        ]  # fmt: skip
        read_only_fields = fields


class GrantWrite(serializers.Serializer[ToolGrant]):
    tool = serializers.PrimaryKeyRelatedField(queryset=Tool.objects.all())
    reason = serializers.CharField(max_length=2000)
    operations = serializers.ListField(
        child=serializers.CharField(max_length=120), max_length=100, required=False, default=list
    )
    constraints = serializers.DictField(required=False, default=dict)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class VersionSerializer(serializers.ModelSerializer[AgentVersion]):
    """`changes` says in words what differs from the version before; empty for the first."""

    changes = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = AgentVersion
        fields = [
            "id", "number", "label", "fingerprint", "prompt_hash", "model", "model_snapshot", "tools", "framework_version",
            "configuration_hash", "commit", "origin", "first_seen", "last_seen", "changes",
        ]  # fmt: skip
        read_only_fields = fields


class VersionWrite(serializers.Serializer[AgentVersion]):
    """What the agent is made of. `tools` maps each tool to the hash of its schema, '' where unknown; `since` is when a new
    version began, where it is told later."""

    since = serializers.DateTimeField(required=False, allow_null=True, default=None)
    label = serializers.CharField(max_length=80, allow_blank=True, required=False, default="")  # type: ignore[assignment]
    prompt_hash = serializers.CharField(max_length=64, allow_blank=True, required=False, default="")
    model = serializers.CharField(max_length=255, allow_blank=True, required=False, default="")
    model_snapshot = serializers.CharField(max_length=255, allow_blank=True, required=False, default="")
    tools = serializers.DictField(
        child=serializers.CharField(max_length=64, allow_blank=True), required=False, default=dict
    )
    framework_version = serializers.CharField(max_length=80, allow_blank=True, required=False, default="")
    configuration_hash = serializers.CharField(max_length=64, allow_blank=True, required=False, default="")
    commit = serializers.CharField(max_length=64, allow_blank=True, required=False, default="")


class ClaimSerializer(serializers.ModelSerializer[Claim]):
    """What one source last said of one field. `is_shown` is True where the record shows this value."""

    stated_by = PrincipalRef(allow_null=True)

    class Meta:
        model = Claim
        fields = ["id", "field", "origin", "source", "value", "claimed_at", "stated_by", "settled_at"]


class ClaimsWrite(serializers.Serializer[Claim]):
    """A source's word on some fields; relations by id. An empty value takes its word back."""

    origin = serializers.ChoiceField(
        [(value, label) for value, label in Origin.choices if value not in (Origin.PERSON, Origin.BLUEPRINT)]
    )
    source = serializers.CharField(max_length=255)  # type: ignore[assignment]
    values = serializers.DictField()

    def validate_values(self, values: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(values.keys() - set(EDITABLE))
        if unknown:
            raise serializers.ValidationError(f"There is no field {', '.join(unknown)}.")
        return values


class SettleWrite(serializers.Serializer[Claim]):
    """`take`: show the claim's value from now on; otherwise keep what is shown."""

    take = serializers.BooleanField()
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")
