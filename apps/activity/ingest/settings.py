"""What the door has to be told; given by the composition root, never read from the environment here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class IngestSettings:
    """Where rows go and how much may come. Sizes in bytes, times in seconds."""

    dsn: str
    max_body_bytes: int = 4 * 1024 * 1024
    max_inflated_bytes: int = 32 * 1024 * 1024
    max_queue_bytes: int = 64 * 1024 * 1024
    writers: int = 2
    body_timeout_s: float = 30.0
    commit_timeout_s: float = 30.0
    key_memory_s: float = 5.0
