"""Starting: secrets stay where they are needed, commands find the installation, a stopped one is said to be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from config.embedded import roles, state
from config.launch import WITHHELD, Launch
from config.processes import ROOT, application, environment_of, supervisor_config


def clean(**changes: str) -> dict[str, str]:
    """An environment in which nothing of Chancery is set."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    return kept | changes


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], env=clean(CHANCERY_STATE_DIR=str(folder)), cwd=ROOT, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip


def test_the_owners_password_follows_from_nothing_the_web_process_has(tmp_path: Path) -> None:
    state.prepare(tmp_path)
    launch = Launch(tmp_path, 8000, demo=False)
    launch._settings()
    owner = roles.password_of(roles.OWNER, launch._roles_secret())
    assert owner != roles.password_of(roles.OWNER, launch.environment["SECRET_KEY"])
    assert (tmp_path / "database_secret").stat().st_mode & 0o777 == 0o600
    web = launch.environment | {"DATABASE_URL": "postgresql://web@/x"}
    told = supervisor_config(tmp_path, application(8000, web, "postgresql://sequencing@/x"))
    assert launch._roles_secret() not in told
    assert owner not in told
    assert {"DATABASE_OWNER_URL", "CHANCERY_DATABASE_SECRET_FILE"} <= WITHHELD


def test_commands_take_the_settings_of_what_was_started_here(tmp_path: Path) -> None:
    settings = {
        "SECRET_KEY": "x" * 50, "DATABASE_URL": "postgresql://nobody@localhost:1/x", "REDIS_URL": "redis://localhost:1/0",
        "CHANCERY_STATE_DIR": str(tmp_path), "CHANCERY_PLAIN_HTTP": "true",
    }  # fmt: skip
    (tmp_path / "supervisor.conf").write_text(supervisor_config(tmp_path, application(8000, settings, "x")))
    assert environment_of(tmp_path) == settings
    assert run(tmp_path, "manage.py", "diffsettings").returncode == 0


def test_a_chancery_that_does_not_run_is_said_not_to_run_at_once(tmp_path: Path) -> None:
    (tmp_path / "supervisor.conf").write_text("[program:web]\n")
    for command in ("doctor", "create_administrator"):
        done = run(tmp_path, "-m", "config.manage", command)
        assert (done.returncode, done.stderr) == (1, "Chancery does not run here. Start it: make up\n")
