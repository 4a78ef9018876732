"""What the door has to be told; given by the composition root, never read from the environment here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class IngestSettings:
    """Where rows go and how much may come. Sizes in bytes, times in seconds."""

    dsn: str
    max_body_bytes: int = 4 * 1024 * 1024
    max_inflated_bytes: int = 32 * 1024 * 1024
    max_json_bytes: int = 4 * 1024 * 1024  # inflated; JSON costs 20 times as much to read as protobuf
    max_queue_bytes: int = 256 * 1024 * 1024  # of memory, for all requests together
    writers: int = 2
    body_timeout_s: float = 30.0
    commit_timeout_s: float = 30.0
    statement_timeout_s: float = 15.0
    key_memory_s: float = 5.0
    content_key: bytes = b""  # of the keyed hashes that stand for content where the policy says so
