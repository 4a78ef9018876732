"""The registry: agents, the natural keys by which they are recognised, what they were seen to use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self, TypeVar

from auditlog.registry import auditlog
from django.core.validators import URLValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django_fsm import FSMField
from pgvector.django import HnswIndex, VectorField

from apps.agents import risk
from apps.identity.access import access_of
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.kit.ids import new_id

M = TypeVar("M", bound=models.Model)
EMBEDDING_DIMENSIONS = 384
GOVERNED = frozenset(
    {"state", "breaker_state", "breaker_tripped_at", "breaker_reason", "certified_until", "tier"}
)


class State(models.TextChoices):
    """Where an agent stands in its life. What may follow what is told in `apps.lifecycle.machine`."""

    DRAFT = "draft", "Draft"
    DISCOVERED = "discovered", "Discovered"
    REGISTERED = "registered", "Registered"
    IN_REVIEW = "in_review", "In review"
    CERTIFIED = "certified", "Certified"
    STAGING = "staging", "Staging"
    PRODUCTION = "production", "Production"
    SUSPENDED = "suspended", "Suspended"
    QUARANTINED = "quarantined", "Quarantined"
    DEPRECATED = "deprecated", "Deprecated"
    RETIRED = "retired", "Retired"


class BreakerState(models.TextChoices):
    ARMED = "armed", "Armed"
    TRIPPED = "tripped", "Tripped"


class AgentQuerySet(models.QuerySet["Agent"]):
    """Sets of agents. Every page and endpoint starts from `visible_to`."""

    def visible_to(self, actor: Principal, permission: str = Permission.AGENTS_VIEW) -> Self:
        """Agents this actor may know of: all, those of its teams, those it owns or deputises; itself.

        `permission` names another right by which they are reached, such as asking for decisions.
        """
        access = access_of(actor)
        if actor.kind == Principal.Kind.AGENT:
            return self.filter(principal=actor) if access.allows(permission) else self.none()
        if access.allows(permission):
            return self
        named = Q(owner=actor) | Q(deputy=actor) if access.allows_somewhere(permission) else Q(pk=None)
        return self.filter(Q(team_id__in=access.teams_with(permission)) | named)

    def update(self, **columns: Any) -> int:
        """As Django's, but governed columns have an owner each and are refused here."""
        refused = GOVERNED & columns.keys()
        if refused:
            raise TypeError(f"{', '.join(sorted(refused))} change through their own service only")
        return super().update(**columns)

    def with_people(self) -> Self:
        return self.select_related("owner", "deputy", "team")


class OfAgent(models.QuerySet[M]):
    """Rows that belong to an agent by `agent`: whoever sees the agent sees them."""

    def visible_to(self, actor: Principal) -> Self:
        return self.filter(agent__in=Agent.objects.visible_to(actor))


class Agent(models.Model):
    """An agent: who answers for it, what it is for, how risky it is, where it stands.

    The status columns (state, breaker, certified until) live here because lists, filters and decisions
    need them without a join. Their rules live above, in lifecycle, oversight and compliance.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    number = models.BigIntegerField(
        unique=True, editable=False, db_default=Func(Value("agents_agent_number"), function="nextval")
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    principal = models.OneToOneField(Principal, on_delete=models.PROTECT, related_name="agent")
    name = models.CharField(max_length=200)
    purpose = models.TextField(blank=True)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="agents")
    owner = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="owned_agents"
    )
    deputy = models.ForeignKey(
        Principal, on_delete=models.PROTECT, null=True, blank=True, related_name="deputised_agents"
    )
    framework = models.CharField(max_length=80, blank=True)
    repository = models.CharField(
        max_length=200, blank=True, validators=[URLValidator(["https", "http", "ssh"])]
    )
    data_sensitivity = models.PositiveSmallIntegerField(null=True, blank=True)
    decision_authority = models.PositiveSmallIntegerField(null=True, blank=True)
    blast_radius = models.PositiveSmallIntegerField(null=True, blank=True)
    regulatory_exposure = models.PositiveSmallIntegerField(null=True, blank=True)
    tier = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)
    state = FSMField(choices=State.choices, default=State.DRAFT, protected=True, db_index=True)
    breaker_state = models.CharField(max_length=10, choices=BreakerState.choices, default=BreakerState.ARMED)
    breaker_tripped_at = models.DateTimeField(null=True, blank=True)
    breaker_reason = models.TextField(blank=True)
    certified_until = models.DateTimeField(null=True, blank=True)
    first_seen = models.DateTimeField(null=True, blank=True)
    last_seen = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = AgentQuerySet.as_manager()

    class Meta:
        ordering = ["-tier", "name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(owner__isnull=True) | Q(deputy__isnull=True) | ~Q(owner=F("deputy")),
                name="agent_deputy_is_not_owner",
            ),
            *(
                models.CheckConstraint(
                    condition=Q(**{f"{field}__isnull": True}) | Q(**{f"{field}__range": (1, 4)}),
                    name=f"agent_{field}_is_1_to_4",
                )
                for field in (*risk.FIELDS, "tier")
            ),
            models.CheckConstraint(condition=Q(state__in=State.values), name="agent_state_is_known"),
        ]
        indexes = [
            models.Index(F("tier").desc(nulls_last=True), "name", "id", name="agent_by_risk"),
            models.Index(fields=["-last_seen"], name="agent_by_last_seen"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> str:
        """The number people quote: AGT-0412."""
        return f"AGT-{self.number:04d}"

    @property
    def is_tripped(self) -> bool:
        return self.breaker_state == BreakerState.TRIPPED

    @property
    def assessment(self) -> risk.Assessment | None:
        """The tier and its reasons; None until all four questions are answered."""
        return risk.assess({field: getattr(self, field) for field in risk.FIELDS})

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: models.QuerySet[Any] | None = None,
    ) -> None:
        """As Django's; the protected state column lets itself be read again."""
        wanted = None if fields is None else list(fields)
        if wanted is None or "state" in wanted:
            self.__dict__.pop("state", None)
        super().refresh_from_db(using=using, fields=wanted, from_queryset=from_queryset)


class AgentAlias(models.Model):
    """A natural key by which telemetry recognises an agent: source, service name, agent name."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="aliases")
    source = models.ForeignKey(Principal, on_delete=models.CASCADE, related_name="+")
    service_name = models.CharField(max_length=255, blank=True)
    agent_name = models.CharField(max_length=255, blank=True)
    first_seen = models.DateTimeField()

    class Meta:
        verbose_name_plural = "agent aliases"
        constraints = [
            models.UniqueConstraint("source", "service_name", "agent_name", name="alias_names_one_agent")
        ]

    def __str__(self) -> str:
        return f"{self.service_name}/{self.agent_name}"


class ObservedUse(models.Model):
    """Something an agent was seen to use, how often, first and last."""

    calls = models.PositiveBigIntegerField(default=0)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        abstract = True


class ObservedTool(ObservedUse):
    """A tool an agent called. `mcp_server` is '' for a tool of its own."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="observed_tools")
    tool_name = models.CharField(max_length=255)
    mcp_server = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["-calls", "tool_name"]
        constraints = [
            models.UniqueConstraint("agent", "tool_name", "mcp_server", name="tool_is_observed_once")
        ]

    def __str__(self) -> str:
        return self.tool_name


class ObservedModel(ObservedUse):
    """A model that answered an agent."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="observed_models")
    provider = models.CharField(max_length=120, blank=True)
    model = models.CharField(max_length=255)

    class Meta:
        ordering = ["-last_seen"]
        constraints = [models.UniqueConstraint("agent", "provider", "model", name="model_is_observed_once")]

    def __str__(self) -> str:
        return self.model


class AgentEmbedding(models.Model):
    """What an agent does, as a vector. `text_hash` tells whether the text has changed since."""

    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, primary_key=True, related_name="embedding")
    text = models.TextField()
    text_hash = models.BinaryField()
    vector = VectorField(dimensions=EMBEDDING_DIMENSIONS)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [HnswIndex(name="agent_by_meaning", fields=["vector"], opclasses=["vector_cosine_ops"])]

    def __str__(self) -> str:
        return f"embedding of {self.agent_id}"


def agent_id_of(ref: str) -> int | None:
    """The number in AGT-0412, or None when `ref` is not of that form."""
    head, _, digits = ref.strip().upper().partition("-")
    return int(digits) if head == "AGT" and digits.isdecimal() and len(digits) < 18 else None


auditlog.register(
    Agent,
    exclude_fields=["version", "updated_at", "first_seen", "last_seen"],
    serialize_data=False,
)
