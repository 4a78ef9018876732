"""`python -m config.launch up|demo`: everything Chancery needs, on this machine, in one terminal.

Databases from wheels (or those that DATABASE_URL and REDIS_URL name), roles, migrations, then the processes
of `config.processes` under supervisor. Ctrl-C or SIGTERM stops it all, databases last; starting again goes on
where it was left. Everything it keeps is under `.chancery/`.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import httpx
from rich.console import Console
from supervisor.xmlrpc import SupervisorTransport

from config.embedded import postgres, roles, state, valkey
from config.processes import (
    PYTHON,
    ROOT,
    USABLE,
    Process,
    application,
    environment_of,
    folder_from,
    supervisor_config,
)

READY_WITHIN_S = 120
DATABASE_NAME = "chancery"
# Each process gets the one URL it may use; those of the owner and of whoever makes roles stay here.
WITHHELD = frozenset(
    {"DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_SEQUENCER_URL", "CHANCERY_DATABASE_SECRET_FILE"}
)
console = Console(highlight=False)


class StartFailed(Exception):
    """A part did not start: which one, what it said last, what to do."""

    def __init__(self, part: str, words: str, advice: str = "", log: Path | None = None) -> None:
        super().__init__(words)
        self.part, self.words, self.advice, self.log = part, words, advice, log


@dataclass
class Launch:
    """One start, from secrets to the printed address."""

    folder: Path
    port: int
    demo: bool
    started: float = field(default_factory=time.monotonic)
    supervisor: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    embedded: list[Process] = field(default_factory=list)
    waits: list[tuple[str, Callable[[], bool]]] = field(default_factory=list)

    def run(self) -> None:
        """Start everything, then wait until somebody stops it."""
        state.prepare(self.folder)
        if is_up(self.folder):
            where = environment_of(self.folder).get("CHANCERY_PUBLIC_URL", "")
            raise StartFailed(
                "Chancery",
                f"It runs already: {where}",
                "Stop it with Ctrl-C where it was started; make doctor says how it is.",
            )
        self._require_port(self.port, "web", "CHANCERY_PORT=8010")
        self._require_port(self.gateway_port, "gateway", "CHANCERY_GATEWAY_PORT=8011")
        self._settings()
        admin_url = self._databases()
        processes = self._application(admin_url)
        self._start(processes)
        self._announce()
        self._follow()

    @property
    def gateway_port(self) -> int:
        return int(os.environ.get("CHANCERY_GATEWAY_PORT", self.port + 1))

    def _require_port(self, port: int, part: str, other: str) -> None:
        if not state.is_free(port):
            raise StartFailed(
                part,
                f"Port {port} is taken by another program.",
                f"Stop it, or choose one: {other} make up",
            )

    def stop(self) -> None:
        """Stop everything; who asks again meanwhile does not break it off half way."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        if self.supervisor and self.supervisor.poll() is None:
            console.print("\nStopping: requests are finished, then workers, then databases.")
            self.supervisor.send_signal(signal.SIGTERM)
            try:
                self.supervisor.wait(90)
            except subprocess.TimeoutExpired:
                self.supervisor.kill()
            console.print("Stopped. The same command goes on from here.")

    def _settings(self) -> None:
        url = f"http://localhost:{self.port}"
        chosen = {
            "SECRET_KEY": os.environ.get("SECRET_KEY") or state.secret(self.folder, "secret_key"),
            "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1]",
            "CHANCERY_PLAIN_HTTP": "true",
            "CHANCERY_PUBLIC_URL": url,
            "CHANCERY_STATE_DIR": str(self.folder),
            "CHANCERY_GATEWAY_PORT": str(self.gateway_port),
            "CHANCERY_GATEWAY_URL": f"http://localhost:{self.gateway_port}",
            "PYTHONUNBUFFERED": "1",
            "TOKENIZERS_PARALLELISM": "false",
        } | ({"CHANCERY_ORGANISATION": "Halden Group"} if self.demo else {})
        self.environment = {name: os.environ.get(name, value) for name, value in chosen.items()}

    def _databases(self) -> str:
        """Start what is not given; returns the URL of a role that may make roles ('' when all is given)."""
        admin_url = os.environ.get("DATABASE_URL", "")
        if not admin_url:
            cluster = postgres.prepare(self.folder)
            server = Process(
                "postgres",
                tuple(cluster.command()),
                10,
                user=cluster.system_user,
                stop_signal="INT",
                starts_itself=True,
            )
            self.embedded.append(server)
            self.waits.append(("PostgreSQL", cluster.is_ready))
            admin_url = cluster.superuser_url
        self.environment["REDIS_URL"] = os.environ.get("REDIS_URL", "")
        if not self.environment["REDIS_URL"]:
            cache = valkey.prepare(self.folder)
            self.embedded.append(Process("valkey", tuple(cache.command()), 20, starts_itself=True))
            self.waits.append(("Valkey", cache.is_ready))
            self.environment["REDIS_URL"] = cache.url
        return admin_url

    def _application(self, admin_url: str) -> list[Process]:
        """The processes, once roles and tables exist. Databases are started here, as their own step."""
        self._supervise(self.embedded)
        for name, is_ready in self.waits:
            with console.status(f"Starting {name}"):
                _wait(
                    name,
                    is_ready,
                    self.folder / "log" / f"{name.lower()[:8].rstrip('ql')}.log",
                    self.supervisor,
                )
            _tick(f"{name} runs")
        urls = self._urls(admin_url)
        self.environment["DATABASE_URL"] = urls.web
        with console.status("Bringing the database up to date"):
            self._manage("prepare", database=urls.owner)
        _tick("Database is up to date")
        if self.demo:
            self._load_demo()
        return application(self.port, self.environment, urls.sequencing)

    def _urls(self, admin_url: str) -> roles.Urls:
        owner = os.environ.get("DATABASE_OWNER_URL")
        if owner:
            return roles.Urls(owner, admin_url, os.environ.get("DATABASE_SEQUENCER_URL", admin_url))
        database = None if "DATABASE_URL" in os.environ else DATABASE_NAME
        try:
            return roles.provision(admin_url, self._roles_secret(), database)
        except roles.RolesRefused as error:
            raise StartFailed("database roles", str(error)) from error

    def _roles_secret(self) -> str:
        """What the passwords of the database's roles follow from; of all processes only this one reads it."""
        elsewhere = os.environ.get("CHANCERY_DATABASE_SECRET_FILE")
        if elsewhere:
            return Path(elsewhere).read_text().strip()
        return state.secret(self.folder, "database_secret")

    def _manage(self, *command: str, database: str = "") -> str:
        environment = {**os.environ, **self.environment} | ({"DATABASE_URL": database} if database else {})
        done = subprocess.run(
            [PYTHON, ROOT / "manage.py", *command],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
            raise StartFailed(
                f"manage.py {command[0]}", last, "Mend what it says and start again; nothing is lost."
            )
        return done.stdout

    def _load_demo(self) -> None:
        with console.status("Loading the sample organisation"):
            self.sign_in = self._manage("load_demo").strip()
        _tick("Sample organisation is loaded")

    def _start(self, processes: list[Process]) -> None:
        if self.demo:
            url = self.environment["CHANCERY_PUBLIC_URL"]
            fleet = (PYTHON, "-m", "demo.fleet", "--url", url, "--keys", str(self.folder / "demo.json"))
            processes.append(Process("fleet", fleet, 70, self.environment, drain_s=8))
        self._reload([*self.embedded, *processes])
        with console.status("Starting web, gateway, pipeline, sequencer, worker and beat"):
            self._start_all(process for process in processes if process.order <= USABLE)
            _wait("web", lambda: _answers(self.port), self._log("web"), self.supervisor)
            self._start_all(process for process in processes if process.order > USABLE)
        _tick("Web, gateway, pipeline, sequencer, worker and beat run")

    def _start_all(self, processes: Iterable[Process]) -> None:
        control = _control(self.folder)
        for process in sorted(processes, key=lambda one: one.order):
            try:
                control.supervisor.startProcess(process.name, False)
            except Fault as fault:
                raise StartFailed(process.name, fault.faultString, log=self._log(process.name)) from fault

    def _supervise(self, processes: list[Process]) -> None:
        """Start supervisor itself. In a session of its own, so that Ctrl-C reaches only us."""
        self._write_config(processes)
        self.supervisor = subprocess.Popen(
            [PYTHON, "-m", "supervisor.supervisord", "-n", "-c", str(self.folder / "supervisor.conf")],
            cwd=ROOT,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "log" / "supervisord.err").open("wb"),
            env={name: value for name, value in os.environ.items() if name not in WITHHELD}
            | self.environment,
        )
        _wait("supervisor", lambda: is_up(self.folder), self._log("supervisor"), self.supervisor)

    def _reload(self, processes: list[Process]) -> None:
        """Tell supervisor of the processes that were not known when it started."""
        self._write_config(processes)
        control = _control(self.folder)
        added, changed, _ = control.supervisor.reloadConfig()[0]
        for name in [*added, *changed]:
            control.supervisor.addProcessGroup(name)

    def _write_config(self, processes: list[Process]) -> None:
        path = self.folder / "supervisor.conf"
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(supervisor_config(self.folder, processes))

    def _log(self, name: str) -> Path:
        return self.folder / "log" / f"{name}.log"

    def _announce(self) -> None:
        took = time.monotonic() - self.started
        console.print(f"\n  [bold]{self.environment['CHANCERY_PUBLIC_URL']}[/bold]   ready in {took:.0f} s")
        for line in getattr(self, "sign_in", "").splitlines():
            console.print(f"  {line}", markup=False)
        if not self.demo:
            console.print("  First time? Make an administrator: make administrator")
        console.print(f"  Ctrl-C stops everything. Logs: {_near(self.folder / 'log')}\n", soft_wrap=True)

    def _follow(self) -> None:
        """Stay until stopped; in the demo, tell the story as it happens."""
        story = _tail(self._log("fleet")) if self.demo else iter(())
        while self.supervisor and self.supervisor.poll() is None:
            for line in story:
                if line is None:
                    break
                console.print(f"  [dim]{time.strftime('%H:%M:%S')}[/dim]  {line}")
            time.sleep(0.3)


def _near(path: Path) -> Path:
    """A path as one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _tail(path: Path) -> Any:
    """Lines as they are added from now on; None whenever there is nothing new."""
    position = path.stat().st_size if path.exists() else 0
    rest = ""
    while True:
        if path.exists() and path.stat().st_size > position:
            with path.open() as file:
                file.seek(position)
                rest += file.read()
                position = file.tell()
        elif path.exists() and path.stat().st_size < position:
            position = 0  # the log was rotated
        *lines, rest = rest.split("\n")
        yield from lines
        yield None


def _control(folder: Path) -> Any:
    return ServerProxy(
        "http://127.0.0.1", transport=SupervisorTransport(None, None, f"unix://{folder}/supervisor.sock")
    )


def is_up(folder: Path) -> bool:
    """True while a supervisor answers for this state folder."""
    try:
        return bool(_control(folder).supervisor.getState())
    except (OSError, Fault):
        return False


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _wait(
    part: str, is_ready: Callable[[], bool], log: Path, supervisor: subprocess.Popen[bytes] | None
) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not is_ready():
        if supervisor is not None and supervisor.poll() is not None:
            raise StartFailed(part, "The supervisor ended.", "Is another Chancery running here?", log)
        if time.monotonic() > deadline:
            raise StartFailed(part, f"It was not ready within {READY_WITHIN_S} s.", "Its log says why:", log)
        time.sleep(0.1)


def _tick(words: str) -> None:
    console.print(f"  [green]\N{CHECK MARK}[/green] {words}")


def _explain(failure: StartFailed) -> None:
    console.print(f"\n[red]{failure.part} did not start.[/red] {failure.words}", markup=True)
    if failure.advice:
        console.print(failure.advice)
    if failure.log and failure.log.exists():
        console.print(f"{failure.log}:")
        for line in failure.log.read_text(errors="replace").splitlines()[-15:]:
            console.print(f"    {line}", markup=False)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "what", choices=["up", "demo"], help="up: without sample data; demo: with live agents"
    )
    demo = parser.parse_args().what == "demo"
    launch = Launch(folder_from(os.environ), int(os.environ.get("CHANCERY_PORT", "8000")), demo)

    def on_term(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, on_term)
    try:
        launch.run()
    except KeyboardInterrupt:
        return 0
    except StartFailed as failure:
        _explain(failure)
        return 1
    finally:
        launch.stop()
    return 1


if __name__ == "__main__":
    sys.exit(main())
