"""Telling the sockets, over the channel layer: there is news, or a session has ended."""

from __future__ import annotations

import logging
from hashlib import sha256
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
FEED_GROUP = "feed"


def session_group(session_key: str) -> str:
    """The sockets of one session. The key itself is a secret and stays out of the channel layer."""
    return f"session.{sha256(session_key.encode()).hexdigest()[:32]}"


def tell(group: str, message: dict[str, Any]) -> None:
    """Send to a group. Sockets look by themselves, too: a message that is lost loses nothing but time."""
    layer = get_channel_layer()
    if layer is None:
        return
    try:
        async_to_sync(layer.group_send)(group, message)
    except (RedisError, OSError) as error:
        logger.warning("%s was not told: %s", group, error)
