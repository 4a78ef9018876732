"""From when on every call is still here: sums of earlier hours stand as they were made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db.models import Max

from apps.activity.models import GoneDay, RetentionRule

SUMMED = ("activity_toolcall", "activity_answer")
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def content_since() -> datetime:
    """Calls heard of before have no content any more, and take none; 1970 while all have theirs."""
    rule = RetentionRule.objects.filter(of=RetentionRule.Of.CONTENT).exclude(days=None).first()
    return rule.done_before if rule is not None and rule.done_before else BEGINNING


def complete_since() -> datetime:
    """The end of the last day of calls or answers that was deleted; 1970 when none was."""
    last = GoneDay.objects.filter(table__in=SUMMED).aggregate(last=Max("day"))["last"]
    if last is None:
        return BEGINNING
    return datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
