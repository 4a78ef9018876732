"""`manage.py run_sequencer`: seal ledger entries as they come. One at a time; a second one waits."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, connection

from apps.identity.ledger.keys import create_key_pair, load_signer
from apps.identity.ledger.notes import NoteError, Signer
from apps.identity.ledger.sequencer import hold_sequencer_lock, sequence_batch
from apps.identity.models import LedgerCheckpoint
from apps.kit.heartbeat import beat

logger = logging.getLogger(__name__)
TICK_S = 0.2
STANDBY_S = 2.0
MOST_BACKOFF_S = 10.0


class Command(BaseCommand):
    help = "Turn ledger entries into Merkle leaves and sign checkpoints."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="seal what waits, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        signer = self._signer()
        if options["once"]:
            self.stdout.write(f"{_drain(signer)} entries sealed.")
            return
        _run(signer, stopping)

    def _signer(self) -> Signer:
        """The key; made at the very first start only, for a new key later would break the chain of trust."""
        path = settings.LEDGER_SIGNING_KEY_FILE
        if not path.exists() and not LedgerCheckpoint.objects.exists():
            return create_key_pair(settings.LEDGER_ORIGIN, path, settings.LEDGER_PUBLIC_KEY_FILE)
        try:
            return load_signer(path)
        except NoteError as error:
            raise CommandError(
                f"{error}. Set CHANCERY_LEDGER_SIGNING_KEY_FILE to the key that signed the checkpoints so far."
            ) from error


def _run(signer: Signer, stopping: threading.Event) -> None:
    """Seal until told to stop; a database that went away is tried again with growing pauses."""
    leading, pause = False, TICK_S
    while not stopping.is_set():
        try:
            leading = leading or hold_sequencer_lock()
            sealed = sequence_batch(signer, settings.LEDGER_ORIGIN) if leading else 0
            beat("sequencer")
            pause = 0 if sealed else (TICK_S if leading else STANDBY_S)
        except Error as error:
            logger.warning("the database does not answer, trying again: %s", error)
            connection.close()  # the lock went with the session: it must be taken again
            leading, pause = False, min(max(pause, TICK_S) * 2, MOST_BACKOFF_S)
        stopping.wait(pause)


def _drain(signer: Signer) -> int:
    sealed = 0
    while batch := sequence_batch(signer, settings.LEDGER_ORIGIN):
        sealed += batch
    return sealed
