"""Identity by the clock."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from apps.identity.models import IdempotentRequest
from apps.kit.heartbeat import beat

REMEMBERED_FOR = timedelta(days=1)


@shared_task(name="identity.heartbeat")
def heartbeat() -> None:
    """Every ten seconds: beat sent it and a worker ran it, so both live."""
    beat("beat")
    beat("worker")


@shared_task(name="identity.forget_requests")
def forget_requests() -> int:
    """Daily: forget the answers of idempotent requests older than a day; returns how many."""
    old = IdempotentRequest.objects.filter(created_at__lt=timezone.now() - REMEMBERED_FOR)
    return old.delete()[0]
