"""The tools one agent, or every instance of a blueprint, may call."""

from __future__ import annotations

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.agents.models import Agent, Blueprint, OfBlueprint
from apps.agents.toolnames import LONGEST
from apps.identity.models import Principal


class ToolPolicyQuerySet(models.QuerySet["ToolPolicy"]):
    """Sets of policies."""

    def limiting(self) -> Self:
        """Without those that were dropped."""
        return self.filter(allowed_tools__isnull=False)


class BlueprintPolicy(models.Model):
    """The tools every instance of a blueprint may call; each holds them as a policy `through` this one.

    `allowed_tools` None: it was dropped and limits nothing; the row stays, so that its version goes on.
    """

    blueprint = models.OneToOneField(Blueprint, on_delete=models.CASCADE, related_name="tool_policy")
    allowed_tools = ArrayField(models.CharField(max_length=LONGEST), default=list, null=True)
    version = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")

    objects = OfBlueprint.as_manager()

    class Meta:
        verbose_name_plural = "blueprint policies"

    def __str__(self) -> str:
        return f"tools of the instances of {self.blueprint_id}"


class ToolPolicy(models.Model):
    """The tools one agent may call, each as `ToolName` writes it; any other call is a violation.

    `allowed_tools` None: the policy was dropped and limits nothing; the row stays, so that its version goes on.
    `through` is the blueprint's policy it came by, None for one of its own.
    """

    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, related_name="tool_policy")
    allowed_tools = ArrayField(models.CharField(max_length=LONGEST), default=list, null=True)
    version = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    through = models.ForeignKey(
        BlueprintPolicy, on_delete=models.SET_NULL, null=True, blank=True, related_name="given"
    )

    objects = ToolPolicyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "tool policies"

    def __str__(self) -> str:
        return f"tools of {self.agent_id}"
