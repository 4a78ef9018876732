"""`manage.py run_pipeline`: turn what was ingested into judged calls. One works, others stand by."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, InterfaceError, OperationalError, connection

from apps.activity.pipeline.runner import hold_pipeline_lock, release_pipeline_lock, settle, work_once
from apps.kit.heartbeat import beat

logger = logging.getLogger(__name__)
IDLE_S = 0.05
STANDBY_S = 1.0
AFTER_YOU = 5  # niceness: where cores are few, taking what comes goes before working it off
SETTLE_EVERY_S = 2.0
MOST_BACKOFF_S = 5.0


class Command(BaseCommand):
    help = "Work the outbox off: calls, agents, verdicts, the feed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="work off what waits, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            self.stdout.write(f"{_once()} steps were made; nothing waits.")
            return
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        os.nice(AFTER_YOU)
        _run(stopping)


def _run(stopping: threading.Event) -> None:
    leading, settled_at, pause_s = False, 0.0, IDLE_S
    while not stopping.is_set():
        try:
            leading = leading or hold_pipeline_lock()
            busy = leading and work_once()
            if leading and time.monotonic() - settled_at > SETTLE_EVERY_S:
                settled_at = time.monotonic()
                settle()
            beat("pipeline")
            pause_s = 0.0 if busy else (IDLE_S if leading else STANDBY_S)
        except Exception as error:  # noqa: BLE001 - whatever it is, the process goes on and says so
            _tell(error)
            _let_go()
            leading, pause_s = False, min(max(pause_s, IDLE_S) * 2, MOST_BACKOFF_S)
        stopping.wait(pause_s)


def _tell(error: Exception) -> None:
    if isinstance(error, (OperationalError, InterfaceError)):
        logger.warning("the database does not answer, trying again: %s", error)
    else:
        logger.error("the pipeline stumbled, trying again", exc_info=error)


def _let_go() -> None:
    """Give the lock up, which must be taken anew: a pool may keep the session that holds it."""
    with contextlib.suppress(Error):
        release_pipeline_lock()
    connection.close()


def _once() -> int:
    """Work off what waits, as the only worker; returns how many steps it took."""
    if not hold_pipeline_lock():
        raise CommandError("another pipeline is at work; it works off what waits")
    try:
        done = 0
        while work_once():
            done += 1
        settle()
        return done
    finally:
        release_pipeline_lock()
