"""Policies in Cedar: versions that a second person reviews, saved examples, how far each is rolled out."""

from __future__ import annotations

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.agents.toolnames import LONGEST
from apps.identity.access import access_of
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.kit.ids import new_id

LONGEST_POLICY = 20_000


class PolicyMode(models.TextChoices):
    """What a match of a policy does."""

    SHADOW = "shadow", "Shadow: noted, changes nothing"
    WARN = "warn", "Warn: people are told, the call goes on"
    ENFORCE = "enforce", "Enforce"


class PolicyQuerySet(models.QuerySet["Policy"]):
    def visible_to(self, actor: Principal) -> Self:
        """Those of the fleet for everybody who sees decisions somewhere; a team's for those who see its decisions."""
        access = access_of(actor)
        if actor.kind == Principal.Kind.AGENT or not access.allows_somewhere(Permission.DECISIONS_VIEW):
            return self.none()
        if access.allows(Permission.DECISIONS_VIEW):
            return self
        return self.filter(Q(team=None) | Q(team__in=access.teams_with(Permission.DECISIONS_VIEW)))

    def in_force(self) -> Self:
        """Not retired, and some version of it applies to somebody."""
        return self.filter(retired_at=None).exclude(active=None, candidate=None)


class Policy(models.Model):
    """One rule about calls. `team` None: for the whole fleet, else for agents of the team and those below it.

    `candidate` is a newer version that applies to `candidate_percent` of the agents; `active` to the others.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    mode = models.CharField(max_length=8, choices=PolicyMode.choices, default=PolicyMode.SHADOW)
    active = models.ForeignKey(
        "oversight.PolicyVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    candidate = models.ForeignKey(
        "oversight.PolicyVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    candidate_percent = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "policies"
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(candidate_percent__range=(0, 100)), name="policy_is_rolled_out_to_0_to_100"
            )
        ]

    def __str__(self) -> str:
        return self.name


class OfPolicy(models.QuerySet[models.Model]):
    """Rows that belong to a policy by `policy`: whoever sees it sees them."""

    def visible_to(self, actor: Principal) -> Self:
        return self.filter(policy__in=Policy.objects.visible_to(actor))


class PolicyVersion(models.Model):
    """One wording of a policy; never changed once it is proposed.

    `form` holds the kind and the answers of the form it was written with, None for Cedar written by hand. What follows
    `text` is read out of it. `tool`, `server`, `agent` and `team_name` are the scope its head names, '' for any.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        PROPOSED = "proposed", "Waits for a second person"
        APPROVED = "approved", "Approved"
        REFUSED = "refused", "Refused"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    form = models.JSONField(null=True, blank=True)
    text = models.TextField(max_length=LONGEST_POLICY)
    effect = models.CharField(max_length=8)
    outcome = models.CharField(max_length=8)
    words = models.TextField(blank=True)
    obligations = models.JSONField(default=list)
    counters = models.TextField(blank=True)
    needs_session = models.BooleanField(default=False)
    tool = models.CharField(max_length=LONGEST, blank=True)
    server = models.CharField(max_length=255, blank=True)
    agent = models.CharField(max_length=80, blank=True)
    team_name = models.CharField(max_length=120, blank=True)
    digest = models.CharField(max_length=64)
    warnings = ArrayField(models.TextField(), default=list)
    state = models.CharField(max_length=8, choices=State.choices, default=State.DRAFT)
    reason = models.TextField(blank=True)
    author = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    proposed_at = models.DateTimeField(null=True, blank=True)
    reviewer = models.ForeignKey(Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    reviewed_at = models.DateTimeField(null=True, blank=True)
    review_reason = models.TextField(blank=True)

    objects = OfPolicy.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint("policy", "number", name="policy_version_has_one_number")]

    def __str__(self) -> str:
        return f"{self.policy_id} version {self.number}"


class PolicyExample(models.Model):
    """A call with what it must come to, tried on every version before it is proposed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="examples")
    name = models.CharField(max_length=120)
    question = models.JSONField()
    expected = models.CharField(max_length=8)
    created_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = OfPolicy.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint("policy", "name", name="policy_example_has_one_name")]

    def __str__(self) -> str:
        return self.name
