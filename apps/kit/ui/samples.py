"""Sample data of the component kit page."""

from __future__ import annotations

from django.http import QueryDict


def page_context(query: QueryDict) -> dict[str, object]:
    return {}
