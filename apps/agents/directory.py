"""Which agents one may find to work with: for people and services those they see, for agents those listed to them."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from apps.agents.models import Agent, AgentQuerySet, BreakerState, State
from apps.agents.risk import CERTIFICATION_FROM_TIER
from apps.identity.models import Principal
from apps.kit.errors import NotFound


def directory_of(actor: Principal) -> AgentQuerySet:
    """Agents `actor` may find. An agent sees itself alone, unless CHANCERY_AGENT_DIRECTORY lists it what is fit to call:
    of its own team, or everywhere."""
    if actor.kind != Principal.Kind.AGENT or settings.AGENT_DIRECTORY == "off":
        return Agent.objects.visible_to(actor).on_record()
    own = Agent.objects.visible_to(actor).on_record()
    if not own.exists():
        return own  # retired, or a key without the scope to read
    listed = fit_to_call(Agent.objects.on_record())
    if settings.AGENT_DIRECTORY == "team":
        listed = listed.filter(team__isnull=False, team__in=own.values("team"))
    return Agent.objects.filter(Q(pk__in=own.values("pk")) | Q(pk__in=listed.values("pk")))


def fit_to_call(agents: AgentQuerySet) -> AgentQuerySet:
    """Those in production, not stopped, and certified where their tier asks for it."""
    certified = Q(certified_until__gt=timezone.now())
    return agents.filter(
        certified | Q(tier__lt=CERTIFICATION_FROM_TIER),
        state=State.PRODUCTION,
        breaker_state=BreakerState.ARMED,
    )


def listed_agent(name: str, *, actor: Principal) -> Agent:
    """The agent of the directory with this id, number (AGT-0412) or slug. Raises NotFound."""
    agent = directory_of(actor).with_people().called(name.replace("\0", "")).first()
    if agent is None:
        raise NotFound(f"No agent called {name[:80]!r} is listed.", code="agents.not_listed")
    return agent
