"""What of the content of activity is recorded, version by version."""

from __future__ import annotations

from django.db import models

from apps.activity.recording.policy import CHOICES, FULL, Policy, policy_of
from apps.identity.models import Principal


class ContentPolicy(models.Model):
    """One version; the newest holds. `rules` are those of apps.activity.recording.policy.Rule. Never changed."""

    number = models.PositiveIntegerField(primary_key=True)
    default = models.CharField(max_length=8, choices=CHOICES, default=FULL)
    rules = models.JSONField(default=list)
    reason = models.TextField()
    set_at = models.DateTimeField(auto_now_add=True)
    set_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"content policy {self.number}"

    @property
    def policy(self) -> Policy:
        return policy_of(self.number, self.default, self.rules)
