"""Steps one after the other; a poisoned outbox row is isolated and set aside, never in the way."""

from __future__ import annotations

import logging

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import InterfaceError, OperationalError, connection
from django.db.models import F
from django.utils import timezone
from redis.exceptions import RedisError

from apps.activity.models import OutboxItem
from apps.activity.pipeline.step import Stepped, step

logger = logging.getLogger(__name__)
LOCK = 0x4348_5049_5045  # 'CHPIPE'
MOST_ATTEMPTS = 5
FEED_GROUP = "feed"
DATABASE_AWAY = (OperationalError, InterfaceError)


def hold_pipeline_lock() -> bool:
    """True when this session is now the only worker of the outbox; held until the session ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def work_once() -> bool:
    """One step; True when there was something to do. A fault is narrowed down row by row."""
    try:
        done = step()
    except DATABASE_AWAY:
        raise
    except Exception:
        logger.exception("a step failed; its rows are tried one by one")
        return _one_by_one()
    nudge(done.position)
    return done.outbox > 0


def nudge(position: int) -> None:
    """Tell the feeds that there is news. They look by themselves every second: a lost nudge loses nothing."""
    layer = get_channel_layer()
    if not position or layer is None:
        return
    try:
        async_to_sync(layer.group_send)(FEED_GROUP, {"type": "feed.nudge", "position": position})
    except (RedisError, OSError) as error:
        logger.warning("the feed was not nudged: %s", error)


def _one_by_one() -> bool:
    waiting = OutboxItem.objects.filter(failed_at=None).order_by("pk").values_list("pk", flat=True)
    for pk in list(waiting[:200]):
        _try_alone(pk)
    return OutboxItem.objects.filter(failed_at=None).exists()


def _try_alone(pk: int) -> Stepped | None:
    try:
        done = step(only=pk)
    except DATABASE_AWAY:
        raise
    except Exception as error:  # noqa: BLE001 - the row's fault is recorded on the row
        _note_failure(pk, error)
        return None
    nudge(done.position)
    return done


def _note_failure(pk: int, error: Exception) -> None:
    words = f"{type(error).__name__}: {error}"[:2000]
    OutboxItem.objects.filter(pk=pk).update(attempts=F("attempts") + 1, error=words)
    given_up = OutboxItem.objects.filter(pk=pk, attempts__gte=MOST_ATTEMPTS)
    if given_up.update(failed_at=timezone.now()):
        logger.critical("outbox row %s was set aside after %s attempts: %s", pk, MOST_ATTEMPTS, words)
