"""The registry in templates: {% load registry %}{% agent_cell column agent %} inside a row of the list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.template import Library
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.agents.columns import Column
from apps.agents.fields import EDITABLE, FIELDS, Field, words_of
from apps.agents.models import Agent
from apps.identity.models import Principal
from apps.kit.ui import formats, marks

register = Library()
LEFT = "has left"


@register.simple_tag
def agent_cell(column: Column, agent: Agent, editable: bool = False) -> SafeString:
    """One cell of the list; `editable` adds the button that edits the field where it stands."""
    drawn = _CELLS.get(column.key, _plain)(column, agent)
    edit = edit_button(agent, FIELDS[column.key]) if editable and column.key in EDITABLE else ""
    css = " ".join(part for part in (column.drops, "num" if column.is_numeric else "") if part)
    return format_html('<td class="{}"><div class="cell">{}{}</div></td>', css, drawn, edit)


@register.simple_tag
def field_value(agent: Agent, spec: Field) -> SafeString:
    """A curated field's value as a record shows it; a dash for nothing."""
    value = getattr(agent, spec.name)
    if spec.kind == "person":
        return _person(value, required=spec.name == "owner")
    words = words_of(spec.name, value)
    if spec.kind == "link" and words:
        return format_html('<a href="{}" rel="noreferrer">{}</a>', words, words)
    return format_html("<span>{}</span>", words) if words else _nothing()


@register.simple_tag
def edit_button(agent: Agent, spec: Field) -> SafeString:
    """Edits one field where it stands: swaps the form into the nearest .cell; a link where there is no script."""
    href = reverse("agents:field", args=[agent.pk, spec.name])
    return format_html(
        '<a class="btn btn-quiet btn-icon btn-s cell-edit" href="{0}" hx-get="{0}" hx-target="closest .cell" '
        'hx-swap="innerHTML" aria-label="Edit {1} of {2}">{3}</a>',
        href,
        spec.label.lower(),
        agent.name,
        marks.icon("edit"),
    )


def _person(person: Principal | None, *, required: bool) -> SafeString:
    if person is None:
        return marks.mark("warn", "Nobody", "mk-warn") if required else _nothing()
    if not person.is_active:
        return format_html("<span>{} {}</span>", person.name, marks.mark("warn", LEFT, "mk-warn"))
    return format_html("<span>{}</span>", person.name)


def _nothing() -> SafeString:
    return format_html('<span class="faint">{}</span>', formats.DASH)


def _plain(column: Column, agent: Agent) -> SafeString:
    value = column.read(agent)
    if isinstance(value, datetime):
        return formats.time_element(value)
    if column.key in FIELDS and FIELDS[column.key].kind == "level" and value:
        return format_html('<span class="tnum">{}</span>', value)
    text = ", ".join(map(str, value)) if isinstance(value, list) else value
    return format_html('<span class="clip">{}</span>', text) if text not in (None, "") else _nothing()


def _completeness(column: Column, agent: Agent) -> SafeString:
    share = column.read(agent) or 0
    return format_html(
        '<span class="meter"><progress value="{0}" max="100" aria-hidden="true"></progress><span class="tnum">{0}%</span></span>',
        share,
    )


def _never(column: Column, agent: Agent) -> SafeString:
    value = column.read(agent)
    return formats.time_element(value) if value else format_html('<span class="faint">{}</span>', "Never")


_CELLS: Mapping[str, Callable[[Column, Agent], Any]] = {
    "owner": lambda column, agent: _person(agent.owner, required=True),
    "deputy": lambda column, agent: _person(agent.deputy, required=False),
    "tier": lambda column, agent: marks.tier(agent.tier),
    "state": lambda column, agent: marks.state(agent.state),
    "certified_until": lambda column, agent: marks.seal(agent.certified_until),
    "breaker": lambda column, agent: marks.breaker(agent.breaker_state),
    "completeness": _completeness,
    "last_seen": _never,
    "confirmed_at": _never,
}
