"""Is it in order? Frameworks of controls, certifications given against them, findings."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.agents.models import Agent, Blueprint, OfAgent, OfBlueprint
from apps.identity.models import Principal
from apps.kit.ids import new_id


class Framework(models.Model):
    """A set of controls an agent can be certified against."""

    key = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    edition = models.CharField(max_length=120, blank=True)
    summary = models.TextField(blank=True)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Severity(models.TextChoices):
    CRITICAL = "critical", "Critical"
    HIGH = "high", "High"
    MEDIUM = "medium", "Medium"
    LOW = "low", "Low"


class Control(models.Model):
    """One requirement of a framework. `reference` is the clause it rests on."""

    framework = models.ForeignKey(Framework, on_delete=models.CASCADE, related_name="controls")
    code = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    requirement = models.TextField()
    reference = models.CharField(max_length=120, blank=True)
    severity = models.CharField(max_length=10, choices=Severity.choices, default=Severity.HIGH)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["framework", "position", "code"]
        constraints = [models.UniqueConstraint("framework", "code", name="control_code_is_unique")]

    def __str__(self) -> str:
        return f"{self.code} {self.title}"


class BlueprintCertification(models.Model):
    """A person's judgement of a blueprint's definition, until a date; each instance that is as it was certified holds a
    certification `through` it.

    `certified` is what was judged: the definition's {field: value} on the fields of `rules.CERTIFIED`. `controls` is
    {code: {"result", "note"}}. `baseline` is what its instances together were seen to use.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        REVOKED = "revoked", "Revoked"
        SUPERSEDED = "superseded", "Superseded"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    blueprint = models.ForeignKey(Blueprint, on_delete=models.CASCADE, related_name="certifications")
    framework = models.ForeignKey(Framework, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.ACTIVE)
    tier = models.PositiveSmallIntegerField()
    evidence = models.TextField()
    controls = models.JSONField(default=dict)
    certified = models.JSONField(default=dict)
    baseline = models.JSONField(default=dict)
    certified_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    certified_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_reason = models.TextField(blank=True)

    objects = OfBlueprint.as_manager()

    class Meta:
        ordering = ["-certified_at"]
        constraints = [
            models.UniqueConstraint(
                "blueprint",
                "framework",
                condition=Q(status="active"),
                name="one_active_blueprint_certification_per_framework",
            )
        ]

    def __str__(self) -> str:
        return f"{self.framework_id} for the instances of {self.blueprint_id}"

    def is_active_at(self, moment: datetime) -> bool:
        return self.status == self.Status.ACTIVE and moment < self.expires_at


class CertificationQuerySet(OfAgent["Certification"]):
    """Sets of certifications."""

    def covering(self, agent: Agent, moment: datetime) -> Self:
        """Those that hold at `moment` and were given for the agent's tier or a higher one; none without a tier."""
        held = self.filter(agent_id=agent.pk, status=Certification.Status.ACTIVE, expires_at__gt=moment)
        return held.none() if agent.tier is None else held.filter(tier__gte=agent.tier)


class Certification(models.Model):
    """A person's judgement that an agent meets a framework, until a date.

    `baseline` is what the agent was seen to use when it was certified: {"tools": [names], "models":
    [names]}. Drift is measured against it.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        EXPIRED = "expired", "Expired"
        REVOKED = "revoked", "Revoked"
        SUPERSEDED = "superseded", "Superseded"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="certifications")
    framework = models.ForeignKey(Framework, on_delete=models.PROTECT, related_name="certifications")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.ACTIVE)
    tier = models.PositiveSmallIntegerField()
    evidence = models.TextField()
    baseline = models.JSONField(default=dict)
    certified_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    certified_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_reason = models.TextField(blank=True)
    through = models.ForeignKey(
        BlueprintCertification, on_delete=models.PROTECT, null=True, blank=True, related_name="given"
    )

    objects = CertificationQuerySet.as_manager()

    class Meta:
        ordering = ["-certified_at"]
        constraints = [
            models.UniqueConstraint(
                "agent",
                "framework",
                condition=Q(status="active"),
                name="one_active_certification_per_framework",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=models.F("certified_at")),
                name="certification_ends_after_it_starts",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(status="active"), name="certification_expiry")
        ]

    def __str__(self) -> str:
        return f"{self.framework_id} for {self.agent_id}"

    def is_active_at(self, moment: datetime) -> bool:
        return self.status == self.Status.ACTIVE and moment < self.expires_at

    @property
    def days_left(self) -> int:
        return (self.expires_at - timezone.now()).days


class ControlResult(models.Model):
    """What the certifier found for one control."""

    class Result(models.TextChoices):
        PASS = "pass", "Passes"
        FAIL = "fail", "Fails"
        NOT_APPLICABLE = "not_applicable", "Does not apply"

    certification = models.ForeignKey(Certification, on_delete=models.CASCADE, related_name="results")
    control = models.ForeignKey(Control, on_delete=models.PROTECT, related_name="results")
    result = models.CharField(max_length=16, choices=Result.choices)
    note = models.TextField(blank=True)

    class Meta:
        ordering = ["control__position"]
        constraints = [models.UniqueConstraint("certification", "control", name="control_is_judged_once")]

    def __str__(self) -> str:
        return f"{self.control_id}: {self.result}"


class Finding(models.Model):
    """Something about an agent that somebody must look at. `key` keeps it from being raised twice."""

    class Kind(models.TextChoices):
        NEW_TOOL = "drift.new_tool", "Tool outside the certified baseline"
        MODEL_CHANGED = "drift.model_changed", "Model changed since certification"
        CERTIFICATION_EXPIRED = "certification.expired", "Certification expired"
        CERTIFICATION_OUTGROWN = "certification.outgrown", "Risk above what was certified"
        OUTCOME = "drift.outcome", "Outcome got worse"
        DEFINITION = "tool.definition_changed", "Definition of a tool changed"
        CERTIFICATION_DEPARTED = "certification.departed", "Differs from its certified blueprint"
        DRILL_OVERDUE = "drill.overdue", "Its stop was not tried in time"

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        RESOLVED = "resolved", "Resolved"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="findings")
    certification = models.ForeignKey(
        Certification, on_delete=models.CASCADE, null=True, blank=True, related_name="findings"
    )
    kind = models.CharField(max_length=40, choices=Kind.choices)
    key = models.CharField(max_length=400)
    severity = models.CharField(max_length=10, choices=Severity.choices)
    title = models.CharField(max_length=300)
    detail = models.TextField()
    evidence = models.JSONField(default=dict)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OPEN)
    opened_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    resolution = models.TextField(blank=True)

    objects = OfAgent.as_manager()

    class Meta:
        ordering = ["-opened_at", "-id"]
        constraints = [models.UniqueConstraint("agent", "key", name="finding_is_raised_once")]
        indexes = [models.Index(fields=["status", "-opened_at"], name="finding_by_status")]

    def __str__(self) -> str:
        return self.title
