"""`manage.py run_pipeline`: turn what was ingested into judged calls. One works, others stand by."""

from __future__ import annotations

import logging
import signal
import threading
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import InterfaceError, OperationalError, connection

from apps.activity.pipeline.runner import hold_pipeline_lock, nudge, work_once
from apps.activity.pipeline.step import settle_overdue
from apps.kit.heartbeat import beat

logger = logging.getLogger(__name__)
IDLE_S = 0.05
STANDBY_S = 1.0
SETTLE_EVERY_S = 2.0
MOST_BACKOFF_S = 5.0


class Command(BaseCommand):
    help = "Work the outbox off: calls, agents, verdicts, the feed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="work off what waits, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            done = _drain()
            settle_overdue()
            self.stdout.write(f"{done} outbox rows worked off.")
            return
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        _run(stopping)


def _run(stopping: threading.Event) -> None:
    leading, settled_at, pause_s = False, 0.0, IDLE_S
    while not stopping.is_set():
        try:
            leading = leading or hold_pipeline_lock()
            busy = leading and work_once()
            if leading and time.monotonic() - settled_at > SETTLE_EVERY_S:
                nudge(settle_overdue().position)
                settled_at = time.monotonic()
            beat("pipeline")
            pause_s = 0.0 if busy else (IDLE_S if leading else STANDBY_S)
        except (OperationalError, InterfaceError) as error:
            logger.warning("the database does not answer, trying again: %s", error)
            connection.close()  # the lock went with the session and must be taken anew
            leading, pause_s = False, min(max(pause_s, IDLE_S) * 2, MOST_BACKOFF_S)
        stopping.wait(pause_s)


def _drain() -> int:
    done = 0
    while work_once():
        done += 1
    return done
