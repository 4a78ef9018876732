"""Fields an enterprise adds of its own: what their values must look like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import re2

from apps.agents.models import CustomField


def custom_problems(values: Mapping[str, Any], team_id: UUID | None) -> dict[str, str]:
    """What is wrong with these values of an agent of this team, by `custom.<key>`; two queries."""
    if not isinstance(values, dict):
        return {"custom": "Send a mapping of custom field keys to values"}
    known = {field.key: field for field in CustomField.objects.all()}
    problems = {f"custom.{key}": "There is no such custom field" for key in values.keys() - known.keys()}
    asked = set(CustomField.objects.asked_of(team_id).values_list("key", flat=True))
    for key, field in known.items():
        words = value_problem(field, values.get(key), is_asked=key in asked)
        if words:
            problems[f"custom.{key}"] = words
    return problems


def value_problem(field: CustomField, value: Any, *, is_asked: bool = True) -> str | None:
    """What is wrong with one value; one that is missing is wrong where the field is asked for and required."""
    if value in (None, ""):
        return "Enter a value" if field.is_required and is_asked else None
    return _CHECKS[CustomField.Kind(field.kind)](field, value)


@lru_cache(maxsize=256)
def pattern_of(pattern: str) -> Any:
    """The regular expression, for an engine that cannot backtrack: no value takes longer than its length. Raises
    `re2.error`; looking around and references back are errors there."""
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def _text(field: CustomField, value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > 2000:
        return "Enter text of at most 2000 characters"
    try:
        fits = not field.pattern or pattern_of(field.pattern).fullmatch(value)
    except re2.error:
        return f"The pattern {field.pattern} cannot be read: an administrator has to mend the field"
    return None if fits else f"Enter text of the form {field.pattern}"


def _number(field: CustomField, value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "Enter a number"
    if field.minimum is not None and value < field.minimum:
        return f"Enter at least {field.minimum:g}"
    if field.maximum is not None and value > field.maximum:
        return f"Enter at most {field.maximum:g}"
    return None


def _boolean(field: CustomField, value: Any) -> str | None:
    return None if isinstance(value, bool) else "Enter true or false"


def _date(field: CustomField, value: Any) -> str | None:
    try:
        date.fromisoformat(value)
    except (TypeError, ValueError):
        return "Enter a date such as 2026-03-01"
    return None


def _choice(field: CustomField, value: Any) -> str | None:
    return None if value in field.choices else f"Choose one of {', '.join(field.choices)}"


def _url(field: CustomField, value: Any) -> str | None:
    is_link = (
        isinstance(value, str) and urlsplit(value).scheme in ("http", "https") and urlsplit(value).netloc
    )
    return None if is_link else "Enter a link that begins with https://"


_CHECKS: dict[CustomField.Kind, Callable[[CustomField, Any], str | None]] = {
    CustomField.Kind.TEXT: _text,
    CustomField.Kind.NUMBER: _number,
    CustomField.Kind.BOOLEAN: _boolean,
    CustomField.Kind.DATE: _date,
    CustomField.Kind.CHOICE: _choice,
    CustomField.Kind.URL: _url,
}
