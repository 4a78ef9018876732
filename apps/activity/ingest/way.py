"""What an address of the door is: how its bodies are read, and how it answers and refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from apps.activity.ingest.errors import IngestError
from apps.activity.ingest.normalise import Batch

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Heard:
    """One request: `kind` is what the way's `media` made of its content type, `body` is without encoding."""

    kind: str
    headers: Headers
    body: bytes
    source_id: UUID


@dataclass(frozen=True)
class Answer:
    """What to say, and what has to be durable before it is said.

    Where rows declare agents, `settle` makes the answer that holds once it is known which of them the source speaks for.
    """

    media: str
    body: bytes
    status: int = 200
    batch: Batch = field(default_factory=Batch)
    settle: Settle | None = None


Settle = Callable[[Mapping[str, str]], Answer]


@dataclass(frozen=True)
class Way:
    """`media` names the kind of a body or raises UnsupportedMedia; `read` raises Malformed."""

    media: Callable[[Headers], str]
    read: Callable[[Heard], Answer]
    refuse: Callable[[IngestError, Headers], Answer]
