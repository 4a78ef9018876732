"""What the targets of ledger entries are called, where whoever wrote the entry did not say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db.models import Model

from apps.identity.models import LedgerEntry

# The type of a target, the model it is a row of, and the field that ids name it by.
MODELS = {
    "agent": ("agents", "Agent", "pk"),
    "principal": ("identity", "Principal", "pk"),
    "team": ("identity", "Team", "pk"),
    "api_key": ("identity", "ApiKey", "pk"),
    "webhook": ("identity", "WebhookEndpoint", "pk"),
    "framework": ("compliance", "Framework", "key"),
    "blueprint": ("agents", "Blueprint", "pk"),
    "candidate": ("agents", "Candidate", "pk"),
    "custom_field": ("agents", "CustomField", "key"),
    "risk_policy": ("agents", "RiskPolicy", "pk"),
    "kill_switch": ("oversight", "KillSwitch", "pk"),
    "connector": ("agents", "Connector", "pk"),
    "campaign": ("agents", "Campaign", "pk"),
    "tool": ("agents", "Tool", "pk"),
    "model": ("agents", "ModelEndpoint", "pk"),
    "predictive_model": ("agents", "PredictiveModel", "pk"),
    "data_source": ("agents", "DataSource", "pk"),
    "system": ("agents", "System", "pk"),
}


def names_of(entries: Iterable[LedgerEntry]) -> dict[tuple[str, str], str]:
    """{(target type, target id): name} of what still exists; one query for each type among the entries."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        if entry.target_type in MODELS:
            wanted[entry.target_type].add(entry.target_id)
    return {(kind, key): name for kind, ids in wanted.items() for key, name in _named(kind, ids).items()}


def slugs_of(entries: Iterable[LedgerEntry]) -> dict[tuple[str, str], str]:
    """{(target type, target id): slug} of agents, which others name them by; one query."""
    ids = {entry.target_id for entry in entries if entry.target_type == "agent"}
    agents = apps.get_model("agents", "Agent")._default_manager
    try:
        return {("agent", str(pk)): slug for pk, slug in agents.filter(pk__in=ids).values_list("pk", "slug")}
    except (ValidationError, ValueError):
        return {}


def _named(kind: str, ids: set[str]) -> dict[str, str]:
    app, name, field = MODELS[kind]
    model: type[Model] = apps.get_model(app, name)
    try:
        rows = list(model._default_manager.filter(**{f"{field}__in": ids}))
    except (ValidationError, ValueError):
        return {}
    return {str(getattr(row, field)): str(row) for row in rows}
