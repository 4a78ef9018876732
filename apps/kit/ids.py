"""Identifiers: time-ordered UUIDs, so that keys sort by time and partitions can be cut on them.

`new_id` gives a random UUIDv7. `derived_id` gives the *same* id for the same thing: a UUIDv8 whose first
48 bits are the thing's own time (as in UUIDv7) and whose other bits are a hash of its natural key. A
retried delivery therefore meets its own primary key, on any machine, without a lookup.
"""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import uuid6

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_MS = (1 << 48) - 1
# Version 8 and variant; the bits of a hash that go before the variant (two further left) and behind it.
V8, RAND_A, RAND_B = 0x8 << 76 | 0b10 << 62, 0xFFF << 62, (1 << 62) - 1


def new_id() -> uuid.UUID:
    """A random UUIDv7 (RFC 9562 section 5.7)."""
    return uuid.UUID(int=uuid6.uuid7().int)


def derived_id(unix_ms: int, *natural_key: bytes) -> uuid.UUID:
    """The UUIDv8 (RFC 9562 section 5.8) of a thing at `unix_ms` (clamped to 48 bits) with this key."""
    digest = int.from_bytes(blake2b(b"\x1f".join(natural_key), digest_size=10).digest(), "big")
    moment = unix_ms if 0 <= unix_ms <= MAX_MS else _within_48_bits(unix_ms)
    return uuid.UUID(int=moment << 80 | V8 | (digest & RAND_A) << 2 | digest & RAND_B)


def first_id_at(moment: datetime) -> uuid.UUID:
    """The smallest id with this time (clamped to 48 bits): a bound for partitions and time filters."""
    return uuid.UUID(int=(_ms(moment) << 80))


def as_array(ids: Iterable[uuid.UUID]) -> str:
    """The ids as PostgreSQL writes an array, to be cast with ::uuid[]: a list would be adapted piece by piece, at six
    times the cost."""
    return f"{{{','.join([one.hex for one in ids])}}}"


def id_or_none(text: str) -> uuid.UUID | None:
    """The id that somebody wrote; None when it is none."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def time_of(identifier: uuid.UUID) -> datetime:
    """The millisecond written in the first 48 bits of a time-ordered id."""
    return EPOCH + timedelta(milliseconds=identifier.int >> 80)


def _ms(moment: datetime) -> int:
    return _within_48_bits((moment - EPOCH) // timedelta(milliseconds=1))


def _within_48_bits(unix_ms: int) -> int:
    return min(max(unix_ms, 0), MAX_MS)
