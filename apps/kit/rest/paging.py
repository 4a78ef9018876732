"""Cursor paging: stable under inserts, the same cost on page 1,000 as on page 1."""

from rest_framework.pagination import CursorPagination


class CursorPage(CursorPagination):
    """`?limit=` up to 200 rows, `?cursor=` from the previous answer; newest first unless the view says."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering: str | tuple[str, ...] = "-id"  # type: ignore[assignment]
