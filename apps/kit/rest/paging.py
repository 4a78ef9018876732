"""Cursor paging: stable under inserts, the same cost on page 1,000 as on page 1.

A cursor holds the values of every ordering column of the row it stands at. A cursor over the first column
alone (as the framework's own) must count its ties off, and gives up where thousands of rows share a value.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

import orjson
from django.core.exceptions import FieldError, ValidationError
from django.db.models import Q, QuerySet
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from apps.kit.errors import InvalidInput


class CursorPage(CursorPagination):
    """`?limit=` up to 200 rows, `?cursor=` from the previous answer; newest first unless the view says.

    `ordering` must end in a unique column and hold none that may be null.
    """

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering: str | tuple[str, ...] = "-id"  # type: ignore[assignment]

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.request, self.base_url = request, request.build_absolute_uri()
        self.page_size = self.get_page_size(request) or self.page_size
        columns = self._columns(request, queryset, view)
        backwards, values = _decoded(request.query_params.get(self.cursor_query_param, ""), len(columns))
        rows = queryset.order_by(*(_turned(one) if backwards else one for one in columns))
        try:
            if values:
                rows = rows.filter(_beyond(columns, values, backwards=backwards))
            found = list(rows[: self.page_size + 1])
        except (ValidationError, ValueError, TypeError, FieldError) as error:
            raise _unreadable() from error
        further, found = len(found) > self.page_size, found[: self.page_size]
        self.page = found[::-1] if backwards else found
        self.has_next = bool(values) if backwards else further
        self.has_previous = further if backwards else bool(values)
        self._ordering = columns
        return self.page

    def get_next_link(self) -> str | None:
        return self._link(self.page[-1], backwards=False) if self.has_next and self.page else None

    def get_previous_link(self) -> str | None:
        return self._link(self.page[0], backwards=True) if self.has_previous and self.page else None

    def _columns(self, request: Request, queryset: QuerySet[Any], view: Any) -> tuple[str, ...]:
        ordering = self.get_ordering(request, queryset, view)
        return (ordering,) if isinstance(ordering, str) else tuple(ordering)

    def _link(self, row: Any, *, backwards: bool) -> str:
        values = [getattr(row, one.removeprefix("-")) for one in self._ordering]
        text = orjson.dumps([backwards, *values], default=str)
        return replace_query_param(
            str(self.base_url), self.cursor_query_param, urlsafe_b64encode(text).decode().rstrip("=")
        )


def _turned(column: str) -> str:
    return column[1:] if column.startswith("-") else f"-{column}"


def _beyond(columns: Sequence[str], values: Sequence[Any], *, backwards: bool) -> Q:
    """Rows after (or before) the one with these values, in this order."""
    condition, equal = Q(), Q()
    for column, value in zip(columns, values, strict=True):
        name = column.removeprefix("-")
        sign = "lt" if column.startswith("-") != backwards else "gt"
        condition |= equal & Q(**{f"{name}__{sign}": value})
        equal &= Q(**{name: value})
    first = columns[0].removeprefix("-")
    sign = "lte" if columns[0].startswith("-") != backwards else "gte"
    return Q(**{f"{first}__{sign}": values[0]}) & condition  # the first bound lets the index begin there


def _decoded(cursor: str, columns: int) -> tuple[bool, list[Any]]:
    if not cursor:
        return False, []
    try:
        backwards, *values = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError) as error:
        raise _unreadable() from error
    scalars = all(isinstance(value, (str, int, float, bool)) for value in values)
    if not isinstance(backwards, bool) or len(values) != columns or not scalars:
        raise _unreadable()
    return backwards, values


def _unreadable() -> InvalidInput:
    return InvalidInput(
        "There is no such page.",
        code="paging.cursor",
        fields={"cursor": "Take it from the answer before, or leave it out to begin at the first page"},
    )
