"""Real PostgreSQL and Valkey for one test run, and a migrated database for each test process.

The tables belong to the owner; tests connect as `chancery_web`, which owns nothing, as the product does.
Set CHANCERY_TEST_DATABASE_URL (a role that may create roles and databases) and REDIS_URL to use servers
that run already.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from config.embedded import postgres, roles, state, valkey

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "chancery_template"
SECRET_KEY = "tests-only-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJ"
ADMIN = "CHANCERY_TEST_DATABASE_URL"


def begin() -> None:
    """Set the environment of this process: servers once per run, a database of its own per process."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": SECRET_KEY,
        "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
        "CHANCERY_PLAIN_HTTP": "true",
        "CHANCERY_LOG_LEVEL": "ERROR",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if ADMIN not in os.environ:
        _start_servers()
    folder = Path(os.environ.setdefault("CHANCERY_STATE_DIR", tempfile.gettempdir() + "/chancery-tests"))
    (folder / "static").mkdir(parents=True, exist_ok=True)
    if "CHANCERY_TEST_TEMPLATE" not in os.environ:
        _make_template()
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    urls = _database(f"chancery_test_{worker}_{os.environ['CHANCERY_TEST_TEMPLATE']}")
    os.environ["DATABASE_URL"] = urls.web
    os.environ["CHANCERY_TEST_OWNER_URL"] = urls.owner
    os.environ["CHANCERY_TEST_SEQUENCER_URL"] = urls.sequencing
    number = int("".join(filter(str.isdigit, worker)) or 15) % 16
    os.environ["REDIS_URL"] = os.environ["CHANCERY_TEST_REDIS"].rsplit("/", 1)[0] + f"/{number}"


def _start_servers() -> None:
    folder = Path(tempfile.mkdtemp(prefix="chancery-tests-"))
    os.environ["CHANCERY_STATE_DIR"] = str(folder)
    state.prepare(folder)
    cluster, cache = postgres.prepare(folder), valkey.prepare(folder)
    fast = ["-c", "fsync=off", "-c", "full_page_writes=off"]  # the cluster lives as long as the run
    running = [
        _spawn([*cluster.command(), *fast], folder / "log" / "postgres.log", cluster.system_user),
        _spawn(cache.command(), folder / "log" / "valkey.log"),
    ]
    atexit.register(_stop, running, folder)
    deadline = time.monotonic() + 30
    while not (cluster.is_ready() and cache.is_ready()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the test servers did not start; see {folder}/log")
        time.sleep(0.05)
    os.environ[ADMIN] = cluster.superuser_url
    os.environ["CHANCERY_TEST_REDIS"] = cache.url


def _make_template() -> None:
    os.environ.setdefault("CHANCERY_TEST_REDIS", os.environ.get("REDIS_URL", "redis://localhost:6379/0"))
    os.environ["CHANCERY_TEST_TEMPLATE"] = str(os.getpid())
    urls = roles.provision(os.environ[ADMIN], SECRET_KEY, f"{TEMPLATE}_{os.getpid()}")
    environment = {**os.environ, "DATABASE_URL": urls.owner, "REDIS_URL": os.environ["CHANCERY_TEST_REDIS"]}
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the test database could not be migrated:\n{done.stderr}")


def _database(name: str) -> roles.Urls:
    template = f"{TEMPLATE}_{os.environ['CHANCERY_TEST_TEMPLATE']}"
    with psycopg.connect(os.environ[ADMIN], autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return roles.provision(os.environ[ADMIN], SECRET_KEY, name)


def _spawn(command: list[str], log: Path, user: str | None = None) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen(command, user=user, stdout=file, stderr=subprocess.STDOUT, cwd="/")


def _stop(running: list[subprocess.Popen[bytes]], folder: Path) -> None:
    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
    shutil.rmtree(folder, ignore_errors=True)


begin()  # loaded as a pytest plugin, before Django reads the environment
