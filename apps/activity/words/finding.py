"""Finding calls by the words in them."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.postgres.search import SearchQuery
from django.db.models import QuerySet
from django.utils import timezone

from apps.activity.models import CallWords, ToolCall
from apps.kit.ids import first_id_at

SEARCHED_DAYS = 30
MOST_FOUND = 10_000


def with_words(calls: QuerySet[ToolCall], words: str) -> QuerySet[ToolCall]:
    """Those with all these words (as on a search engine: "quoted" for a phrase, -without, or) in tool, names, ids,
    arguments, result or error; heard of in the last 30 days, and of more than 10,000 the newest."""
    since = first_id_at(timezone.now() - timedelta(days=SEARCHED_DAYS))
    asked = SearchQuery(words, config="simple", search_type="websearch")
    found = CallWords.objects.filter(words=asked, pk__gte=since).order_by("-pk").values("pk")[:MOST_FOUND]
    return calls.filter(pk__in=found)
