"""The state folder (`.chancery/`): secrets made once, readable by their owner only."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path


def prepare(folder: Path) -> Path:
    """Make the folder. Others may pass through it (PostgreSQL runs as another user under root), not list it."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    (folder / "log").mkdir(exist_ok=True)
    return folder


def secret(folder: Path, name: str, size: int = 48) -> str:
    """A random text kept in `folder/name`; made at the first call, mode 0600."""
    path = folder / name
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(size))
    return path.read_text().strip()


def kept_port(folder: Path, name: str) -> int:
    """A loopback port that was free when it was chosen; the same one at every start while it stays free."""
    path = folder / name
    known = int(path.read_text()) if path.exists() else 0
    port = known if known and is_free(known) else any_free_port()
    path.write_text(str(port))
    return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def any_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
