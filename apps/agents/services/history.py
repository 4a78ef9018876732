"""The record as it stood: any agent at any moment, and giving a field back a value it had."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.agents.fields import EDITABLE, FIELDS, restored
from apps.agents.models import Agent, AgentRevision
from apps.agents.services.registry import edit_agent
from apps.identity.models import Principal
from apps.kit.errors import InvalidInput, NotFound


@transaction.atomic
def restore_field(agent: Agent, name: str, version: int, *, actor: Principal, reason: str = "") -> Agent:
    """Set a curated field to what it was in that version of the record, as the actor's own word."""
    if name not in EDITABLE:
        raise InvalidInput("Nothing was restored.", fields={"field": "There is no such field"})
    revision = AgentRevision.objects.filter(agent=agent, version=version).first()
    if revision is None:
        raise NotFound(f"There is no version {version} of this record.")
    value = restored(name, value_in(revision.record, name))
    return edit_agent(agent, {name: value}, actor=actor, reason=reason or f"Restored from version {version}.")


def revision_at(agent: Agent, moment: datetime) -> AgentRevision | None:
    """The record as it stood then; None before it was on record."""
    return AgentRevision.objects.filter(agent=agent, recorded_at__lte=moment).first()


def value_in(record: Mapping[str, Any], name: str) -> Any:
    """A curated field's stored value in a revision's row."""
    return record.get(f"{name}_id" if FIELDS[name].is_relation else name)
