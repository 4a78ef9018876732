"""The shapes of identity in REST."""

from __future__ import annotations

import orjson
from rest_framework import serializers

from apps.identity.mentions import veiled
from apps.identity.models import ApiKey, LedgerCheckpoint, LedgerEntry, Principal, RoleAssignment, Team
from apps.identity.roles import Role, Scope
from apps.identity.services.ledger import canonical


class PrincipalRef(serializers.ModelSerializer[Principal]):
    """Whoever is meant, briefly."""

    class Meta:
        model = Principal
        fields = ["id", "kind", "name"]


class TeamRef(serializers.ModelSerializer[Team]):
    class Meta:
        model = Team
        fields = ["id", "name"]


class TeamSerializer(serializers.ModelSerializer[Team]):
    class Meta:
        model = Team
        fields = ["id", "name", "parent", "created_at"]
        read_only_fields = ["id", "created_at"]


class TeamEdit(serializers.Serializer[Team]):
    name = serializers.CharField(max_length=120, required=False)
    parent = serializers.PrimaryKeyRelatedField(  # type: ignore[assignment]  # a field, not Field.parent
        queryset=Team.objects.all(), required=False, allow_null=True
    )


class OneTimePassword(serializers.Serializer[object]):
    """The only answer that carries it."""

    password = serializers.CharField()


class RoleSerializer(serializers.ModelSerializer[RoleAssignment]):
    team = TeamRef(read_only=True, allow_null=True)

    class Meta:
        model = RoleAssignment
        fields = ["id", "role", "team", "created_at"]


class PersonSerializer(serializers.ModelSerializer[Principal]):
    """A person: the principal's id, with the account's address and roles."""

    email = serializers.EmailField(source="person.email", read_only=True)
    job_title = serializers.CharField(source="person.job_title", read_only=True)
    roles = RoleSerializer(many=True, read_only=True)

    class Meta:
        model = Principal
        fields = ["id", "name", "email", "job_title", "is_active", "roles", "created_at"]


class MeSerializer(serializers.ModelSerializer[Principal]):
    roles = RoleSerializer(many=True, read_only=True)

    class Meta:
        model = Principal
        fields = ["id", "kind", "name", "roles"]


class PersonWrite(serializers.Serializer[Principal]):
    email = serializers.EmailField(max_length=254)
    name = serializers.CharField(max_length=200)
    job_title = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")


class RoleWrite(serializers.Serializer[RoleAssignment]):
    role = serializers.ChoiceField(Role.choices)
    team = serializers.PrimaryKeyRelatedField(
        queryset=Team.objects.all(), required=False, allow_null=True, default=None
    )


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    principal = PrincipalRef(read_only=True)
    created_by = PrincipalRef(read_only=True)
    is_live = serializers.BooleanField(read_only=True)

    class Meta:
        model = ApiKey
        fields = [
            "id", "name", "prefix", "principal", "scopes", "is_live", "created_by", "created_at",
            "expires_at", "revoked_at", "last_used_at",
        ]  # fmt: skip


class ApiKeyWrite(serializers.Serializer[ApiKey]):
    """`principal` absent: a new source with `name` is made, in `team`; its key may ingest unless `scopes` say otherwise.

    A key of scope decide asks for the agents of `team`, so it needs one.
    """

    name = serializers.CharField(max_length=120)
    principal = serializers.PrimaryKeyRelatedField(
        queryset=Principal.objects.exclude(kind="human"), required=False, allow_null=True, default=None
    )
    team = serializers.PrimaryKeyRelatedField(
        queryset=Team.objects.all(), required=False, allow_null=True, default=None
    )
    scopes = serializers.ListField(child=serializers.ChoiceField(Scope.choices), required=False)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class MintedKeySerializer(ApiKeySerializer):
    """The only answer that carries the token."""

    token = serializers.CharField(read_only=True)

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "token"]


class ReasonWrite(serializers.Serializer[object]):
    """Why it is done; kept in the ledger."""

    reason = serializers.CharField(max_length=2000)


class LedgerEntrySerializer(serializers.ModelSerializer[LedgerEntry]):
    """An entry with its canonical body as text and, once sequenced, its leaf index and hash (hex).

    `is_whole` is false where the body names an agent the reader may not know of: it stands there without its name and
    id, and the leaf's hash is that of the whole body.
    """

    body = serializers.SerializerMethodField()
    is_whole = serializers.SerializerMethodField()
    leaf_index = serializers.IntegerField(source="leaf.leaf_index", read_only=True, default=None)
    leaf_hash = serializers.SerializerMethodField()

    class Meta:
        model = LedgerEntry
        fields = [
            "id", "at", "action", "actor_id", "target_type", "target_id", "request_id", "body",
            "is_whole", "leaf_index", "leaf_hash",
        ]  # fmt: skip

    def get_body(self, entry: LedgerEntry) -> str:
        if self.get_is_whole(entry):
            return bytes(entry.body).decode()
        body = orjson.loads(bytes(entry.body))
        return canonical(body | {"detail": veiled(entry.action, body["detail"])}).decode()

    def get_is_whole(self, entry: LedgerEntry) -> bool:
        return entry.pk not in self.context.get("strangers", ())

    def get_leaf_hash(self, entry: LedgerEntry) -> str | None:
        leaf = getattr(entry, "leaf", None)
        return bytes(leaf.leaf_hash).hex() if leaf else None


class LedgerCheckpointSerializer(serializers.ModelSerializer[LedgerCheckpoint]):
    root_hash = serializers.SerializerMethodField()

    class Meta:
        model = LedgerCheckpoint
        fields = ["tree_size", "root_hash", "note", "signed_at"]

    def get_root_hash(self, checkpoint: LedgerCheckpoint) -> str:
        return bytes(checkpoint.root_hash).hex()
