"""The command `chancery`.

Exit codes of `chancery scan`: 0 done; 1 the path cannot be read; 2 wrong usage; 3 something unregistered was
found (with --fail-on-unregistered); 4 the findings could not be reported; 5 a limit ended the scan early.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from chancery_sdk import __version__
from chancery_sdk.declare import applying
from chancery_sdk.origin import source_of
from chancery_sdk.posting import Door, NotPosted, post_findings
from chancery_sdk.scan import Finding, Limits, Scanned, scan_path

DONE, UNREADABLE, USAGE, UNREGISTERED, NOT_POSTED, INCOMPLETE = range(6)
KINDS: Final = ("repository_scan", "agent_card", "mcp_registry", "kubernetes", "cloud", "accounts")
COLUMNS: Final = ("What", "Name", "Framework", "Model", "Sure", "Where")
WIDEST: Final = (26, 34, 18, 26, 4, 60)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console script; returns the exit code."""
    options = _parser().parse_args(arguments)
    if not options.path.exists():
        return _fail(UNREADABLE, f"There is nothing at {options.path}.")
    return applying.run(options) if options.command == "apply" else _scan(options)


def _scan(options: argparse.Namespace) -> int:
    key = os.environ.get(options.key_env, "") if options.post else ""
    if options.post and not key:
        return _fail(USAGE, f"Put an API key with the scope report into the variable {options.key_env}.")
    if options.fail_on_unregistered and not options.post:
        return _fail(USAGE, "What is registered is known to the server only: add --post URL.")
    scanned = scan_path(options.path, Limits(seconds=options.seconds), _progress())
    _clear()
    results = []
    if options.post:
        try:
            results = _post(scanned, options, key)
        except NotPosted as error:
            _print(scanned, options)
            return _fail(NOT_POSTED, str(error))
    _print(scanned, options)
    return _verdict(scanned, results, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chancery", description="The client of Chancery.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    scan = commands.add_parser(
        "scan",
        help="find agents in files",
        description="Find agents, MCP servers and their clients in the files below PATH. Nothing is executed.",
        epilog=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    scan.add_argument("path", type=Path, metavar="PATH")
    scan.add_argument("--json", action="store_true", help="one JSON object a line")
    scan.add_argument("--post", metavar="URL", help="report to the Chancery at this address")
    scan.add_argument(
        "--key-env", default="CHANCERY_KEY", metavar="NAME", help="variable that holds the API key"
    )
    scan.add_argument("--source", help="what was scanned (default: the address of the repository)")
    scan.add_argument("--source-kind", choices=KINDS, default=KINDS[0])
    scan.add_argument(
        "--fail-on-unregistered", action="store_true", help="exit 3 when an agent is not on record"
    )
    scan.add_argument("--seconds", type=float, default=Limits.seconds, help="longest time to scan")
    applying.add_command(commands)
    commands.add_parser(
        "hook", help="for hooks of Claude Code and Codex: chancery hook --help", add_help=False
    )
    return parser


def _post(scanned: Scanned, options: argparse.Namespace, key: str) -> list[dict[str, Any]]:
    source = options.source or source_of(options.path)
    print(f"Reporting {len(scanned.findings)} findings of {source} to {options.post}", file=sys.stderr)
    return post_findings(
        scanned.findings, Door(options.post, key), source=source, source_kind=options.source_kind
    )


def _verdict(scanned: Scanned, results: list[dict[str, Any]], options: argparse.Namespace) -> int:
    waiting = [one for one in results if one["state"] == "waiting"]
    if results:
        linked = sum(one["state"] == "linked" for one in results)
        print(f"{linked} on record, {len(waiting)} waiting for a curator, {len(results) - linked - len(waiting)} ignored",
              file=sys.stderr)  # fmt: skip
    if options.fail_on_unregistered and waiting:
        for one in waiting:
            print(f"Not on record: {one['name']} ({one['place']})", file=sys.stderr)
        return UNREGISTERED
    if scanned.stopped_by:
        return _fail(INCOMPLETE, f"The limit on {scanned.stopped_by} ended the scan early.")
    return DONE


def _print(scanned: Scanned, options: argparse.Namespace) -> None:
    if options.json:
        for finding in scanned.findings:
            print(json.dumps(finding.as_json(), ensure_ascii=False))
        return
    rows = [COLUMNS, *(_row(finding) for finding in scanned.findings)]
    widths = [min(max(len(row[at]) for row in rows), WIDEST[at]) for at in range(len(COLUMNS))]
    for row in rows if scanned.findings else ():
        print(
            "  ".join(
                _cut(cell, width).ljust(width) for cell, width in zip(row, widths, strict=True)
            ).rstrip()
        )
    left_out = ", ".join(f"{count} {why}" for why, count in sorted(scanned.left_out.items()))
    print(f"{len(scanned.findings)} found in {scanned.files} files" + (f"; left out: {left_out}" if left_out else ""),
          file=sys.stderr)  # fmt: skip


def _row(finding: Finding) -> tuple[str, ...]:
    name = finding.name or ", ".join(finding.mcp_servers) or "-"
    return (
        finding.kind,
        name,
        finding.framework,
        finding.model or "-",
        f"{finding.confidence:.2f}",
        finding.place,
    )


def _cut(cell: str, width: int) -> str:
    """The cell without control characters, so that no name of a file can steer the terminal."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in cell)
    return plain if len(plain) <= width else f"{plain[: width - 1]}…"


def _progress() -> Any:
    """Says every hundredth file on stderr, over itself on a terminal."""
    is_terminal = sys.stderr.isatty()

    def say(files: int, findings: int, path: str) -> None:
        if is_terminal and files % 25 == 0:
            print(f"\r\033[K{files} files, {findings} found: {_cut(path, 60)}", end="", file=sys.stderr)
        elif not is_terminal and files % 1000 == 0:
            print(f"{files} files, {findings} found", file=sys.stderr)

    return say


def _clear() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)


def _fail(code: int, words: str) -> int:
    print(words, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
