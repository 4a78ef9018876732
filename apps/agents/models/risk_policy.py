"""Risk policies: how the dimensions of risk become a tier, version by version."""

from __future__ import annotations

from functools import lru_cache
from typing import Self
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.agents.risk import AS_ANSWERED, Rules
from apps.identity.access import access_of
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.kit.ids import new_id


class RiskPolicyQuerySet(models.QuerySet["RiskPolicy"]):
    def visible_to(self, actor: Principal) -> Self:
        """What is or was in force, for everybody who sees agents; drafts for those who may apply them."""
        access = access_of(actor)
        if access.allows(Permission.RISK_POLICY):
            return self
        applied = ~Q(state=RiskPolicy.State.DRAFT)
        return self.filter(applied) if access.allows_somewhere(Permission.AGENTS_VIEW) else self.none()


class RiskPolicy(models.Model):
    """One version of the policy. A draft has no number yet; an applied one never changes again and becomes former
    when another is applied.

    Applying recalculates every agent: `cursor` is the last one done, `total`, `done` and `moved` count, `finished_at`
    is when the last was done. `moves` is what the preview promised: {"2 to 3": 14}. Without `applied_by` it shipped
    with the product.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        APPLIED = "applied", "Applied"
        FORMER = "former", "Former"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    number = models.PositiveIntegerField(null=True, blank=True, unique=True)
    name = models.CharField(max_length=120)
    note = models.TextField(blank=True)
    rules = models.JSONField(default=dict)
    state = models.CharField(max_length=8, choices=State.choices, default=State.DRAFT)
    based_on = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    created_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)
    applied_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    applied_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    moves = models.JSONField(default=dict)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    moved = models.PositiveIntegerField(default=0)
    cursor = models.UUIDField(null=True, blank=True)
    progressed_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = RiskPolicyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "risk policies"
        ordering = [models.F("number").desc(nulls_first=True), "-created_at"]
        constraints = [
            models.UniqueConstraint("state", condition=Q(state="applied"), name="one_risk_policy_is_applied"),
            models.CheckConstraint(
                condition=Q(state="draft", number=None) | ~Q(state="draft") & ~Q(number=None),
                name="risk_policy_is_numbered_when_applied",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, version {self.number}" if self.number else f"{self.name}, draft"

    @property
    def parsed(self) -> Rules:
        return Rules.of_json(self.rules)

    @property
    def is_recalculating(self) -> bool:
        return self.state == self.State.APPLIED and self.finished_at is None


def rules_of(policy_id: UUID | None) -> Rules:
    """The rules of an applied policy; for None the four answers alone, which is how tiers began."""
    return AS_ANSWERED if policy_id is None else _known(policy_id)[1]


def number_of(policy_id: UUID | None) -> int | None:
    return None if policy_id is None else _known(policy_id)[0]


@lru_cache(maxsize=128)
def _known(policy_id: UUID) -> tuple[int | None, Rules]:
    """An applied policy never changes, so that a process asks for it once."""
    policy = RiskPolicy.objects.get(pk=policy_id)
    return policy.number, policy.parsed
