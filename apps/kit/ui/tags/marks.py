"""Tags and filters for marks and text: thin wrappers, the drawing is in apps.kit.ui.marks and formats."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from django.template import Library
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.kit.request_id import current_request_id
from apps.kit.ui import formats, marks

register = Library()
for _mark in (
    marks.icon,
    marks.sign,
    marks.outcome,
    marks.tier,
    marks.state,
    marks.seal,
    marks.breaker,
    marks.actor_icon,
    marks.check,
    marks.effect,
    marks.mark,
    marks.agent_link,
):
    register.simple_tag(_mark)


@register.simple_tag
def when(value: date | datetime | None, css: str = "") -> SafeString:
    """A moment: relative under a day, absolute after; the zone is in the title."""
    return formats.time_element(value, css)


@register.simple_tag
def digest(value: object, groups: int = 0) -> SafeString:
    """A hash in groups of four, cut after `groups` groups; the whole of it stands in the title."""
    if not value:
        return format_html('<span class="faint">{}</span>', formats.DASH)
    return format_html(
        '<span class="hash" title="{}">{}</span>',
        formats.hash_groups(value),
        formats.hash_groups(value, groups),
    )


@register.simple_tag
def reference() -> SafeString:
    """The id of this request, for people to quote: twelve digits, all of it in the title; nothing outside one."""
    request_id = current_request_id()
    return digest(request_id, 3) if request_id else SafeString("")


@register.filter
def number(value: float | Decimal | None, decimals: int = 0) -> str:
    """1204 as 1,204."""
    return formats.number(value, decimals)


@register.filter
def amount(value: float | Decimal | None, decimals: int = 2) -> str | SafeString:
    """An amount; a large one is shortened, with the exact figure in the title."""
    exact, short = formats.number(value, decimals), formats.short_amount(value, decimals)
    return short if short == exact else format_html('<span title="{}">{}</span>', exact, short)


@register.filter
def percent(value: float | None, decimals: int = 1) -> str:
    """A share between 0 and 1 as a percentage."""
    return formats.percent(value, decimals)


@register.filter
def milliseconds(value: float | None) -> str:
    """A duration in milliseconds, in its fitting unit."""
    return formats.milliseconds(value)


@register.filter
def hash_groups(value: object, groups: int = 0) -> str:
    """A hash in groups of four."""
    return formats.hash_groups(value, groups)
