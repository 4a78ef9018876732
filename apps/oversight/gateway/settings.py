"""What a gateway is told by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GatewaySettings:
    """Where it listens, whom it asks, what it may reach and start, and its bounds.

    `watch_s`: how often each server's tools are listed by the gateway itself. `idle_s`: after how long without a call a started
    program is ended.
    """

    port: int
    server_url: str
    key_file: Path
    outgoing_allow: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    refresh_s: float = 0.5
    watch_s: float = 30.0
    idle_s: float = 300.0
    decision_deadline_s: float = 5.0
    known_for_s: float = 10.0
    most_body_bytes: int = 4 * 1024 * 1024
    most_answer_bytes: int = 32 * 1024 * 1024
    most_processes: int = 64
    most_reports: int = 5000

    @classmethod
    def from_environment(cls, told: Mapping[str, str] = os.environ) -> GatewaySettings:
        """Raises ValueError for a port that is no number, KeyError without CHANCERY_STATE_DIR and CHANCERY_GATEWAY_KEY_FILE."""
        web = int(told.get("CHANCERY_PORT", "8000"))
        key_file = told.get("CHANCERY_GATEWAY_KEY_FILE") or f"{told['CHANCERY_STATE_DIR']}/gateway.key"
        return cls(
            port=int(told.get("CHANCERY_GATEWAY_PORT", web + 1)),
            server_url=told.get("CHANCERY_GATEWAY_SERVER", f"http://127.0.0.1:{web}"),
            key_file=Path(key_file),
            outgoing_allow=_listed(told.get("CHANCERY_OUTGOING_ALLOW", "")),
            commands=_listed(told.get("CHANCERY_GATEWAY_COMMANDS", "")),
            host=told.get("CHANCERY_GATEWAY_HOST", "127.0.0.1"),
            watch_s=float(told.get("CHANCERY_GATEWAY_WATCH_S", "30")),
        )


def _listed(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())
