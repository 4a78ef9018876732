"""Signs of life: each process leaves the time of its last beat in the cache."""

from __future__ import annotations

import logging
import time

from django.core.cache import cache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
EVERY_S = 2.0
FORGET_S = 3600
_last: dict[str, float] = {}


def beat(name: str) -> None:
    """Say that `name` lives; at most every two seconds, and never in the way when the cache is away."""
    now = time.monotonic()
    if now - _last.get(name, -EVERY_S) < EVERY_S:
        return
    _last[name] = now
    try:
        cache.set(f"heartbeat:{name}", time.time(), FORGET_S)
    except (RedisError, OSError) as error:
        logger.debug("no heartbeat: %s", error)


def age_s(name: str) -> float | None:
    """Seconds since the last beat; None when none is remembered. Raises RedisError when the cache is away."""
    at = cache.get(f"heartbeat:{name}")
    return None if at is None else max(0.0, time.time() - at)
