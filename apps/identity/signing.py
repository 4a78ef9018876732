"""Standard Webhooks (standardwebhooks.com): secrets and signatures, and when to try again. Pure.

`webhook-signature` holds a `v1,` signature for each secret in force, separated by spaces: HMAC-SHA256 over
`id.timestamp.body`, in base64. A secret is `whsec_` and 32 random bytes in base64.
"""

from __future__ import annotations

import hmac
import random
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256

MARK = "whsec_"
GIVE_UP_AFTER = timedelta(days=3)
FIRST_WAIT_S, LONGEST_WAIT_S, GROWTH, MOST_STEPS = 5.0, 6 * 3600.0, 4.0, 20


def new_secret() -> str:
    return MARK + b64encode(secrets.token_bytes(32)).decode()


def signed_headers(message_id: str, at: datetime, body: bytes, keys: Sequence[str]) -> dict[str, str]:
    """The three headers; every key signs, so that a receiver may hold any of them."""
    stamp = str(int(at.timestamp()))
    content = f"{message_id}.{stamp}.".encode() + body
    signatures = " ".join(f"v1,{_signature(key, content)}" for key in keys)
    return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": signatures}


def wait_after(attempts: int) -> timedelta:
    """5 s, 20 s, 80 s and so on up to 6 hours, each somewhere between half and one and a half of it."""
    seconds = min(FIRST_WAIT_S * GROWTH ** min(attempts - 1, MOST_STEPS), LONGEST_WAIT_S)
    return timedelta(seconds=seconds * random.uniform(0.5, 1.5))  # noqa: S311  # spreads load, guards nothing


def _signature(key: str, content: bytes) -> str:
    raw = b64decode(key.removeprefix(MARK))
    return b64encode(hmac.new(raw, content, sha256).digest()).decode()
