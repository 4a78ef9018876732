"""A stack to measure: the real processes on embedded servers in a folder of its own, or one that runs."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from config.embedded.state import any_free_port
from config.launch import _control
from config.processes import environment_of

ROOT = Path(__file__).resolve().parent.parent
READY_WITHIN_S = 120
MAKE_KEY = """
from apps.identity.models import Person, Principal
from apps.identity.roles import Scope
from apps.identity.services.keys import KeyRequest, mint_key, mint_source_key
person = Person.objects.filter(email='bench@example.org').first() or Person.objects.create_superuser(
    'bench@example.org', 'Bench', 'bench-password-1')
actor = person.principal
print(mint_source_key(KeyRequest('Bench', [Scope.INGEST]), team=None, actor=actor).token)
print(mint_key(actor, KeyRequest('Bench', [Scope.READ, Scope.WRITE, Scope.DECIDE]), actor=actor).token)
"""


@dataclass
class Stack:
    """A running Chancery: where, with which keys, and as whom to sign in."""

    url: str
    folder: Path
    ingest_key: str
    api_key: str
    email: str = "bench@example.org"
    password: str = "bench-password-1"

    @property
    def environment(self) -> dict[str, str]:
        return environment_of(self.folder)

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.environment['CHANCERY_GATEWAY_PORT']}"

    def pid_of(self, process: str) -> int:
        control = _control(self.folder)
        try:
            return int(control.supervisor.getProcessInfo(process)["pid"])
        finally:
            control("close")()

    def kill(self, process: str) -> None:
        """kill -9; the supervisor starts it again."""
        os.kill(self.pid_of(process), signal.SIGKILL)

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.environment["DATABASE_URL"]) as connection:
            return connection.execute(query).fetchall()


@contextmanager
def running(**environment: str) -> Iterator[Stack]:
    """Start everything in a temporary folder, with these variables too; stop and remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="chancery-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        port = any_free_port()  # of the system's choice: two that start at once do not choose the same
        launcher = launch(folder, port, **environment)
        try:
            wait_ready(port, launcher)
            say(f"running on port {port}")
            tokens = manage(folder, "shell", "-v", "0", "-c", MAKE_KEY).split()
            yield Stack(f"http://127.0.0.1:{port}", folder, tokens[-2], tokens[-1])
        finally:
            launcher.send_signal(signal.SIGTERM)
            launcher.wait(120)


def launch(folder: Path, port: int, **more: str) -> subprocess.Popen[bytes]:
    environment = {
        k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")
    }
    environment |= {
        "CHANCERY_STATE_DIR": str(folder),
        "CHANCERY_PORT": str(port),
        "CHANCERY_GATEWAY_PORT": str(any_free_port()),
        **more,
    }
    command = [sys.executable, "-m", "config.launch", "up"]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)


def wait_ready(port: int, launcher: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        if launcher.poll() is not None:
            raise SystemExit("the stack did not start; run `make up` to see why")
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=1).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise SystemExit(f"the stack was not ready within {READY_WITHIN_S} s")


def manage(folder: Path, *command: str) -> str:
    environment = {**os.environ, **environment_of(folder)}
    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def data_folder() -> Path | None:
    """Recorded data: CHANCERY_DATA, else the folder beside the project; None where there is none."""
    folder = Path(os.environ.get("CHANCERY_DATA", ROOT.parent / "shared" / "data"))
    return folder if folder.exists() else None


def arguments(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a shorter run, under 40 s")
    return parser


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def result(**figures: Any) -> None:
    """The last line: one JSON object."""
    print(json.dumps(figures), flush=True)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
