"""What pages hand to the templates, and how block tags draw their partials."""

from __future__ import annotations

from dataclasses import dataclass

from django.template.context import Context
from django.utils.safestring import SafeString


@dataclass(frozen=True)
class Option:
    """One value of a facet, with how many rows have it (None: not counted) and an optional safe mark."""

    value: str
    label: str
    count: int | None = None
    mark: str = ""


def render_part(context: Context, name: str, values: dict[str, object]) -> SafeString:
    """Draw templates/`name` with `values` alone: no context processors run, so a part costs no query."""
    assert context.template is not None  # a context always has one while it is being drawn
    part = Context(values | {"csrf_token": context.get("csrf_token")})
    return context.template.engine.get_template(name).render(part)
