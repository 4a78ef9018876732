"""How good a record is: its completeness, and the queues of records that need somebody.

Completeness is the weight of the fields that hold something over the weight of all (`apps.agents.fields`).
The database computes it, so that lists can sort and filter by it without reading every row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import (
    Case,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.utils import timezone

from apps.agents import risk
from apps.agents.drift import differing
from apps.agents.fields import FIELDS, is_empty
from apps.agents.models import Agent, AiActClass, Claim, Origin, State

WEIGHED = {name: spec for name, spec in FIELDS.items() if spec.weight}
TOTAL = sum(spec.weight for spec in WEIGHED.values())
COMPLETE_ENOUGH = 80
UNVERIFIED_AFTER = timedelta(days=90)
SILENT_AFTER = timedelta(days=30)
PLANNED = (State.DRAFT, State.DISCOVERED)
GONE = (State.RETIRED, State.DEPRECATED)


def completeness_of(agent: Agent) -> int:
    """Per cent, 0 to 100; the same number that `completeness_expression` gives."""
    held = sum(spec.weight for name, spec in WEIGHED.items() if not is_empty(_value(agent, name)))
    return held * 100 // TOTAL


def missing_fields(agent: Agent) -> list[str]:
    """Labels of the weighed fields that hold nothing, the weightiest first."""
    empty = [spec for name, spec in WEIGHED.items() if is_empty(_value(agent, name))]
    return [spec.label for spec in sorted(empty, key=lambda spec: -spec.weight)]


def completeness_expression() -> Any:
    """Completeness as the database computes it: an integer, 0 to 100."""
    parts: Any = Value(0)
    for name, spec in WEIGHED.items():
        parts = parts + Case(When(_is_empty(name), then=0), default=spec.weight, output_field=IntegerField())
    return ExpressionWrapper(parts * 100 / TOTAL, output_field=IntegerField())


def _value(agent: Agent, name: str) -> Any:
    return getattr(agent, f"{name}_id" if FIELDS[name].is_relation else name)


def _is_empty(name: str) -> Q:
    kind = FIELDS[name].kind
    if kind == "list":
        return Q(**{name: []})
    return Q(**{name: ""}) if kind in ("text", "long_text", "link", "choice") else Q(**{name: None})


@dataclass(frozen=True)
class Queue:
    """Records of one fault. `why` says what is wrong, `remedy` what to do, `condition` picks the agents."""

    key: str
    name: str
    why: str
    remedy: str
    condition: Callable[[], Q]


def contradicted() -> Q:
    """An unsettled source says otherwise than a stronger one on the same field."""
    stronger = Claim.objects.filter(agent=OuterRef("agent"), field=OuterRef("field")).exclude(
        value=OuterRef("value")
    )
    weaker = Claim.objects.filter(agent=OuterRef("pk"), settled_at=None).exclude(
        origin__in=[Origin.PERSON, Origin.BLUEPRINT]
    )
    return Q(Exists(weaker.filter(Exists(stronger))))


def contradicted_by_facts() -> Q:
    """The facts, as last read, say more than an answer of the same dimension."""
    found = Q()
    for name in risk.FIELDS:
        found |= Q(**{f"risk_facts__{name}__gt": F(name)})
    return found


def _live() -> Q:
    return ~Q(state__in=GONE)


QUEUES: Mapping[str, Queue] = {
    queue.key: queue
    for queue in (
        Queue(
            "no-owner", "Nobody answers for it", "It is on record and has no owner.", "Assign an owner.",
            lambda: Q(owner=None) & ~Q(state__in=(*PLANNED, *GONE)),
        ),
        Queue(
            "owner-left", "Its owner has left", "The owner's or deputy's account is closed.",
            "Hand it to somebody who is here.",
            lambda: (Q(owner__is_active=False) | Q(deputy__is_active=False)) & _live(),
        ),
        Queue(
            "unregistered", "Seen, not registered", "It acts and nobody has adopted it.", "Adopt it, or merge it.",
            lambda: Q(state=State.DISCOVERED),
        ),
        Queue(
            "never-seen", "Registered, never seen", "It is on record and nothing was ever heard of it.",
            "Connect it, or retire it.",
            lambda: Q(last_seen=None) & ~Q(state__in=(*PLANNED, *GONE)),
        ),
        Queue(
            "silent", "Silent for 30 days", "It was seen once, but not in the last 30 days.", "Ask whether it still runs.",
            lambda: Q(last_seen__lt=timezone.now() - SILENT_AFTER) & _live(),
        ),
        Queue(
            "unconfirmed", "Not confirmed for 90 days", "Nobody has said in 90 days that the record is true.",
            "Ask its owner to confirm it.",
            lambda: (Q(confirmed_at=None) | Q(confirmed_at__lt=timezone.now() - UNVERIFIED_AFTER))
            & Q(created_at__lt=timezone.now() - UNVERIFIED_AFTER) & ~Q(state__in=(*PLANNED, *GONE)),
        ),
        Queue(
            "contradicted", "Sources contradict", "Two sources say different things of one field.",
            "Settle which one is right.", lambda: contradicted() & _live(),
        ),
        Queue(
            "facts-contradict", "Facts contradict the answers",
            "What it may use or reaches says more than its risk answers.", "Take the level of the facts, or take away what they rest on.",
            lambda: contradicted_by_facts() & _live(),
        ),
        Queue(
            "prohibited", "Prohibited practice", "Its EU AI Act class is a practice that Article 5 bans. No document cures it.",
            "Stop it, or change what it does and answer again.",
            lambda: Q(ai_act_class=AiActClass.PROHIBITED) & _live(),
        ),
        Queue(
            "declared-otherwise", "Differs from its declaration",
            "Its repository declares it; what it does, or what the record shows, differs.",
            "Open it: each difference names its file and line.", lambda: differing() & _live(),
        ),
        Queue(
            "incomplete", f"Less than {COMPLETE_ENOUGH} % complete", "Fields that others rely on are empty.",
            "Fill them in, many at once where they are alike.",
            lambda: Q(completeness__lt=COMPLETE_ENOUGH) & ~Q(state__in=(*PLANNED, *GONE)),
        ),
    )
}  # fmt: skip


def in_queue(agents: QuerySet[Agent], key: str) -> QuerySet[Agent]:
    """Those of the agents that stand in this queue; `key` is one of QUEUES."""
    if key == "incomplete":
        agents = agents.annotate(completeness=completeness_expression())
    return agents.filter(QUEUES[key].condition())


def open_faults(agents: QuerySet[Agent]) -> dict[str, int]:
    """How many agents stand in each queue; one query a queue."""
    return {key: in_queue(agents.order_by(), key).count() for key in QUEUES}
