"""`manage.py doctor`: checks a running installation and says what to do about each fault."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config.checkup import run_checks


class Command(BaseCommand):
    help = "Check database, roles, queue, cache, processes, clock and disk. Exit status 1 when something is wrong."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = run_checks()
        if options["json"]:
            well = all(finding.passed for finding in findings)
            self.stdout.write(json.dumps({"well": well, "checks": [asdict(finding) for finding in findings]}))
        else:
            for finding in findings:
                mark = self.style.SUCCESS("ok   ") if finding.passed else self.style.ERROR("FAULT")
                self.stdout.write(f"{mark} {finding.name:<11} {finding.words}")
                if not finding.passed:
                    self.stdout.write(f"      {'':<11} {finding.remedy}")
        if not all(finding.passed for finding in findings):
            sys.exit(1)
