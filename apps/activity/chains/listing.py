"""The runs there are: calls by conversation, newest first. Counted over the newest 50,000 calls somebody may see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Max, Min, Q, QuerySet

from apps.activity.models import FAILED, Outcome, ToolCall
from apps.agents.models import Agent
from apps.identity.models import Principal
from apps.kit.ids import id_or_none

MOST_COUNTED = 50_000
GRAVE = Q(outcome__in=(Outcome.VIOLATION, Outcome.BLOCKED))
LENGTHS: Mapping[str, tuple[str, Q]] = {
    "short": ("Up to 9 calls", Q(calls__lt=10)),
    "medium": ("10 to 49 calls", Q(calls__gte=10, calls__lt=50)),
    "long": ("50 calls and more", Q(calls__gte=50)),
}
STATES: Mapping[str, tuple[str, Q]] = {
    "failed": ("With a failed call", Q(failures__gt=0)),
    "violations": ("With a violation or a refusal", Q(violations__gt=0)),
    "anomalies": ("With an anomaly", Q(anomalies__gt=0)),
    "handovers": ("With several agents", Q(agents__gt=1)),
}
ORDER = ("-last", "conversation_id")


def runs(
    *, actor: Principal, agent: UUID | None = None, with_: Iterable[str] = (), length: str = ""
) -> QuerySet[Any, Any]:
    """Runs as rows of figures; `with_` are keys of STATES, `length` one of LENGTHS. Two queries when read."""
    visible = ToolCall.objects.visible_to(actor).exclude(conversation_id="")
    if agent is not None:
        of_agent = visible.filter(agent=agent).order_by("-pk").values("conversation_id")[:MOST_COUNTED]
        visible = visible.filter(conversation_id__in=of_agent)
    edge = visible.order_by("-pk").values_list("pk", flat=True)[MOST_COUNTED : MOST_COUNTED + 1].first()
    rows = visible.filter(pk__gt=edge) if edge is not None else visible
    counted = (
        rows.order_by()
        .values("conversation_id")
        .annotate(
            calls=Count("pk"),
            failures=Count("pk", filter=Q(status__in=FAILED)),
            violations=Count("pk", filter=GRAVE),
            anomalies=Count("pk", filter=Q(outcome=Outcome.ANOMALY)),
            agents=Count("agent", distinct=True),
            first=Min("started_at"),
            last=Max("started_at"),
            agent_ids=ArrayAgg("agent", distinct=True, default=[]),
        )
    )
    for name in with_:
        if name in STATES:
            counted = counted.filter(STATES[name][1])
    counted = counted.filter(LENGTHS[length][1]) if length in LENGTHS else counted
    return counted.values_list(
        "conversation_id", "calls", "failures", "violations", "anomalies", "agents", "first", "last", "agent_ids",
        named=True,
    )  # fmt: skip


def chosen_runs(query: Mapping[str, Any], *, actor: Principal) -> QuerySet[Any, Any]:
    """The runs that an address asks for; a page's and REST's filters have the same names."""
    with_ = query.getlist("with")  # type: ignore[attr-defined]
    return runs(
        actor=actor, agent=id_or_none(query.get("agent", "")), with_=with_, length=query.get("length", "")
    )


def agents_of(rows: Iterable[Any], *, actor: Principal) -> dict[UUID, Agent]:
    """The agents named in these rows that the actor may know of; one query."""
    wanted = {pk for row in rows for pk in row.agent_ids if pk is not None}
    return Agent.objects.visible_to(actor).only("pk", "name", "number").in_bulk(list(wanted))
