"""Agents: what each is, who answers for it, how risky it is, where it stands."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

from auditlog.registry import auditlog
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import URLValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Coalesce, Lower
from django_fsm import FSMField

from apps.agents import risk
from apps.agents.models.risk_policy import RiskPolicy, rules_of
from apps.agents.wording import country_code, endpoint_address, visible_name
from apps.identity.access import access_of
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.kit.ids import id_or_none, new_id

M = TypeVar("M", bound=models.Model)
NEVER = Value(datetime(1970, 1, 1, tzinfo=UTC), models.DateTimeField())
GOVERNED = frozenset(
    {
        "state",
        "breaker_state",
        "breaker_tripped_at",
        "breaker_reason",
        "certified_until",
        "tier",
        "risk_policy",
    }
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
    ON_TRIAL = "on_trial", "On trial"


class Environment(models.TextChoices):
    DEVELOPMENT = "development", "Development"
    TEST = "test", "Test"
    STAGING = "staging", "Staging"
    PRODUCTION = "production", "Production"


class OversightLevel(models.TextChoices):
    """How much a person is in the loop, from least to most."""

    AUTONOMOUS = "autonomous", "Autonomous"
    NOTIFIED = "notified", "A person is notified"
    APPROVES = "approves", "A person approves"
    HUMAN_ONLY = "human_only", "A person acts"


class AiActClass(models.TextChoices):
    """Classes of the EU AI Act (Regulation (EU) 2024/1689)."""

    PROHIBITED = "prohibited", "Prohibited practice (Article 5)"
    HIGH_RISK = "high_risk", "High risk (Article 6)"
    LIMITED = "limited", "Transparency duties (Article 50)"
    MINIMAL = "minimal", "Minimal risk"
    OUT_OF_SCOPE = "out_of_scope", "Out of scope (Article 2)"


def plain(column: str) -> Func:
    """A name as `matching.plain_name` writes it: in lower case, without what separates words."""
    return Func(
        Lower(column), Value(r"[\s_./:@-]+"), Value(""), Value("g"),
        function="regexp_replace", output_field=models.CharField(),
    )  # fmt: skip


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

    def called(self, name: str) -> Self:
        """The one with this id, number (AGT-0412) or slug, if any."""
        if pk := id_or_none(name):
            return self.filter(pk=pk)
        number = agent_id_of(name)
        return self.filter(number=number) if number else self.filter(slug=name.strip())

    def update(self, **columns: Any) -> int:
        """As Django's, but governed columns have an owner each and are refused here."""
        refused = GOVERNED & columns.keys()
        if refused:
            raise TypeError(f"{', '.join(sorted(refused))} change through their own service only")
        return super().update(**columns)

    def on_record(self) -> Self:
        """Without those that were merged into another or withdrawn as drafts: they live on as their history only."""
        return self.filter(merged_into=None, withdrawn_at=None)

    def with_people(self) -> Self:
        return self.select_related("owner", "deputy", "team", "risk_facts").defer("risk_facts__signs")


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
    name = models.CharField(max_length=200, validators=[visible_name])
    slug = models.SlugField(max_length=80, unique=True)
    purpose = models.TextField(blank=True)
    blueprint = models.ForeignKey(
        "agents.Blueprint", on_delete=models.PROTECT, null=True, blank=True, related_name="instances"
    )
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
    business_service = models.CharField(max_length=120, blank=True)
    environment = models.CharField(max_length=12, choices=Environment.choices, blank=True)
    endpoints = ArrayField(
        models.CharField(max_length=300, validators=[endpoint_address]), default=list, blank=True
    )
    languages = ArrayField(models.CharField(max_length=35), default=list, blank=True)
    users_served = models.CharField(max_length=200, blank=True)
    countries = ArrayField(
        models.CharField(max_length=2, validators=[country_code]), default=list, blank=True
    )
    retention_days = models.PositiveIntegerField(null=True, blank=True)
    sub_processors = ArrayField(models.CharField(max_length=120), default=list, blank=True)
    oversight_level = models.CharField(max_length=12, choices=OversightLevel.choices, blank=True)
    ai_act_class = models.CharField(max_length=12, choices=AiActClass.choices, blank=True)
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    custom = models.JSONField(default=dict, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    merged_into = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="merged_from"
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True, editable=False)
    data_sensitivity = models.PositiveSmallIntegerField(null=True, blank=True)
    decision_authority = models.PositiveSmallIntegerField(null=True, blank=True)
    blast_radius = models.PositiveSmallIntegerField(null=True, blank=True)
    regulatory_exposure = models.PositiveSmallIntegerField(null=True, blank=True)
    tier = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)
    risk_policy = models.ForeignKey(  # without an index: a new policy rewrites it on every row
        RiskPolicy,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        db_index=False,
    )
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
            # One for each order of the list (apps.agents.columns), over expressions that are never null.
            models.Index(Coalesce("tier", Value(0)).desc(), "name", "id", name="agent_by_risk"),
            models.Index(Coalesce("last_seen", F("created_at")), "id", name="agent_by_last_seen"),
            models.Index(fields=["name", "id"], name="agent_by_name"),
            models.Index(fields=["created_at", "id"], name="agent_by_creation"),
            models.Index(Coalesce("certified_until", NEVER), "id", name="agent_by_certification"),
            models.Index(Coalesce("confirmed_at", NEVER), "id", name="agent_by_confirmation"),
            models.Index(fields=["owner", "state"], name="agent_by_owner"),
            models.Index(fields=["team", "state"], name="agent_by_team"),
            GinIndex(fields=["tags"], name="agent_by_tag"),
            # What the counts beside the list are taken from, without reading a row.
            models.Index(
                fields=["state", "tier", "breaker_state", "environment", "team"],
                condition=Q(merged_into=None, withdrawn_at=None),
                name="agent_by_facets",
            ),
            models.Index(plain("name"), name="agent_by_plain_name"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> str:
        """The number people quote: AGT-0412."""
        return ref_of(self.number)

    @property
    def is_on_record(self) -> bool:
        """As `on_record` has it for sets."""
        return self.merged_into_id is None and self.withdrawn_at is None

    @property
    def is_tripped(self) -> bool:
        return self.breaker_state == BreakerState.TRIPPED

    @property
    def assessment(self) -> risk.Assessment | None:
        """The tier and its reasons by the policy that wrote it; None until all four questions are answered."""
        rules = rules_of(self.risk_policy_id)
        answers = {field: getattr(self, field) for field in risk.FIELDS}
        held = self.held_facts if rules.facts_raise else {}
        return risk.assess(answers, rules, ai_act_class=self.ai_act_class, facts=held)

    @property
    def held_facts(self) -> dict[str, int]:
        """The levels that facts hold it at; a query unless `risk_facts` was selected with it."""
        return self.risk_facts.held if hasattr(self, "risk_facts") else {}

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


def ref_of(number: int) -> str:
    """The number as people quote it: AGT-0412."""
    return f"AGT-{number:04d}"


def agent_id_of(ref: str) -> int | None:
    """The number in AGT-0412, or None when `ref` is not of that form."""
    head, _, digits = ref.strip().upper().partition("-")
    return int(digits) if head == "AGT" and digits.isdecimal() and len(digits) < 18 else None


auditlog.register(
    Agent,
    exclude_fields=["version", "updated_at", "first_seen", "last_seen"],
    serialize_data=False,
)
