"""Defining the fields an enterprise adds to agents of its own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import re2
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from apps.agents.custom import pattern_of, value_problem
from apps.agents.models import Agent, CustomField
from apps.identity.access import require
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, InvalidInput

PARTS = ("label", "kind", "help_text", "choices", "pattern", "minimum", "maximum", "is_required")


@dataclass(frozen=True)
class CustomDefinition:
    """What a custom field is. No teams: it is asked of every agent."""

    label: str
    kind: str
    help_text: str = ""
    choices: list[str] = field(default_factory=list)
    pattern: str = ""
    minimum: float | None = None
    maximum: float | None = None
    is_required: bool = False
    teams: Collection[Team] = ()


@transaction.atomic
def define_custom_field(key: str, definition: CustomDefinition, *, actor: Principal) -> CustomField:
    """Add a field; values live under `key`, which never changes."""
    require(actor, Permission.AGENTS_CURATE)
    custom = CustomField(key=key)
    _write(custom, definition)
    record_act(
        "agents.custom_field.defined",
        actor=actor,
        target=("custom_field", key),
        detail={"label": custom.label, "kind": custom.kind},
    )
    return custom


@transaction.atomic
def edit_custom_field(custom: CustomField, definition: CustomDefinition, *, actor: Principal) -> CustomField:
    """Change it. Refused where values on record would no longer fit: they are corrected first, so that no record is wrong
    by a change of its rule."""
    require(actor, Permission.AGENTS_CURATE)
    custom = CustomField.objects.select_for_update().get(pk=custom.pk)
    before = _told(custom)
    _write(custom, definition)
    wrong = _misfits(custom)
    if wrong:
        raise Conflict(
            f"{wrong} agent{'' if wrong == 1 else 's'} hold{'s' if wrong == 1 else ''} a value that would no longer fit. "
            "Correct them first.",
            code="agents.custom_field.values_misfit",
        )
    after = _told(custom)
    changes = {name: [before[name], after[name]] for name in after if before[name] != after[name]}
    if changes:
        target, detail = ("custom_field", custom.key), {"label": custom.label, "changes": changes}
        record_act("agents.custom_field.edited", actor=actor, target=target, detail=detail)
    return custom


@transaction.atomic
def remove_custom_field(custom: CustomField, *, actor: Principal, reason: str) -> None:
    """Take the field away. Refused while an agent has a value in it."""
    require(actor, Permission.AGENTS_CURATE)
    custom = CustomField.objects.select_for_update().get(pk=custom.pk)
    held = Agent.objects.filter(custom__has_key=custom.key).count()
    if held:
        raise Conflict(
            f"{custom.label} cannot go: {held} agent{'' if held == 1 else 's'} ha{'s' if held == 1 else 've'} a value in it.",
            code="agents.custom_field.in_use",
        )
    target, detail = ("custom_field", custom.key), {"label": custom.label}
    record_act("agents.custom_field.removed", actor=actor, target=target, reason=reason, detail=detail)
    custom.delete()


def _write(custom: CustomField, definition: CustomDefinition) -> None:
    for name in PARTS:
        setattr(custom, name, getattr(definition, name))
    problems = _problems(custom)
    if problems:
        raise InvalidInput("The field was not saved.", fields=problems)
    try:
        with transaction.atomic():
            custom.save()
    except IntegrityError as error:
        raise Conflict("There is a field of this key already.", code="agents.custom_field.exists") from error
    custom.teams.set(definition.teams)


def _problems(custom: CustomField) -> dict[str, str]:
    problems = {}
    try:
        custom.clean_fields()
    except ValidationError as error:
        problems = {name: " ".join(words) for name, words in error.message_dict.items()}
    if custom.kind == CustomField.Kind.CHOICE and not custom.choices:
        problems["choices"] = "Enter what can be chosen"
    if custom.minimum is not None and custom.maximum is not None and custom.minimum > custom.maximum:
        problems["maximum"] = "Enter at least the minimum"
    try:
        pattern_of(custom.pattern)
    except re2.error:
        problems["pattern"] = "Enter a regular expression, without looking around or references back"
    return problems


def _misfits(custom: CustomField) -> int:
    values = Agent.objects.filter(custom__has_key=custom.key).values_list("custom", flat=True)
    return sum(value_problem(custom, value[custom.key]) is not None for value in values.iterator(2000))


def _told(custom: CustomField) -> dict[str, Any]:
    said = {name: str(getattr(custom, name)) for name in PARTS}
    return said | {"teams": ", ".join(team.name for team in custom.teams.all())}
