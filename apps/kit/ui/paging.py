"""Cursor paging for pages: the same keyset cursors as REST, read from and written to the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework.request import Request

from apps.kit.rest.paging import CursorPage


@dataclass(frozen=True)
class Page:
    """Rows of one page, and the cursors of its neighbours (None where there is none)."""

    rows: Sequence[Any]
    next: str | None
    previous: str | None


def page_of(request: HttpRequest, rows: QuerySet[Any], ordering: tuple[str, ...], size: int = 50) -> Page:
    """The page of `rows` that `?cursor=` names. `ordering` must not contain columns that may be null."""
    paginator = CursorPage()
    paginator.page_size, paginator.ordering = size, ordering
    paginator.page_size_query_param = ""
    shown = paginator.paginate_queryset(rows, Request(request)) or []
    return Page(shown, _cursor(paginator.get_next_link()), _cursor(paginator.get_previous_link()))


def _cursor(link: str | None) -> str | None:
    return parse_qs(urlsplit(link).query).get("cursor", [None])[0] if link else None
