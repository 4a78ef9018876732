"""What every page's frame shows: navigation, theme, organisation, who is signed in.

Only addresses that exist and that the actor may open are shown. Counts are asked for when the template
draws them, and kept for ten seconds for each actor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from redis.exceptions import RedisError

from apps.activity.models import Alert
from apps.agents.models import Agent, Candidate, State
from apps.compliance.models import Finding
from apps.identity.access import access_of
from apps.identity.models import Principal, RoleAssignment
from apps.identity.queries import endpoints_visible_to
from apps.identity.roles import Permission, Role
from apps.kit.ui import theme
from apps.oversight.models import Approval, BreakerTrip, KillSwitch, McpUpstream, ToolDefinition

COUNT_AGE_S: Final = 10


@dataclass(frozen=True)
class Entry:
    """One line of the rail. `count` gets the actor; `is_turn` marks a count that waits for a person, `counted` says of what
    it is one where the label does not."""

    label: str
    url_name: str
    icon: str
    permission: str = ""
    count: Callable[[Principal], int | None] | None = None
    is_turn: bool = False
    staff_only: bool = False
    counted: str = ""


def open_findings(actor: Principal) -> int:
    """Findings that wait for somebody; one query."""
    return Finding.objects.visible_to(actor).filter(status=Finding.Status.OPEN).count()


def waiting_alerts(actor: Principal) -> int:
    """Alerts that wait for an answer; one query."""
    return Alert.objects.visible_to(actor).waiting().count()


def standing_stops(actor: Principal) -> int | None:
    """Agents that are stopped and kill switches that are pulled, None for none; two queries."""
    switches = KillSwitch.objects.visible_to(actor).standing().count()
    return switches + BreakerTrip.objects.visible_to(actor).filter(reset_at=None).count() or None


def waiting_approvals(actor: Principal) -> int | None:
    """Calls that wait for the actor, None for none; one query."""
    agents = Agent.objects.visible_to(actor, Permission.APPROVALS_DECIDE)
    return Approval.objects.open().filter(agent__in=agents, expires_at__gt=timezone.now()).count() or None


def failed_webhooks(actor: Principal) -> int | None:
    """Webhooks that Chancery disabled because nothing was taken, None for none of them; one query."""
    return endpoints_visible_to(actor).filter(is_enabled=False).exclude(disabled_reason="").count() or None


def held_definitions(actor: Principal) -> int | None:
    """Definitions of tools that wait for a person, None for none of them; one query."""
    servers = McpUpstream.objects.visible_to(actor).order_by()
    return ToolDefinition.objects.filter(upstream__in=servers, state="held").count() or None


def all_agents(actor: Principal) -> int:
    """Agents on record; one query."""
    return Agent.objects.visible_to(actor).on_record().count()


def unadopted_agents(actor: Principal) -> int:
    """Agents seen but adopted by nobody, and what was found in files and waits; two queries."""
    seen = Agent.objects.visible_to(actor).on_record().filter(state=State.DISCOVERED).count()
    return seen + Candidate.objects.visible_to(actor).waiting().count()


NAVIGATION: Final[tuple[tuple[str, tuple[Entry, ...]], ...]] = (
    (
        "Now",
        (
            Entry("Home", "home", "home"),
            Entry("Live feed", "activity:feed", "feed", Permission.ACTIVITY_VIEW),
            Entry(
                "Alerts", "activity:alerts", "anomaly", Permission.ACTIVITY_VIEW, waiting_alerts, is_turn=True
            ),
            Entry(
                "Approvals",
                "oversight:approvals",
                "approvals",
                Permission.DECISIONS_VIEW,
                waiting_approvals,
                is_turn=True,
            ),
            Entry("Decision chains", "activity:chains", "chain", Permission.ACTIVITY_VIEW),
            Entry("Outcomes", "activity:outcomes", "outcomes", Permission.ACTIVITY_VIEW),
            Entry("Findings", "compliance:findings", "findings", Permission.COMPLIANCE_VIEW, open_findings),
            Entry(
                "Stops",
                "oversight:stops",
                "brk-tripped",
                Permission.AGENTS_VIEW,
                standing_stops,
                is_turn=True,
            ),
        ),
    ),
    (
        "Registry",
        (
            Entry("Agents", "agents:list", "agents", Permission.AGENTS_VIEW, all_agents),
            Entry(
                "Discovery",
                "agents:discovery",
                "discovery",
                Permission.AGENTS_VIEW,
                unadopted_agents,
                is_turn=True,
            ),
            Entry("Blueprints", "agents:blueprints", "copy", Permission.AGENTS_VIEW),
            Entry("Catalogue", "agents:catalogue", "tools", Permission.AGENTS_VIEW),
            Entry(
                "MCP servers",
                "oversight:upstreams",
                "shield",
                Permission.AGENTS_VIEW,
                held_definitions,
                is_turn=True,
            ),
            Entry("Dependencies", "agents:graph", "graph", Permission.AGENTS_VIEW),
            Entry("Quality", "agents:quality", "check", Permission.AGENTS_VIEW),
        ),
    ),
    (
        "Assurance",
        (
            Entry("Certifications", "compliance:certifications", "certs", Permission.COMPLIANCE_VIEW),
            Entry("Frameworks", "compliance:frameworks", "frameworks", Permission.COMPLIANCE_VIEW),
            Entry("Policies", "oversight:policies", "shield", Permission.DECISIONS_VIEW),
            Entry("Risk policy", "agents:risk-policies", "tier-3", Permission.AGENTS_VIEW),
            Entry("Ledger", "identity:ledger", "ledger", Permission.LEDGER_VIEW),
            Entry("Recording", "activity:recording", "data", Permission.LEDGER_VIEW),
        ),
    ),
    (
        "Administration",
        (
            Entry("People and access", "identity:people", "people", Permission.IDENTITY_VIEW),
            Entry("Ingest and API keys", "identity:keys", "key", Permission.KEYS_VIEW),
            Entry("Custom fields", "agents:custom-fields", "columns", Permission.AGENTS_CURATE),
            Entry(
                "Webhooks",
                "identity:webhooks",
                "external",
                Permission.OUTGOING_VIEW,
                failed_webhooks,
                is_turn=True,
                counted="failed",
            ),
            Entry("Connectors", "agents:connectors", "link", Permission.OUTGOING_VIEW),
            Entry("API reference", "api-docs", "code"),
            Entry("Component kit", "kit", "columns", staff_only=True),
        ),
    ),
)


def resolve_name(name: str) -> str:
    """The address of a URL name, or an empty string while no page has it."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


@dataclass(frozen=True)
class Link:
    """An entry as drawn: its address, whether the page is this one ("page") or inside it ("true")."""

    entry: Entry
    href: str
    current: str
    actor: Principal

    @property
    def label(self) -> str:
        return self.entry.label

    @property
    def icon(self) -> str:
        return self.entry.icon

    @property
    def is_turn(self) -> bool:
        return self.entry.is_turn

    @property
    def counted(self) -> str:
        return self.entry.counted

    @cached_property
    def count(self) -> int | None:
        return (
            None if self.entry.count is None else _remembered_count(self.entry, self.entry.count, self.actor)
        )


def _remembered_count(entry: Entry, ask: Callable[[Principal], int | None], actor: Principal) -> int | None:
    """The count, at most ten seconds old; None while the cache is away, rather than a query per page."""
    try:
        return cache.get_or_set(f"shell:{entry.url_name}:{actor.pk}", lambda: ask(actor), COUNT_AGE_S)
    except RedisError:
        return None


@dataclass(frozen=True)
class Section:
    """A heading of the rail and the links below it."""

    label: str
    links: list[Link]


@dataclass(frozen=True)
class PersonLine:
    """Name and role of whoever is signed in."""

    name: str
    role: str


class Shell:
    """The frame of one page; nothing is asked for before the template needs it."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.actor: Principal | None = getattr(request, "actor", None)

    @property
    def template(self) -> str:
        """The base that error pages extend: with the rail only for somebody who is signed in."""
        return "base.html" if self.actor else "auth_base.html"

    @property
    def theme(self) -> str:
        return theme.chosen_theme(self.request)

    @property
    def next_theme(self) -> str:
        return theme.NEXT[self.theme]

    @property
    def keys(self) -> bool:
        return theme.single_keys(self.request)

    @property
    def organisation(self) -> str:
        return str(settings.ORGANISATION)

    @cached_property
    def person(self) -> PersonLine | None:
        return PersonLine(self.actor.name, _role_of(self.actor)) if self.actor else None

    @property
    def home(self) -> str:
        return resolve_name("home") or "/"

    @property
    def search_url(self) -> str:
        return resolve_name("agents:list")

    @property
    def palette_url(self) -> str:
        return resolve_name("palette")

    @property
    def logout_url(self) -> str:
        return resolve_name("identity:logout")

    @cached_property
    def sections(self) -> list[Section]:
        if self.actor is None:
            return []
        shown = [Section(label, list(self._links(entries, self.actor))) for label, entries in NAVIGATION]
        return [section for section in shown if section.links]

    def _links(self, entries: tuple[Entry, ...], actor: Principal) -> Iterator[Link]:
        for entry in entries:
            href = resolve_name(entry.url_name)
            if href and self._may_open(entry, actor):
                yield Link(entry, href, current_mark(href, self.request.path), actor)

    def _may_open(self, entry: Entry, actor: Principal) -> bool:
        if entry.staff_only and not getattr(self.request.user, "is_staff", False):
            return False
        return not entry.permission or access_of(actor).allows_somewhere(entry.permission)


def current_mark(href: str, path: str) -> str:
    """The value of `aria-current`: "page" here, "true" for a page below it, empty elsewhere."""
    if href == path:
        return "page"
    return "true" if href != "/" and path.startswith(f"{href.rstrip('/')}/") else ""


def _role_of(actor: Principal) -> str:
    """The roles of an actor in words; one query."""
    held = set(RoleAssignment.objects.filter(principal=actor).values_list("role", flat=True))
    return ", ".join(str(role.label) for role in Role if role in held) or "No role"


def shell(request: HttpRequest) -> dict[str, Shell]:
    """The context processor of every page."""
    return {"shell": Shell(request)}
