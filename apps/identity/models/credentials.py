"""API keys (stored hashed, shown once) and the memory of idempotent requests."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.identity.models.principals import Principal
from apps.identity.roles import Scope
from apps.kit.ids import new_id


class ApiKey(models.Model):
    """A bearer credential of a principal: `chy_<prefix>_<secret>`. Only SHA-256 of the token is kept.

    The secret has 256 random bits, so a fast hash is enough (nothing to guess); the prefix finds the row
    and is what people see.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    principal = models.ForeignKey(Principal, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=12, unique=True)
    secret_hash = models.BinaryField()
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope.choices))
    created_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    scopes__contained_by=["ingest", "decide", "read", "write", "report", "declare", "gateway"]
                )
                & Q(scopes__len__gt=0),
                name="apikey_scopes_are_known",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} (chy_{self.prefix}_…)"

    @property
    def is_live(self) -> bool:
        """True while the key opens anything: not revoked, not expired."""
        return self.revoked_at is None and self.expires_at > timezone.now()


class IdempotentRequest(models.Model):
    """The answer given to a request that carried an Idempotency-Key, kept for a day."""

    principal = models.ForeignKey(Principal, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=128)
    fingerprint = models.BinaryField(help_text="SHA-256 of method, path and body.")
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    headers = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["principal", "key"], name="idempotency_key_is_used_once")
        ]

    def __str__(self) -> str:
        return self.key
