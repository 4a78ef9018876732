"""Kill switches: a stop of the whole fleet, of a team, of a tool or of a model. That of one agent is its breaker."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q

from apps.identity.access import access_of
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.kit.ids import new_id

LONGEST_TARGET = 520


class KillSwitchQuerySet(models.QuerySet["KillSwitch"]):
    """Sets of kill switches."""

    def visible_to(self, actor: Principal) -> Self:
        """Those that may stop an agent the actor can know of: of the fleet, of tools, of models, of its teams."""
        access = access_of(actor)
        if access.allows(Permission.DECISIONS_VIEW) and actor.kind != Principal.Kind.AGENT:
            return self
        teams = {*access.teams_with(Permission.DECISIONS_VIEW), actor.team_id}
        return self.filter(~Q(scope="team") | Q(team__in=[team for team in teams if team]))

    def standing(self) -> Self:
        return self.filter(released_at=None)


class KillSwitch(models.Model):
    """One pull, until its release. `target` names a tool (server/tool, `server/*`) or a model; '' for fleet and team."""

    class Scope(models.TextChoices):
        FLEET = "fleet", "The whole fleet"
        TEAM = "team", "A team"
        TOOL = "tool", "A tool"
        MODEL = "model", "A model"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    scope = models.CharField(max_length=8, choices=Scope.choices)
    team = models.ForeignKey(
        Team, on_delete=models.PROTECT, null=True, blank=True, related_name="kill_switches"
    )
    target = models.CharField(max_length=LONGEST_TARGET, blank=True)
    reason = models.TextField()
    pulled_at = models.DateTimeField()
    pulled_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    release_reason = models.TextField(blank=True)
    corrective_action = models.CharField(max_length=300, blank=True)

    objects = KillSwitchQuerySet.as_manager()

    class Meta:
        ordering = ["-pulled_at"]
        verbose_name_plural = "kill switches"
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "team", "target"], condition=Q(released_at=None), nulls_distinct=False,
                name="kill_switch_is_pulled_once",
            ),
            models.CheckConstraint(
                condition=(Q(scope="team") & Q(team__isnull=False)) | (~Q(scope="team") & Q(team=None)),
                name="kill_switch_of_a_team_names_it",
            ),
            models.CheckConstraint(
                condition=Q(scope__in=["fleet", "team"], target="")
                | (Q(scope__in=["tool", "model"]) & ~Q(target="")),
                name="kill_switch_names_its_target",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.words

    @property
    def words(self) -> str:
        """What it stops."""
        if self.scope == self.Scope.FLEET:
            return "the whole fleet"
        return f"the team {self.team}" if self.team is not None else f"the {self.scope} {self.target}"
