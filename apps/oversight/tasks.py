"""Oversight by the clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from apps.activity.models import Alert, ModelAnswer
from apps.kit.ids import first_id_at
from apps.oversight.excesses import SEVERE, STOPPED_ALREADY
from apps.oversight.models import BreakerRule, Decision
from apps.oversight.services.approvals import expire_approvals
from apps.oversight.services.breaker import trip_those_over
from apps.oversight.services.containment import number_orders
from apps.oversight.services.drills import finish_drills
from apps.oversight.services.resets import end_trials, trials_over_by_time
from apps.oversight.services.sealing import seal_decisions

LOOKS_BACK = timedelta(minutes=10)


@shared_task(name="oversight.expire_approvals")
def expire() -> int:
    """Every five seconds: calls that nobody answered in time."""
    return expire_approvals()


@shared_task(name="oversight.seal_decisions")
def seal() -> int:
    """Every minute: one root in the ledger for the decisions that went through since the last."""
    return seal_decisions()


@shared_task(name="oversight.watch_breakers")
def watch_breakers() -> dict[str, int]:
    """Every five seconds: what trips a breaker without a call being reported, trials that are over, drills that have ended."""
    since, causes = timezone.now() - LOOKS_BACK, defaultdict[UUID, set[str]](set)
    for cause, agents in (
        ("denials", _denied_since(since)),
        ("anomalies", _alerted_since(since)),
        ("spend", _spending_since(since)),
    ):
        for agent_id in agents:
            causes[agent_id].add(cause)
    trips = trip_those_over(causes) if causes else []
    number_orders()
    return {"trips": len(trips), "armed": end_trials(trials_over_by_time()), "drills": finish_drills()}


def _denied_since(since: datetime) -> Iterable[UUID]:
    denied = Decision.objects.filter(pk__gte=first_id_at(since), outcome=Decision.Outcome.DENY)
    return denied.exclude(STOPPED_ALREADY).order_by().values_list("agent_id", flat=True).distinct()


def _alerted_since(since: datetime) -> Iterable[UUID]:
    alerts = Alert.objects.filter(pk__gte=first_id_at(since), severity__in=SEVERE)
    return alerts.order_by().values_list("agent_id", flat=True).distinct()


def _spending_since(since: datetime) -> Iterable[UUID]:
    """Only where somebody limited what may be spent."""
    if not BreakerRule.objects.filter(cause="spend", is_on=True).exists():
        return ()
    answers = ModelAnswer.objects.filter(started_at__gte=since).exclude(cost_usd_micros=None)
    return answers.order_by().values_list("agent_id", flat=True).distinct()
