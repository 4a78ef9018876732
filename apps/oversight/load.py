"""How much of people's time an agent takes: the decisions in which a person was asked or told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

from django.db.models import Count
from django.db.models.functions import TruncDate
from django.utils import timezone

from apps.agents.models import Agent
from apps.kit.ids import first_id_at
from apps.oversight.models import Decision

TAKE_TIME = (Decision.Outcome.ASK, Decision.Outcome.NOTIFY)


def asked_per_day(agent: Agent, since: date, until: date) -> Mapping[date, int]:
    """Decisions held for a person or told to one, by day; days without are left out. One query."""
    first, last = (
        timezone.make_aware(datetime.combine(day, time())) for day in (since, until + timedelta(days=1))
    )
    rows = Decision.objects.filter(
        agent=agent, pk__gte=first_id_at(first), pk__lt=first_id_at(last), outcome__in=TAKE_TIME
    )
    by_day = rows.order_by().annotate(day=TruncDate("decided_at")).values_list("day").annotate(n=Count("pk"))
    return dict(by_day)
