"""Identity by the clock."""

from __future__ import annotations

import time
from datetime import timedelta

from celery import shared_task
from django.core.cache import cache
from django.utils import timezone

from apps.identity.models import IdempotentRequest
from apps.identity.services.deliveries import fan_out, forget_deliveries, send_due
from apps.kit.heartbeat import beat
from apps.kit.ids import new_id

REMEMBERED_FOR = timedelta(days=1)
LONGEST_S = 20.0
SENDING, TURN_S = "webhooks:sending", 90


@shared_task(name="identity.heartbeat")
def heartbeat() -> None:
    """Every ten seconds: beat sent it and a worker ran it, so both live."""
    beat("beat")
    beat("worker")


@shared_task(name="identity.send_webhooks")
def send_webhooks() -> int:
    """Every five seconds: tell webhooks of what was sealed, for at most 20 seconds; returns the attempts made.

    One at a time: receivers that are slow to answer must not take every thread of the worker.
    """
    turn = new_id().hex
    if not cache.add(SENDING, turn, TURN_S):
        return 0
    try:
        return _tell_webhooks()
    finally:
        if cache.get(SENDING) == turn:
            cache.delete(SENDING)


def _tell_webhooks() -> int:
    began, attempts = time.monotonic(), 0
    while fan_out() and time.monotonic() - began < LONGEST_S:
        pass
    while (made := send_due()) and time.monotonic() - began < LONGEST_S:
        attempts += made
    return attempts + made


@shared_task(name="identity.forget_deliveries")
def forget_old_deliveries() -> int:
    """Daily: forget the log of webhooks older than 30 days; returns how many deliveries."""
    return forget_deliveries()


@shared_task(name="identity.forget_requests")
def forget_requests() -> int:
    """Daily: forget the answers of idempotent requests older than a day; returns how many."""
    old = IdempotentRequest.objects.filter(created_at__lt=timezone.now() - REMEMBERED_FOR)
    return old.delete()[0]
