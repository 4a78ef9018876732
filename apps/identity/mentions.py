"""Agents that a ledger entry names beside its target: told by name only to those who may know of them.

The ledger keeps what was written and its readers see all of it. Who sees one agent's history, and a team's webhook,
see others in it as they see them anywhere else: by name, or as an agent of another team. Things of the catalogue
need no veil: whoever sees an agent sees what it uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.apps import apps
from django.db.models import Q, QuerySet

from apps.identity.models import LedgerEntry, Principal

STRANGER = "an agent of another team"
NOBODY = 0  # the number of no agent: what cannot be read is nobody one knows of


@dataclass(frozen=True)
class Mention:
    """Which key of the detail holds the agent's name, and which its id or its number (AGT-0412)."""

    name: str
    key: str


_USES, _MERGE, _LINK = Mention("target", "target_id"), Mention("name", "ref"), Mention("agent", "agent")
MENTIONS: Mapping[str, Mention] = {
    "agents.dependency.stated": _USES,
    "agents.dependency.withdrawn": _USES,
    "agents.agent.absorbed": _MERGE,
    "agents.agent.merged": _MERGE,
    "agents.agent.unmerged": _MERGE,
    "agents.candidate.adopted": _LINK,
    "agents.candidate.linked": _LINK,
}


def known_to(actor: Principal) -> QuerySet[Any]:
    """The agents somebody may know of."""
    return _agents().visible_to(actor)


def known_to_team(team_id: UUID) -> QuerySet[Any]:
    return _agents().filter(team_id=team_id)


def naming_strangers(entries: Iterable[LedgerEntry], known: QuerySet[Any]) -> set[int]:
    """The keys of those entries that name an agent which is not among `known`. One query; none where none is named."""
    named = {entry.pk: one for entry in entries if (one := _mentioned(entry))}
    if not named:
        return set()
    ids = {one for one in named.values() if isinstance(one, UUID)}
    numbers = set(named.values()) - ids
    seen = {
        key
        for row in known.filter(Q(pk__in=ids) | Q(number__in=numbers)).values_list("pk", "number")
        for key in row
    }
    return {key for key, one in named.items() if one not in seen}


def veiled(action: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    """The detail without what the agent is called and found by."""
    mention = MENTIONS[action]
    return {name: value for name, value in detail.items() if name != mention.key} | {mention.name: STRANGER}


def _agents() -> Any:
    return apps.get_model("agents", "Agent")._default_manager


def _mentioned(entry: LedgerEntry) -> UUID | int | None:
    """The id or the number of the agent it names; None where it names none."""
    mention = MENTIONS.get(entry.action)
    if mention is None:
        return None
    detail = orjson.loads(bytes(entry.body))["detail"]
    stated = str(detail.get(mention.key, ""))
    if mention is _USES and not str(detail.get(mention.name)).startswith("agent "):
        return None
    try:
        return UUID(stated) if mention is _USES else int(stated.rpartition("-")[2])
    except ValueError:
        return NOBODY
