"""Where content can stand: every text and JSON of the tables of activity, except what is named here with its reason.

An app whose tables hold what agents did says so in its configuration (`holds_activity`). A table or a column that is added
there later is looked at without anybody thinking of it; to leave one out takes a line in this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models

LEDGER = "identity_ledgerentry"
NAMES = "names of agents, tools, models and services, which the registry, rules and sums go by"
CODES = "Chancery's own codes, ids, digests and figures"
SETTINGS = "settings of people, with reasons that stand in the ledger too"
SUMS = "sums, files and days, by name"
KEPT_COLUMNS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "agent_name", "service_name", "declared_agent_id", "tool_name", "mcp_server", "operation", "scope_name",
            "scope_version", "request_model", "response_model", "provider", "model",
        ),
        NAMES,
    ),
    **dict.fromkeys(
        (
            "detector", "outcome_code", "code", "measure", "dialect", "kind", "status", "environment", "fingerprint",
            "currency", "sources", "told", "why", "agent_ids", "call_ids", "span_ids",
        ),
        CODES,
    ),
}  # fmt: skip
KEPT_TABLES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "activity_contentpolicy", "activity_readback", "activity_retentionrule", "activity_detectorsetting", "activity_outcomerules",
            "oversight_toolpolicy", "oversight_blueprintpolicy",
        ),
        SETTINGS,
    ),
    **dict.fromkeys(
        (
            "activity_toolhour", "activity_modelhour", "activity_answer", "activity_archivefile", "activity_goneday",
            "activity_outcomecursor", "activity_outcomewatch",
        ),
        SUMS,
    ),
    "activity_erasure": "keyed hashes of identifiers, and the identifiers sealed until it is done",
}  # fmt: skip
# What joins records and may be somebody's address all the same.
JOINING = frozenset({"conversation_id", "call_id", "contact", "cause"})
# What of a record goes when its whole conversation does; elsewhere everything that is looked at and joins nothing.
OF_RUN: Mapping[str, frozenset[str]] = {
    "activity_span": frozenset({"attributes"}),
    "activity_calleffect": frozenset({"evidence"}),
    "activity_toolcall": frozenset({"arguments", "result", "error_message", "outcome_reason", "verdicts"}),
    "activity_alert": frozenset({"reason", "cause"}),
    "activity_runoutcome": frozenset({"contact"}),
}
TITLES: Mapping[str, str] = {
    "activity_span": "Spans and log records",
    "activity_resource": "Descriptions of services",
    "activity_toolcall": "Tool calls, with their words for search",
    "activity_callscore": "Scores of calls",
    "activity_runopinion": "Words of a model on runs",
    "activity_runoutcome": "Outcomes of runs",
    "activity_externalevent": "Outside events",
    "activity_outcomenote": "Reports of outcomes that failed",
    "activity_outbox": "Reports that failed",
    LEDGER: "Entries of the ledger",
}


class Kind(StrEnum):
    TEXT = "text"
    JSON = "json"
    LIST = "list"
    JOINING = "joining"
    BODY = "body"  # JSON in bytes


@dataclass(frozen=True)
class Column:
    name: str
    kind: Kind


@dataclass(frozen=True)
class Place:
    """One table. `key` is its primary key, of database type `key_type`; `told_by` are the columns that tell which run a
    row is of: its conversation, its trace, ids of its calls."""

    table: str
    title: str
    key: str
    key_type: str
    columns: tuple[Column, ...]
    told_by: frozenset[str] = frozenset()

    def goes_with_run(self, column: str) -> bool:
        wanted = OF_RUN.get(self.table)
        return column in wanted if wanted is not None else column not in JOINING


@cache
def places() -> tuple[Place, ...]:
    """Spans first: what is made of them later is then made of what is left."""
    found = [
        place
        for config in apps.get_app_configs()
        if getattr(config, "holds_activity", False)
        for model in config.get_models()
        if (place := _place(model)) is not None
    ]
    return tuple(sorted(found, key=lambda place: (place.table != "activity_span", place.table)))


def ledger() -> Place:
    """Looked at only: what is sealed cannot change."""
    return Place(LEDGER, TITLES[LEDGER], "id", "bigint", (Column("body", Kind.BODY),))


def left_out() -> dict[str, list[str]]:
    """What is not looked at, by its reason."""
    found: dict[str, list[str]] = {}
    for name, reason in (*KEPT_COLUMNS.items(), *KEPT_TABLES.items()):
        found.setdefault(reason, []).append(name)
    return found


def _place(model: type[models.Model]) -> Place | None:
    table, key = model._meta.db_table, model._meta.pk
    columns = tuple(
        Column(str(field.column), kind)
        for field in model._meta.concrete_fields
        if (kind := _kind(field)) is not None
    )
    if model._meta.proxy or table in KEPT_TABLES or not columns:
        return None
    title = TITLES.get(table, str(model._meta.verbose_name_plural).capitalize())
    told_by = frozenset(str(field.column) for field in model._meta.concrete_fields if _tells_run(field))
    return Place(table, title, str(key.column), str(key.db_type(connection)), columns, told_by)


def _tells_run(field: models.Field[object, object]) -> bool:
    calls = ("call_id", "first_call", "last_call")
    is_call = isinstance(field, models.UUIDField) and field.column in calls
    return is_call or field.column in ("conversation_id", "trace_id")


def _kind(field: models.Field[object, object]) -> Kind | None:
    """What a column holds; None for one that is not looked at."""
    if field.choices or field.primary_key or field.column in KEPT_COLUMNS:
        return None
    if isinstance(field, models.JSONField):
        return Kind.JSON
    if isinstance(field, ArrayField):
        return Kind.LIST
    if isinstance(field, (models.CharField, models.TextField)):
        return Kind.JOINING if field.column in JOINING else Kind.TEXT
    return None
