"""Tags for the parts of a page that hold other things: sections, notices, histories, facts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.template import Library
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import slugify

from apps.kit.ui import formats, marks

register = Library()
_NOTICES = {"info": "info", "good": "check", "warn": "warn", "bad": "violation"}


@register.simple_block_tag
def section(
    content: str, title: str, note: object = "", href: str = "", link: str = "All", section_id: str = ""
) -> SafeString:
    """A ruled section: title, short note, one link at the end of the line."""
    heading = f"h-{section_id or slugify(title)}"
    return format_html(
        '<section class="sec" aria-labelledby="{0}"><div class="sec-h"><h2 id="{0}">{1}</h2>{2}{3}</div>{4}</section>',
        heading,
        title,
        format_html("<p>{}</p>", note) if note else "",
        format_html('<a href="{}">{}<span class="vh">: {}</span></a>', href, link, title) if href else "",
        content,
    )


@register.simple_block_tag
def notice(content: str, kind: str = "info", title: str = "") -> SafeString:
    """What, why, next step. `bad` is announced at once."""
    return format_html(
        '<div class="notice notice-{}"{}>{}<div>{}{}</div></div>',
        kind,
        SafeString(' role="alert"') if kind == "bad" else "",
        marks.icon(_NOTICES[kind]),
        format_html("<p><b>{}</b></p>", title) if title else "",
        content,
    )


@register.simple_block_tag
def stop(content: str, headline: str, label: str = "Circuit breaker") -> SafeString:
    """The banner of a tripped breaker or a paused fleet, and of nothing else."""
    return format_html(
        '<div class="stop" role="region" aria-label="{}">{}<p><strong>{}</strong></p>'
        '<div class="stop-more">{}</div></div>',
        label,
        marks.icon("brk-tripped", "large"),
        headline,
        content,
    )


@register.simple_block_tag
def empty_state(content: str, icon_name: str, title: str, alert: bool = False) -> SafeString:
    """What would be here, and the way to get it."""
    return format_html(
        '<div class="empty"{}>{}<h3 class="big">{}</h3>{}</div>',
        SafeString(' role="alert"') if alert else "",
        marks.icon(icon_name),
        title,
        content,
    )


@register.simple_tag
def diff(changes: Mapping[str, tuple[object, object]]) -> SafeString:
    """Fields before and after; None before is an addition, None after a removal."""
    lines = format_html_join("", "{}", ((_change(name, *pair),) for name, pair in changes.items()))
    return format_html('<div class="diff">{}</div>', lines)


def _change(name: str, before: object, after: object) -> SafeString:
    gone = format_html("<del>{}: {}</del>", name, before) if before is not None else ""
    come = format_html("<ins>{}: {}</ins>", name, after) if after is not None else ""
    return format_html("{}{}", gone, come)


@register.simple_block_tag
def entry(
    content: str,
    kind: str,
    at: datetime | None,
    reason: str = "",
    changes: Mapping[str, tuple[object, object]] | None = None,
) -> SafeString:
    """One line of a history: who acted (icon), the sentence, when, the reason given, the difference."""
    return format_html(
        '<li><span class="who">{}</span><div>{}</div>{}{}{}</li>',
        marks.actor_icon(kind),
        content,
        formats.time_element(at, "when"),
        format_html('<p class="why">{}</p>', reason) if reason else "",
        format_html("<details><summary>What changed</summary>{}</details>", diff(changes)) if changes else "",
    )


@register.simple_block_tag
def facts(content: str) -> SafeString:
    """Names and values in two columns."""
    return format_html('<dl class="facts">{}</dl>', content)


@register.simple_block_tag
def fact(content: str, name: str) -> SafeString:
    """One name and its value; an empty value is a dash."""
    empty = format_html('<span class="faint">{}</span>', formats.DASH)
    return format_html("<dt>{}</dt><dd>{}</dd>", name, content if content.strip() else empty)


@register.simple_block_tag
def figures(content: str) -> SafeString:
    """A row of figures."""
    return format_html('<dl class="figs">{}</dl>', content)


@register.simple_tag
def figure(name: str, value: object, beside: object) -> SafeString:
    """A figure; `beside` is its usual range, limit or deadline, because a number never stands alone."""
    return format_html('<div class="fig"><dt>{}</dt><dd>{}</dd><dd>{}</dd></div>', name, value, beside)
