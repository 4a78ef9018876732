"""Tags for what people press and type in: buttons, chips, fields, tabs, menus, dialogs."""

from __future__ import annotations

from django.forms import BaseForm, BoundField
from django.http import HttpRequest
from django.template import Library
from django.template.context import Context
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.kit.ui import fields, formats, marks
from apps.kit.ui.parts import render_part

register = Library()
KINDS = {
    "": "",
    "primary": " btn-primary",
    "danger": " btn-danger",
    "stop": " btn-danger btn-primary",
    "quiet": " btn-quiet",
}


def attributes(given: dict[str, object]) -> SafeString:
    """Keyword arguments as HTML attributes: `_` becomes `-`, True is a bare name, None and False are left out."""
    kept = {
        name.strip("_").replace("_", "-"): value
        for name, value in given.items()
        if value not in (None, False)
    }
    return format_html_join("", "{}", ((_attribute(name, value),) for name, value in kept.items()))


def _attribute(name: str, value: object) -> SafeString:
    return format_html(" {}", name) if value is True else format_html(' {}="{}"', name, value)


@register.simple_tag
def button(
    words: object, kind: str = "", icon_name: str = "", href: str = "", small: bool = False, **attrs: object
) -> SafeString:
    """A button, or a link that looks like one when `href` is given."""
    css_class = f"btn{KINDS[kind]}{' btn-s' if small else ''}"
    inside = format_html("{}{}", marks.icon(icon_name) if icon_name else "", words)
    if href:
        return format_html('<a class="{}" href="{}"{}>{}</a>', css_class, href, attributes(attrs), inside)
    attrs = {"type": "button"} | attrs
    return format_html('<button class="{}"{}>{}</button>', css_class, attributes(attrs), inside)


@register.simple_tag
def icon_button(
    icon_name: str, name: str, kind: str = "quiet", small: bool = False, **attrs: object
) -> SafeString:
    """A button that shows an icon alone; `name` is what it is called."""
    css_class = f"btn btn-icon{KINDS[kind]}{' btn-s' if small else ''}"
    attrs = {"type": "button", "aria_label": name} | attrs
    return format_html(
        '<button class="{}"{}>{}</button>', css_class, attributes(attrs), marks.icon(icon_name)
    )


@register.simple_tag
def chip(label: str, value: object, href: str) -> SafeString:
    """An active filter; following it removes the filter."""
    return format_html(
        '<a class="chip" href="{}">{} <b>{}</b>{}<span class="vh">Remove</span></a>',
        href,
        label,
        value,
        marks.icon("close"),
    )


@register.inclusion_tag("kit/field.html")
def field(bound: BoundField, **attrs: str | bool) -> dict[str, object]:
    """One form field: label, hint, control and error, tied together for screen readers."""
    named = {name.strip("_").replace("_", "-"): value for name, value in attrs.items()}
    return {"field": fields.field_view(bound, **named)}


@register.inclusion_tag("kit/form_errors.html")
def form_errors(form: BaseForm, focus: bool = True) -> dict[str, object]:
    """What keeps a form from being saved, with links to the fields; takes the focus when the page opens."""
    wrong = [form[name] for name in form.errors if name in form.fields]
    return {"form": form, "focus": focus, "wrong": [bound for bound in wrong if not bound.is_hidden]}


@register.simple_block_tag
def tabs(content: str, label: str) -> SafeString:
    """A row of tabs; each is a link to a real address."""
    return format_html('<nav class="tabs" aria-label="{}">{}</nav>', label, content)


@register.simple_tag(takes_context=True)
def tab(
    context: Context, words: str, href: str, count: int | None = None, current: bool | None = None
) -> SafeString:
    """One tab; it is current when its path is the page's, unless `current` says otherwise."""
    request: HttpRequest | None = context.get("request")
    if current is None:
        current = request is not None and href in (request.path, request.get_full_path())
    here = SafeString(' aria-current="page"') if current else ""
    counted = "" if count is None else format_html(' <span class="n">{}</span>', formats.number(count))
    return format_html('<a href="{}"{}>{}{}</a>', href, here, words, counted)


@register.simple_block_tag
def menu(content: str, menu_id: str, words: str, icon_name: str = "down", kind: str = "") -> SafeString:
    """A button that opens a list of links and actions (class `opt`)."""
    return format_html(
        '<button class="btn{}" type="button" popovertarget="{}">{}{}</button>'
        '<div class="menu" id="{}" popover>{}</div>',
        KINDS[kind],
        menu_id,
        words,
        marks.icon(icon_name),
        menu_id,
        content,
    )


@register.simple_block_tag(takes_context=True)
def dialog(
    context: Context,
    content: str,
    dialog_id: str,
    title: str,
    *,
    action: str,
    verb: str,
    danger: bool = False,
    reason: bool = True,
    reason_hint: str = "Goes into the ledger.",
) -> SafeString:
    """A dialog that posts to `action`; its button repeats the verb of its title."""
    values = {
        "id": dialog_id,
        "title": title,
        "action": action,
        "verb": verb,
        "danger": danger,
        "reason": reason,
        "reason_hint": reason_hint,
        "content": content,
    }
    return render_part(context, "kit/dialog.html", values)
