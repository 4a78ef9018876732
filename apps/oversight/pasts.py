"""What went before a call, where a policy asks for it: read from the decisions themselves, so that calls which were allowed
and have not come back yet are in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any
from uuid import UUID

from chancery_sdk.policy.bundle import Budget
from chancery_sdk.policy.cedar import ToolSlice, counter_key
from chancery_sdk.policy.counters import Counter
from chancery_sdk.policy.question import Past, Question, Session
from django.db import connection
from django.db.models import Sum

from apps.activity.models import ModelHour, ToolCall
from apps.agents.toolnames import tool_named
from apps.kit.ids import first_id_at
from apps.oversight.holding import Held
from apps.oversight.models import Decision

LONGEST_SESSION = timedelta(days=2)
MOST_STEPS = 2000
GOES_ON = (Decision.Outcome.ALLOW, Decision.Outcome.NOTIFY)


def is_needed(rules: ToolSlice, held: Held) -> bool:
    """True where some rule looks beyond the call itself."""
    return bool(held.bundle.budgets) or any(one.needs_session or one.counters for one in rules.policies)


def past_of(held: Held, rules: ToolSlice, question: Question, at: datetime) -> Past:
    """One query for the session, two with what was reported; one for each counter.

    Counters are locked until the transaction ends: of two calls that both fit alone and not together, one is refused.
    """
    counters = {counter_key(policy, one.name): one for policy in rules.policies for one in policy.counters}
    wanted = {
        key: one for key, one in counters.items() if one.adds(question.tool, question.arguments) is not None
    }
    _lock(_lock_number(key, _whose(one, held, question)) for key, one in wanted.items())
    session = _session(held, question, at) if any(one.needs_session for one in rules.policies) else Session()
    counted = {key: _counted(key, one, held, question, at) for key, one in counters.items()}
    used = {f"budget:{one.kind}:{one.window_s}": _used(one, held, at) for one in held.bundle.budgets}
    return Past(session, counted | used)


def _session(held: Held, question: Question, at: datetime) -> Session:
    """The calls of one conversation by agents of the same team: a stranger who learns the id adds nothing to it."""
    if not question.conversation_id:
        return Session()
    rows = (
        Decision.objects.filter(
            conversation_id=question.conversation_id,
            outcome__in=GOES_ON,
            pk__gte=first_id_at(at - LONGEST_SESSION),
            **_circle(held),
        )
        .order_by("-pk")
        .values_list("tool_name", "data_classes", "agent__slug", "agent_id")[:MOST_STEPS]
    )
    steps = list(rows)
    return Session(
        calls=len(steps),
        called=frozenset(tool for tool, *_ in steps),
        own=frozenset(tool for tool, _, _, agent_id in steps if agent_id == held.agent_id),
        succeeded=_succeeded(held, question.conversation_id, at),
        data_classes=frozenset(one for _, classes, *_ in steps for one in classes),
        agents=frozenset(agent for _, _, agent, _ in steps),
    )


def _succeeded(held: Held, conversation_id: str, at: datetime) -> frozenset[str]:
    """Tools whose calls in this conversation were reported and did not fail."""
    circle = {"agent__team_id": held.team_id} if held.team_id else {"agent_id": held.agent_id}
    rows = ToolCall.objects.filter(
        conversation_id=conversation_id,
        status="ok",
        pk__gte=first_id_at(at - LONGEST_SESSION),
        **circle,
    ).exclude(outcome="violation")
    names = rows.order_by().values_list("tool_name", "mcp_server").distinct()[:MOST_STEPS]
    return frozenset(str(tool_named(name, server)) for name, server in names)


def _circle(held: Held) -> dict[str, UUID]:
    return {"team_id": held.team_id} if held.team_id else {"agent_id": held.agent_id}


def _counted(key: str, counter: Counter, held: Held, question: Question, at: datetime) -> Decimal:
    """What was allowed in the counter's window, calls in flight included."""
    window = timedelta(seconds=counter.window_s) if counter.window_s else LONGEST_SESSION
    conditions: list[tuple[str, Any]] = [
        ("d.id >= %s", first_id_at(at - window)),
        ("d.decided_at > %s", at - window),
        ("d.counted ? %s", key),
        *_conditions(counter, held, question),
    ]
    where = " AND ".join(condition for condition, _ in conditions)
    values = [value for _, value in conditions if value is not None]
    sql = (
        "SELECT coalesce(sum((d.counted ->> %s)::numeric), 0) FROM oversight_decision d "  # noqa: S608 - of fixed parts
        f"WHERE d.counted <> '{{}}' AND d.outcome IN ('allow', 'notify') AND {where}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [key, *values])
        row = cursor.fetchone()
    return Decimal(row[0])


def _used(budget: Budget, held: Held, at: datetime) -> Decimal:
    """Calls that were allowed in the window; or what models cost, by the hour as the roll-ups have it."""
    since = at - timedelta(seconds=budget.window_s)
    if budget.kind == "calls":
        _lock([_lock_number("budget", str(held.agent_id))])
        rows = Decision.objects.filter(
            agent_id=held.agent_id, pk__gte=first_id_at(since), outcome__in=GOES_ON
        )
        return Decimal(rows.filter(decided_at__gt=since).count())
    hours = ModelHour.objects.filter(
        agent_id=held.agent_id, hour__gte=since.replace(minute=0, second=0, microsecond=0)
    )
    return Decimal(hours.aggregate(cost=Sum("cost_usd_micros"))["cost"] or 0)


def _conditions(counter: Counter, held: Held, question: Question) -> Sequence[tuple[str, Any]]:
    if counter.per == "agent":
        return [("d.agent_id = %s", held.agent_id)]
    if counter.per == "team":
        return [("d.team_id = %s", held.team_id) if held.team_id else ("d.agent_id = %s", held.agent_id)]
    if counter.per == "person":
        return [("d.on_behalf_of = %s", question.on_behalf_of)]
    if counter.per == "session":
        circle = ("d.team_id = %s", held.team_id) if held.team_id else ("d.agent_id = %s", held.agent_id)
        return [("d.conversation_id = %s", question.conversation_id), circle]
    return []


def _whose(counter: Counter, held: Held, question: Question) -> str:
    return {
        "agent": str(held.agent_id),
        "team": str(held.team_id or held.agent_id),
        "person": question.on_behalf_of,
        "session": question.conversation_id,
        "fleet": "",
    }[counter.per]


def _lock_number(key: str, whose: str) -> int:
    return int.from_bytes(blake2b(f"{key}\x1f{whose}".encode(), digest_size=8).digest(), signed=True)


def _lock(numbers: Iterable[int]) -> None:
    """In order, so that two who want the same ones do not wait for each other in a ring."""
    ordered = sorted(set(numbers))
    if ordered:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(n) FROM unnest(%s::bigint[]) WITH ORDINALITY AS t (n, i) ORDER BY i",
                [ordered],
            )
            cursor.fetchall()
