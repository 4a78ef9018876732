"""Writing columns of many agents at once. django-auditlog sees single saves only and is told here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.utils import timezone

from apps.agents.models import Agent
from apps.identity.audit import entry_values
from apps.identity.models import Principal


def write_agents(
    changes: Iterable[tuple[Agent, Mapping[str, Sequence[Any]]]], columns: Iterable[str], *, actor: Principal
) -> None:
    """Write these columns of changed, locked rows, with their version and the time, and an entry of django-auditlog for
    each (agent, {field: [before, after]}): two queries."""
    told, now = list(changes), timezone.now()
    agents = list(dict.fromkeys(agent for agent, _ in told))
    if not agents:
        return
    for agent in agents:
        agent.updated_at = now
    # One statement of values, several times faster than bulk_update's cases: the rows are there and locked, so that
    # every insert becomes an update. Not through Agent.objects, which refuses governed columns.
    plain: QuerySet[Agent] = QuerySet(Agent)
    written = sorted({*columns, "version", "updated_at"})
    plain.bulk_create(agents, update_conflicts=True, unique_fields=["id"], update_fields=written)
    log_changes(told, actor=actor)


def log_changes(
    changes: Iterable[tuple[Agent, Mapping[str, Sequence[Any]]]],
    *,
    actor: Principal,
    action: int = LogEntry.Action.UPDATE,
) -> None:
    """An entry for each (agent, what changed), as {field: [before, after]}, in one query."""
    kind, values = ContentType.objects.get_for_model(Agent), entry_values(actor)
    LogEntry.objects.bulk_create(
        [
            LogEntry(
                content_type=kind,
                object_pk=str(agent.pk),
                object_repr=agent.name,
                action=action,
                changes={name: [_said(one) for one in pair] for name, pair in said.items()},
                **values,
            )
            for agent, said in changes
        ]
    )


def _said(value: Any) -> str:
    return "None" if value is None else str(value)
