"""What agents use: tools and their operations, models, predictive models, data sources, systems."""

from __future__ import annotations

from typing import Any, Self, TypeVar

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Cast

from apps.agents.models.agents import Agent
from apps.agents.risk.rules import DATA_CLASSES
from apps.identity.access import access_of
from apps.identity.models import LedgerEntry, Principal, Team
from apps.identity.roles import Permission
from apps.kit.ids import new_id

M = TypeVar("M", bound=models.Model)
KINDS = ("tool", "model", "predictive_model", "data_source", "system")


class DataClass(models.TextChoices):
    """Classes of data, from the least to the most sensitive."""

    PUBLIC = "public", "Public"
    INTERNAL = "internal", "Internal"
    CONFIDENTIAL = "confidential", "Confidential"
    PERSONAL = "personal", "Personal"
    FINANCIAL = "financial", "Financial"
    HEALTH = "health", "Health"
    SPECIAL = "special", "Special category"
    CREDENTIALS = "credentials", "Credentials"


# The level of `risk` data sensitivity that each class amounts to where no policy says otherwise.
SENSITIVITY = {DataClass(name): level for name, level in DATA_CLASSES.items()}


class SideEffect(models.TextChoices):
    """What a call leaves behind, from nothing to what cannot be taken back."""

    READ = "read", "Reads only"
    WRITE = "write", "Writes, can be undone"
    EXTERNAL = "external", "Reaches people or parties outside"
    IRREVERSIBLE = "irreversible", "Cannot be undone"


class CatalogueQuerySet(models.QuerySet[M]):
    """The catalogue: what agents are made of. What only strangers' agents use tells what those are."""

    def visible_to(self, actor: Principal) -> Self:
        """All of it for those who see every agent. For those who see some: what these use or were granted, what
        their teams own, and what somebody put on record for everybody. Still one query."""
        access = access_of(actor)
        if actor.kind == Principal.Kind.AGENT or not access.allows_somewhere(Permission.AGENTS_VIEW):
            return self.none()
        if access.allows(Permission.AGENTS_VIEW):
            return self
        teams = access.teams_with(Permission.AGENTS_VIEW)
        return self.filter(Q(team__in=teams) | self._used_by(actor) | (Q(team=None) & Q(_on_record())))

    def _used_by(self, actor: Principal) -> Q:
        seen = Agent.objects.visible_to(actor).values("pk")
        edges = apps.get_model("agents", "Dependency")._default_manager  # its module is above this one
        used = Q(Exists(edges.filter(target_id=OuterRef("pk"), source_id__in=seen)))
        if self.model._meta.model_name != "tool":
            return used
        grants = apps.get_model("agents", "ToolGrant")._default_manager
        return used | Q(Exists(grants.filter(tool=OuterRef("pk"), agent__in=seen, revoked_at=None)))


def _on_record() -> Exists:
    """True for what a person registered, in distinction from what traffic showed."""
    acts = LedgerEntry.objects.filter(target_id=Cast(OuterRef("pk"), models.CharField()))
    return Exists(
        acts.filter(target_type__in=KINDS, action__in=[f"agents.{kind}.registered" for kind in KINDS])
    )


class Asset(models.Model):
    """Something agents depend on. `version` is its ETag."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    description = models.TextField(blank=True)
    owner = models.ForeignKey(Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = CatalogueQuerySet.as_manager()

    class Meta:
        abstract = True


class Tool(Asset):
    """Something agents call by name. `server` is the MCP server that offers it, '' for a tool of an agent."""

    class Kind(models.TextChoices):
        API = "api", "API"
        MCP = "mcp", "MCP"
        DATABASE = "database", "Database"
        CODE = "code", "Code execution"
        BROWSER = "browser", "Browser"
        EMAIL = "email", "E-mail"
        AGENT = "agent", "Agent"
        PREDICTIVE = "predictive", "Predictive model"
        OTHER = "other", "Other"

    name = models.CharField(max_length=255)
    server = models.CharField(max_length=255, blank=True)
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.OTHER)
    side_effect = models.CharField(max_length=12, choices=SideEffect.choices, blank=True)
    data_classes = ArrayField(
        models.CharField(max_length=12, choices=DataClass.choices), default=list, blank=True
    )
    schema = models.JSONField(null=True, blank=True)
    schema_hash = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        ordering = ["name", "server"]
        constraints = [models.UniqueConstraint("name", "server", name="tool_has_one_name_on_a_server")]

    def __str__(self) -> str:
        return f"{self.server}/{self.name}" if self.server else self.name


class ToolOperation(models.Model):
    """One of the things a tool can do, where it does several."""

    tool = models.ForeignKey(Tool, on_delete=models.CASCADE, related_name="operations")
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    side_effect = models.CharField(max_length=12, choices=SideEffect.choices, blank=True)
    data_classes = ArrayField(
        models.CharField(max_length=12, choices=DataClass.choices), default=list, blank=True
    )
    schema = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint("tool", "name", name="operation_has_one_name_in_a_tool")]

    def __str__(self) -> str:
        return self.name


class ModelEndpoint(Asset):
    """A model as some provider serves it in some region. `snapshot` is the dated build, '' for a moving name."""

    provider = models.CharField(max_length=120, blank=True)
    model = models.CharField(max_length=255)
    snapshot = models.CharField(max_length=255, blank=True)
    region = models.CharField(max_length=60, blank=True)
    deprecated_on = models.DateField(null=True, blank=True)
    input_usd_per_million = models.DecimalField(
        "price of a million input tokens, USD", max_digits=10, decimal_places=4, null=True, blank=True
    )
    output_usd_per_million = models.DecimalField(
        "price of a million output tokens, USD", max_digits=10, decimal_places=4, null=True, blank=True
    )

    class Meta:
        ordering = ["provider", "model", "snapshot", "region"]
        constraints = [
            models.UniqueConstraint(
                "provider", "model", "snapshot", "region", name="model_endpoint_is_known_once"
            )
        ]

    def __str__(self) -> str:
        return " ".join(part for part in (self.provider, self.snapshot or self.model, self.region) if part)

    @property
    def name(self) -> str:
        return str(self)


class PredictiveModel(Asset):
    """A model under MLOps that agents use as a tool: where it is registered, and whether it drifts."""

    class Drift(models.TextChoices):
        UNKNOWN = "unknown", "Unknown"
        STABLE = "stable", "Stable"
        DRIFTING = "drifting", "Drifting"

    name = models.CharField(max_length=255)
    release = models.CharField(max_length=80, blank=True)
    registry_url = models.URLField(max_length=300, blank=True)
    metrics_url = models.URLField(max_length=300, blank=True)
    drift_status = models.CharField(max_length=10, choices=Drift.choices, default=Drift.UNKNOWN)
    drift_checked_at = models.DateTimeField(null=True, blank=True)
    tool = models.OneToOneField(
        Tool, on_delete=models.SET_NULL, null=True, blank=True, related_name="predictive_model"
    )

    class Meta:
        ordering = ["name", "release"]
        constraints = [models.UniqueConstraint("name", "release", name="predictive_model_is_known_once")]

    def __str__(self) -> str:
        return f"{self.name} {self.release}".strip()


class System(Asset):
    """An application, platform or business service that agents run on, read or write."""

    class Kind(models.TextChoices):
        APPLICATION = "application", "Application"
        BUSINESS_SERVICE = "business_service", "Business service"
        DATABASE = "database", "Database"
        PLATFORM = "platform", "Platform"
        IDENTITY_PROVIDER = "identity_provider", "Identity provider"
        OTHER = "other", "Other"

    name = models.CharField(max_length=255, unique=True)
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.OTHER)
    url = models.URLField(max_length=300, blank=True)
    region = models.CharField(max_length=60, blank=True)
    criticality = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(criticality=None) | Q(criticality__range=(1, 4)),
                name="system_criticality_is_1_to_4",
            )
        ]

    def __str__(self) -> str:
        return self.name


class DataSource(Asset):
    """Data that agents read or write, by its most sensitive class."""

    name = models.CharField(max_length=255, unique=True)
    data_class = models.CharField(max_length=12, choices=DataClass.choices, default=DataClass.INTERNAL)
    region = models.CharField(max_length=60, blank=True)
    system = models.ForeignKey(
        System, on_delete=models.PROTECT, null=True, blank=True, related_name="data_sources"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


ASSETS: dict[str, type[Any]] = {
    "tool": Tool,
    "model": ModelEndpoint,
    "predictive_model": PredictiveModel,
    "data_source": DataSource,
    "system": System,
}
