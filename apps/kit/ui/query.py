"""Page state lives in the address: these rewrite the query string of the current page."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import QueryDict

_RESET_BY_CHANGE = ("cursor", "page")  # a new filter or order starts at the first page


def query_with(query: QueryDict, changes: Mapping[str, object]) -> str:
    """The query string with `changes` applied; None or "" removes a key, a list sets several values."""
    changed = query.copy()
    if not changes.keys() & set(_RESET_BY_CHANGE):
        changes = {**dict.fromkeys(_RESET_BY_CHANGE), **changes}
    for key, value in changes.items():
        if value is None or value == "":
            changed.pop(key, None)
        elif isinstance(value, list | tuple):
            changed.setlist(key, [str(one) for one in value])
        else:
            changed[key] = str(value)
    return f"?{changed.urlencode()}"


def query_without(query: QueryDict, key: str, value: object = None) -> str:
    """The query string without one value of `key`, or without the key when `value` is None."""
    kept = [] if value is None else [one for one in query.getlist(key) if one != str(value)]
    return query_with(query, {key: kept or None})


def next_sort(query: QueryDict, key: str, default: str = "") -> tuple[str, str]:
    """The `aria-sort` of a column and the query string its heading leads to (ascending, then descending)."""
    current = query.get("sort", default)
    if current == key:
        return "ascending", query_with(query, {"sort": f"-{key}"})
    if current == f"-{key}":
        return "descending", query_with(query, {"sort": key})
    return "", query_with(query, {"sort": key})
