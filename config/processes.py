"""The processes of one Chancery machine, as a table; supervisor (a PyPI package) runs them.

Supervisor restarts what dies, with growing pauses, stops everything in reverse order on SIGTERM and keeps
bounded logs. `order` is the order of starting: databases first, so that they are stopped last.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
USABLE = 40


@dataclass(frozen=True)
class Process:
    """One process. `stop_signal` asks it to drain, `drain_s` is how long it may take."""

    name: str
    command: tuple[str, ...]
    order: int
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"
    drain_s: int = 15
    starts_itself: bool = False


def application(port: int, environment: Mapping[str, str], sequencer_url: str) -> list[Process]:
    """The six processes of Chancery itself. What makes them usable comes first: `order` up to USABLE.

    Django's own checks would have each of them read every page's code; they run in CI and by `make doctor`.
    """
    manage = (PYTHON, str(ROOT / "manage.py"))
    web = (
        PYTHON, "-m", "uvicorn", "config.asgi:application", "--host", "127.0.0.1", "--port", str(port),
        "--loop", "uvloop", "--http", "httptools", "--lifespan", "on", "--timeout-graceful-shutdown", "10",
        "--no-proxy-headers", "--no-access-log", "--no-server-header", "--log-level", "warning",
        "--ws-per-message-deflate", "false",  # deflating the feed anew for each of many who watch costs a core
    )  # fmt: skip
    # Proxy headers are read by Django alone, as CHANCERY_TRUSTED_PROXY_COUNT says: uvicorn believes loopback.
    celery = (PYTHON, "-m", "celery", "--skip-checks", "-A", "config.celery")
    worker = (*celery, "worker", "--pool", "threads", "--concurrency", "4", "--loglevel", "WARNING")
    beat_file = str(Path(environment["CHANCERY_STATE_DIR"]) / "celerybeat.pid")
    sealing = {**environment, "DATABASE_URL": sequencer_url}
    return [
        Process("web", web, 30, environment),
        Process("gateway", (PYTHON, "-m", "apps.oversight.gateway"), 35, _of_gateway(port, environment)),
        Process("pipeline", (*manage, "run_pipeline", "--skip-checks"), 40, environment),
        Process("sequencer", (*manage, "run_sequencer", "--skip-checks"), 50, sealing),
        Process("worker", worker, 50, environment, drain_s=30),
        Process(
            "beat", (*celery, "beat", "--loglevel", "WARNING", "--pidfile", f"{beat_file}"), 60, environment
        ),
    ]


def _of_gateway(port: int, environment: Mapping[str, str]) -> dict[str, str]:
    """What the gateway may know: no database, no key of ours but its own."""
    kept = ("CHANCERY_STATE_DIR", "CHANCERY_PUBLIC_URL", "PYTHONUNBUFFERED")
    told = {name: environment[name] for name in kept if name in environment}
    return told | {
        "CHANCERY_PORT": str(port),
        "CHANCERY_GATEWAY_PORT": environment.get("CHANCERY_GATEWAY_PORT", str(port + 1)),
    }


def supervisor_config(state: Path, processes: list[Process]) -> str:
    """The configuration file's text. Secrets stand in it: it is to be written with mode 0600."""
    socket = state / "supervisor.sock"
    head = f"""\
[supervisord]
nodaemon=true
silent=true
logfile={state}/log/supervisor.log
logfile_maxbytes=5MB
logfile_backups=2
pidfile={state}/supervisor.pid
childlogdir={state}/log
[unix_http_server]
file={socket}
chmod=0600
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
    return head + "".join(_section(state, process) for process in processes)


def folder_from(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("CHANCERY_STATE_DIR", ROOT / ".chancery")).resolve()


def environment_of(folder: Path) -> dict[str, str]:
    """The environment of the web process as it was last started, from the supervisor's file; empty where there is none."""
    path, inside, found = folder / "supervisor.conf", False, {}
    for line in path.read_text().splitlines() if path.exists() else ():
        inside = line == "[program:web]" if line.startswith("[") else inside
        if inside and line.startswith("environment="):
            for pair in line.removeprefix("environment=").split('",'):
                name, _, value = pair.partition('="')
                found[name] = value.rstrip('"').replace("%%", "%")
    return found


def _section(state: Path, process: Process) -> str:
    lines = [
        f"[program:{process.name}]",
        f"command={_escaped(_quoted(process.command))}",
        f"directory={ROOT}",
        f"priority={process.order}",
        f"autostart={'true' if process.starts_itself else 'false'}",
        "autorestart=true",
        "startsecs=1",
        "startretries=1000000",
        f"stopsignal={process.stop_signal}",
        f"stopwaitsecs={process.drain_s}",
        "killasgroup=true",
        "redirect_stderr=true",
        f"stdout_logfile={state}/log/{process.name}.log",
        "stdout_logfile_maxbytes=5MB",
        "stdout_logfile_backups=2",
    ]
    if process.user:
        lines.append(f"user={process.user}")
    if process.environment:
        pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(process.environment.items()))
        lines.append(f"environment={pairs}")
    return "\n".join(lines) + "\n"


def _quoted(command: tuple[str, ...]) -> str:
    return " ".join(f'"{part}"' if " " in part else part for part in command)


def _escaped(text: str) -> str:
    """Supervisor expands %(name)s in values."""
    return text.replace("%", "%%")
