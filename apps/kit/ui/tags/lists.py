"""Tags for lists: the address of the page, sorting, filters, paging, selection, loading."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest, QueryDict
from django.template import Library
from django.template.context import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.kit.ui import marks, query
from apps.kit.ui.parts import Option, render_part

register = Library()
_ARROWS = {"ascending": "asc", "descending": "desc"}


def asked(context: Context) -> QueryDict:
    """The query of the page being drawn; empty where there is no request."""
    request: HttpRequest | None = context.get("request")
    return request.GET if request is not None else QueryDict()


@register.simple_tag(takes_context=True)
def query_with(context: Context, **changes: object) -> str:
    """This page's query string with keys set, or removed by None."""
    return query.query_with(asked(context), changes)


@register.simple_tag(takes_context=True)
def query_without(context: Context, key: str, value: object = None) -> str:
    """This page's query string without a key, or without one of its values."""
    return query.query_without(asked(context), key, value)


@register.simple_tag(takes_context=True)
def sort_cell(context: Context, key: str, words: str, css: str = "", default: str = "") -> SafeString:
    """A table heading that sorts by `?sort=key`; `default` is the order when the address names none."""
    order, href = query.next_sort(asked(context), key, default)
    return format_html(
        '<th scope="col" class="{}"{}><a class="sort" href="{}">{}{}</a></th>',
        css,
        format_html(' aria-sort="{}"', order) if order else "",
        href,
        words,
        marks.icon(_ARROWS[order]) if order else "",
    )


@register.inclusion_tag("kit/facet.html", takes_context=True)
def facet(context: Context, legend: str, name: str, options: Iterable[Option]) -> dict[str, object]:
    """One group of filter values with their counts; what is ticked comes from the address."""
    chosen = set(asked(context).getlist(name))
    return {"legend": legend, "name": name, "rows": [(option, option.value in chosen) for option in options]}


@register.inclusion_tag("kit/filter_kept.html", takes_context=True)
def filter_kept(context: Context, *names: str) -> dict[str, object]:
    """Hidden fields that carry the named keys (search, order, columns) along with a filter form."""
    given = asked(context)
    return {"pairs": [(name, value) for name in names for value in given.getlist(name)]}


@register.simple_block_tag(takes_context=True)
def filter_panel(
    context: Context, content: str, target: str = "", keep: str = "q sort columns"
) -> SafeString:
    """The filter form beside a list: a popover where it is narrow; changes apply at once when `target` is set."""
    request: HttpRequest | None = context.get("request")
    path = request.path if request is not None else ""
    kept = filter_kept(context, *keep.split())["pairs"]
    values = {"content": content, "path": path, "target": target, "pairs": kept}
    return render_part(context, "kit/filter_panel.html", values)


@register.inclusion_tag("kit/list_search.html", takes_context=True)
def list_search(context: Context, words: str) -> dict[str, object]:
    """Search within a list; belongs to the filter panel's form, whose `keep` then leaves out `q`."""
    return {"words": words, "value": asked(context).get("q", "")}


@register.simple_tag
def filter_button(active: int = 0) -> SafeString:
    """Opens the filter panel where it does not stand beside the list."""
    return format_html(
        '<button class="btn filters-btn" type="button" popovertarget="filters">{}Filters{}</button>',
        marks.icon("filter"),
        format_html(' <span class="tnum">{}</span>', active) if active else "",
    )


@register.inclusion_tag("kit/pager.html", takes_context=True)
def pager(
    context: Context,
    next: str | None = None,
    previous: str | None = None,
    shown: str = "",
    total: int | None = None,
    noun: str = "rows",
) -> dict[str, object]:
    """Cursor paging: `next` and `previous` are cursors, None where there is nothing further."""
    given = asked(context)
    return {
        "next": query.query_with(given, {"cursor": next}) if next else "",
        "previous": query.query_with(given, {"cursor": previous}) if previous else "",
        "shown": shown,
        "total": total,
        "noun": noun,
    }


@register.simple_tag
def pick_all() -> SafeString:
    """The heading cell that selects every row of the page."""
    return format_html(
        '<th scope="col" class="pick"><label><input type="checkbox" data-pick-all aria-label="{}"></label></th>',
        "Select all on this page",
    )


@register.simple_tag
def pick(value: object, name: object, form: str = "bulk") -> SafeString:
    """The cell that selects one row; `form` is the id of the bulk bar's form."""
    return format_html(
        '<td class="pick"><label><input type="checkbox" name="pick" value="{}" form="{}" data-row '
        'aria-label="Select {}"></label></td>',
        value,
        form,
        name,
    )


@register.simple_block_tag(takes_context=True)
def bulk(
    context: Context, content: str, action: str, total: int | None = None, form: str = "bulk"
) -> SafeString:
    """The bar of verbs for the selected rows: posts `pick` (ids), or `all=1` for all that match."""
    values: dict[str, object] = {
        "content": content,
        "action": action,
        "total": total,
        "form": form,
        "query": asked(context).urlencode(),
    }
    return render_part(context, "kit/bulk.html", values)


@register.inclusion_tag("kit/skeleton.html")
def skeleton(rows: int = 5, columns: int = 4) -> dict[str, object]:
    """Table rows in the shape of what is being loaded."""
    widths = ("sk-l", "", "sk-s", "", "sk-s", "sk-l")
    return {"rows": range(rows), "widths": [widths[at % len(widths)] for at in range(columns)]}


@register.simple_tag
def progress(value: float, maximum: float, label: str) -> SafeString:
    """How far a long job is, as words and bar."""
    share = f"{value / maximum:.0%}" if maximum else "0%"
    return format_html(
        '<div><p class="note row"><span>{}</span><span class="push tnum">{}</span></p>'
        '<progress value="{}" max="{}" aria-label="{}"></progress></div>',
        label,
        share,
        value,
        maximum,
        label,
    )
