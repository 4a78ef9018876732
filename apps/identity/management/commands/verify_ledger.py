"""`manage.py verify_ledger`: whether the ledger holds, and what is broken."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.identity.ledger.keys import load_verifier
from apps.identity.ledger.notes import NoteError
from apps.identity.ledger.verify import verify_ledger


class Command(BaseCommand):
    help = "Recompute the ledger's tree from its entries and check every signed checkpoint."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--key", type=Path, default=settings.LEDGER_PUBLIC_KEY_FILE, help="the public key's file"
        )
        parser.add_argument("--checkpoint", type=Path, help="a checkpoint kept outside, to compare with")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            verifier = load_verifier(options["key"])
            kept = verifier.open(options["checkpoint"].read_text()) if options["checkpoint"] else None
        except (NoteError, OSError) as error:
            raise CommandError(str(error)) from error
        report = verify_ledger(verifier, kept, progress=lambda done: self.stderr.write(f"{done:,} leaves"))
        if options["json"]:
            self.stdout.write(json.dumps({"holds": report.holds} | vars(report)))
        else:
            self._tell(report)
        if not report.holds:
            sys.exit(1)

    def _tell(self, report: Any) -> None:
        self.stdout.write(
            f"{report.leaves:,} sealed entries, {report.checkpoints:,} checkpoints, {report.pending:,} waiting."
        )
        for words in report.faults:
            self.stdout.write(f"  broken: {words}")
        self.stdout.write("The ledger holds." if report.holds else "The ledger does NOT hold.")
