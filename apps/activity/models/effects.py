"""Whether what calls say they did really happened: what is declared of a tool, what was found of a call."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.activity.models.behaviour import Alert
from apps.activity.models.calls import Effect
from apps.agents.models import Tool
from apps.identity.models import Principal
from apps.kit.ids import new_id


class ReadBackQuerySet(models.QuerySet["ReadBack"]):
    """Sets of read-backs."""

    def visible_to(self, actor: Principal) -> Self:
        return self.filter(tool__in=Tool.objects.visible_to(actor))

    def standing(self) -> Self:
        """Those that hold now; one a tool."""
        return self.filter(ended_at=None)


class ReadBack(models.Model):
    """One version of how a tool's calls are read back. A change is a new version; the one before it ends.

    `rule` is apps.activity.effects.rules.Rule as JSON, `secret` a sealed bearer token ('' for none).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tool = models.ForeignKey(Tool, on_delete=models.CASCADE, related_name="read_backs")
    number = models.PositiveIntegerField()
    rule = models.JSONField()
    secret = models.TextField(blank=True, default="")
    reason = models.TextField(blank=True)
    declared_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    declared_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    objects = ReadBackQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint("tool", "number", name="read_back_has_one_number"),
            models.UniqueConstraint(
                fields=["tool"], condition=Q(ended_at=None), name="one_read_back_of_a_tool_stands"
            ),
        ]

    def __str__(self) -> str:
        return f"read-back {self.number} of {self.tool_id}"

    @property
    def version(self) -> int:
        """Its ETag."""
        return self.number

    @property
    def has_secret(self) -> bool:
        return bool(self.secret)


class CallEffect(models.Model):
    """What was found of one call: written when the call is heard of, judged once. `effect` '' while it waits.

    `why` is a code of apps.activity.effects.words, `evidence` what it rests on: no value of a call stands in it, only
    where it stands; what an address answered does, as the content policy lets it. `next_at` is when it is looked at again:
    whoever looks puts it off first, so that a killed process leaves it to the next.
    """

    call_id = models.UUIDField(primary_key=True)
    read_back = models.ForeignKey(ReadBack, on_delete=models.SET_NULL, null=True, related_name="effects")
    effect = models.CharField(max_length=8, choices=Effect.choices, blank=True, default="")
    why = models.CharField(max_length=20, blank=True, default="")
    evidence = models.JSONField(default=dict)
    heard_at = models.DateTimeField()
    due_at = models.DateTimeField()
    next_at = models.DateTimeField()
    looks = models.PositiveIntegerField(default=0)
    judged_at = models.DateTimeField(null=True)
    alert = models.ForeignKey(
        Alert, on_delete=models.SET_NULL, null=True, related_name="effects", db_constraint=False
    )

    class Meta:
        indexes = [models.Index(fields=["next_at"], condition=Q(effect=""), name="effect_waiting")]

    def __str__(self) -> str:
        return f"{self.call_id} {self.effect or 'waits'}"


class EffectCursor(models.Model):
    """How far calls have been looked through for tools with a read-back, by feed position: one row."""

    position = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.position)
