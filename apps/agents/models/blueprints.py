"""Blueprints: one definition of an agent with many instances, and what all of them may use."""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.db.models import Exists, OuterRef, Q

from apps.agents import risk
from apps.agents.models.agents import Agent
from apps.agents.models.assets import Tool
from apps.agents.models.dependencies import Leave
from apps.identity.access import access_of
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.kit.ids import new_id


class BlueprintQuerySet(models.QuerySet["Blueprint"]):
    def visible_to(self, actor: Principal) -> Self:
        """All for those who see every agent; for others those of their teams and those of agents they see."""
        access = access_of(actor)
        if actor.kind == Principal.Kind.AGENT or not access.allows_somewhere(Permission.AGENTS_VIEW):
            return self.none()
        if access.allows(Permission.AGENTS_VIEW):
            return self
        seen = Agent.objects.visible_to(actor).filter(blueprint=OuterRef("pk"))
        return self.filter(Q(team__in=access.teams_with(Permission.AGENTS_VIEW)) | Q(Exists(seen)))


class Blueprint(models.Model):
    """One definition of an agent with many instances, such as the same agent for forty branches.

    `defaults` holds the fields every instance shares, {field: stored value}; an instance that says otherwise
    differs, and the difference is shown.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    name = models.CharField(max_length=200, unique=True)
    description = models.TextField(blank=True)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    defaults = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = BlueprintQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def assessed_by(self, rules: risk.Rules) -> risk.Assessment | None:
        """What the definition alone comes to by these rules; facts are each instance's own. None while one of the four
        answers is missing."""
        answers = {name: self.defaults.get(name) for name in risk.FIELDS}
        return risk.assess(answers, rules, ai_act_class=self.defaults.get("ai_act_class", ""))


class OfBlueprint(models.QuerySet[Any]):
    """Rows that belong to a blueprint by `blueprint`: whoever sees it sees them."""

    def visible_to(self, actor: Principal) -> Self:
        return self.filter(blueprint__in=Blueprint.objects.visible_to(actor))


class BlueprintGrant(Leave):
    """Leave for every instance to use one tool; each instance holds it as a grant `through` this one."""

    blueprint = models.ForeignKey(Blueprint, on_delete=models.CASCADE, related_name="grants")
    tool = models.ForeignKey(Tool, on_delete=models.PROTECT, related_name="+")

    objects = OfBlueprint.as_manager()

    class Meta:
        ordering = ["tool__name", "-granted_at"]
        constraints = [
            models.UniqueConstraint(
                "blueprint", "tool", condition=Q(revoked_at=None), name="tool_is_granted_once_a_blueprint"
            )
        ]

    def __str__(self) -> str:
        return f"instances of {self.blueprint_id} may use {self.tool_id}"
