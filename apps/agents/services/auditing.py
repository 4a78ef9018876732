"""django-auditlog sees single saves only; a bulk write of agents tells it here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType

from apps.agents.models import Agent
from apps.identity.audit import entry_values
from apps.identity.models import Principal


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
