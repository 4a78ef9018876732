"""Which team an act is about: what a webhook of one team may be told of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from django.apps import apps

from apps.identity.models import LedgerEntry

# The type of a target, the model it is a row of, and where its team stands. What is not here is of no team.
TEAMS = {
    "agent": ("agents", "Agent", "team_id"),
    "candidate": ("agents", "Candidate", "team_id"),
    "principal": ("identity", "Principal", "team_id"),
    "api_key": ("identity", "ApiKey", "principal__team_id"),
    "blueprint": ("agents", "Blueprint", "team_id"),
    "connector": ("agents", "Connector", "team_id"),
    "mcp_upstream": ("oversight", "McpUpstream", "team_id"),
    "webhook": ("identity", "WebhookEndpoint", "team_id"),
    "team": ("identity", "Team", "pk"),
    "kill_switch": ("oversight", "KillSwitch", "team_id"),
    **{
        kind: ("agents", model, "team_id")
        for kind, model in (
            ("tool", "Tool"), ("model", "ModelEndpoint"), ("predictive_model", "PredictiveModel"),
            ("data_source", "DataSource"), ("system", "System"),
        )
    },
}  # fmt: skip


def teams_of(entries: Iterable[LedgerEntry]) -> dict[tuple[str, str], UUID]:
    """{(target type, target id): team} of what still exists and is of a team; one query for each type."""
    wanted: dict[str, set[UUID]] = defaultdict(set)
    for entry in entries:
        key = _uuid(entry.target_id)
        if entry.target_type in TEAMS and key is not None:
            wanted[entry.target_type].add(key)
    found: dict[tuple[str, str], UUID] = {}
    for kind, ids in wanted.items():
        app, name, column = TEAMS[kind]
        rows = apps.get_model(app, name)._default_manager.filter(pk__in=ids).values_list("pk", column)
        found |= {(kind, str(pk)): team for pk, team in rows if team}
    return found


def _uuid(text: str) -> UUID | None:
    """None for an id that is none: one odd entry must not stop the others."""
    try:
        return UUID(text)
    except ValueError:
        return None
