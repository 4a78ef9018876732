"""`chancery apply`: shows what a `chancery.yaml` would change, or makes it so.

Exit codes: 0 done; 1 a file cannot be read or is not as expected (each fault as file:line: field: words); 2 wrong
usage; 3 something is not as declared (with --check, or a value kept back with --fail-on-kept-back); 4 the server
could not be reached or refused.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from chancery_sdk.declare.reading import (
    DeclarationFile,
    Fault,
    Unreadable,
    commit_of,
    find_files,
    read_file,
    root_of,
)
from chancery_sdk.origin import source_of
from chancery_sdk.posting import Door, NotPosted, post_declarations

DONE, WRONG, USAGE, OTHERWISE, NOT_SENT = range(5)
MARKS: Final[Mapping[str, str]] = {
    "created": "+", "changed": "~", "unchanged": "=", "left": "?", "failed": "!",
    "set": "~", "kept_back": "!",
}  # fmt: skip
LONGEST_S: Final = 120.0  # a file of 200 new agents
COMMITS: Final = ("CHANCERY_COMMIT", "GITHUB_SHA", "CI_COMMIT_SHA", "BUILD_SOURCEVERSION", "GIT_COMMIT")


def add_command(commands: Any) -> None:
    """Add `apply` to the commands of a parser."""
    command = commands.add_parser(
        "apply",
        help="declare agents",
        description="Make a Chancery say what chancery.yaml declares; with --dry-run, show what that would change.",
        epilog=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("path", type=Path, metavar="PATH", help="the file, or a folder that holds some")
    command.add_argument("--dry-run", action="store_true", help="show the plan, write nothing")
    command.add_argument(
        "--check", action="store_true", help="as --dry-run; exit 3 when it would change something"
    )
    command.add_argument(
        "--fail-on-kept-back", action="store_true", help="exit 3 when a person said otherwise"
    )
    command.add_argument("--server", default=os.environ.get("CHANCERY_URL", ""), metavar="URL",
                         help="address of the Chancery (default: the variable CHANCERY_URL)")  # fmt: skip
    command.add_argument(
        "--key-env", default="CHANCERY_KEY", metavar="NAME", help="variable that holds the API key"
    )
    command.add_argument(
        "--repository", default="", help="its address (default: the file's, else git's remote)"
    )
    command.add_argument("--commit", default="", help="default: that of the pipeline or of git")
    command.add_argument("--json", action="store_true", help="the server's answers, one a line")


def run(options: argparse.Namespace) -> int:
    """The command; returns the exit code."""
    key = os.environ.get(options.key_env, "")
    files = find_files(options.path)
    if not files:
        return _fail(WRONG, f"There is no chancery.yaml at {options.path}.")
    if not options.server or not key:
        missing = (
            "--server URL"
            if not options.server
            else f"an API key with the scope declare in the variable {options.key_env}"
        )
        return _fail(USAGE, f"Give {missing}.")
    read = [_read(file) for file in files]
    if any(faults for _, faults in read):
        for file, faults in read:
            _print_faults(file.path, faults)
        return WRONG
    try:
        codes = [_applied(file, options, Door(options.server, key, timeout_s=LONGEST_S)) for file, _ in read]
    except NotPosted as error:
        return _fail(NOT_SENT, str(error))
    return min((code for code in codes if code != DONE), default=DONE)


def body_of(file: DeclarationFile, options: argparse.Namespace) -> dict[str, Any]:
    """What is sent for one file: the whole of it, with its lines."""
    root = root_of(file.path)
    commit = options.commit or next((os.environ[name] for name in COMMITS if os.environ.get(name)), "")
    return {
        "repository": options.repository or file.repository or source_of(file.path),
        "path": file.path.resolve().relative_to(root).as_posix(),
        "commit": commit or commit_of(root),
        "dry_run": options.dry_run or options.check,
        "items": [{"agent": agent, "lines": file.lines_of(at)} for at, agent in enumerate(file.agents)],
    }


def _read(path: Path) -> tuple[DeclarationFile, list[Fault]]:
    try:
        file = read_file(path)
    except Unreadable as error:
        return DeclarationFile(path), [error.fault]
    except OSError as error:
        return DeclarationFile(path), [Fault(1, "", f"It cannot be read: {error.strerror}")]
    return file, file.faults


def _applied(file: DeclarationFile, options: argparse.Namespace, door: Door) -> int:
    answer = post_declarations(door, body_of(file, options))
    results = answer["results"]
    if options.json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        _print_plan(file, results)
    for at, result in enumerate(results):
        faults = [Fault(file.line_of(f"agents/{at}/{one['pointer']}".rstrip("/")), one["pointer"], one["message"])
                  for one in result["faults"]]  # fmt: skip
        _print_faults(file.path, faults)
    _print_total(file, answer)
    return _verdict(results, options)


def _verdict(results: list[dict[str, Any]], options: argparse.Namespace) -> int:
    if any(result["status"] == "failed" for result in results):
        return WRONG
    kept = any(line["status"] == "kept_back" for result in results for line in result["lines"])
    changes = any(result["status"] in ("created", "changed") for result in results)
    if (options.check and (changes or kept)) or (options.fail_on_kept_back and kept):
        return OTHERWISE
    return DONE


def _print_plan(file: DeclarationFile, results: list[dict[str, Any]]) -> None:
    for at, result in enumerate(results):
        ref = f" ({result['agent']['ref']})" if result["agent"] else ""
        words = "named no longer; it stays on record" if result["status"] == "left" else result["status"]
        name = result["key"].partition(":")[2]
        print(_plain(f"{MARKS[result['status']]} {name}{ref}: {words}"))
        for line in result["lines"]:
            if line["status"] != "unchanged":
                print(_plain(f"    {_told(line)}  [{file.path}:{file.line_of(_pointer(at, line))}]"))


def _pointer(at: int, line: Mapping[str, str]) -> str:
    return f"agents/{at}/{line['pointer']}" if line["pointer"] else f"agents/{at}"


def _told(line: Mapping[str, str]) -> str:
    mark = MARKS.get(line["status"], "?")
    if line["status"] == "left":
        return f"{mark} {line['label']}: named no longer; it stays"
    if line["status"] == "kept_back":
        value = f" stays {line['before'] or 'as it is'}" if line["before"] or line["after"] else ""
        return f"{mark} {line['label']}{value}: kept back. {line['why']}"
    change = f"{line['before']} -> {line['after']}" if line["before"] else line["after"]
    return f"{mark} {line['label']}: {change}" if change else f"{mark} {line['label']}"


def _print_total(file: DeclarationFile, answer: Mapping[str, Any]) -> None:
    counts = Counter(result["status"] for result in answer["results"])
    kept = sum(line["status"] == "kept_back" for result in answer["results"] for line in result["lines"])
    told = ", ".join(
        f"{count} {status.replace('left', 'named no longer')}" for status, count in counts.items()
    )
    done = "applied" if answer["applied"] else "nothing was written"
    print(f"{file.path}: {told}{f', {kept} kept back' if kept else ''}; {done}", file=sys.stderr)


def _print_faults(path: Path, faults: list[Fault]) -> None:
    for fault in faults:
        print(
            _plain(f"{path}:{fault.line}: {f'{fault.field}: ' if fault.field else ''}{fault.message}"),
            file=sys.stderr,
        )


def _plain(text: str) -> str:
    """Without control characters, so that nothing in a file can steer the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _fail(code: int, words: str) -> int:
    print(words, file=sys.stderr)
    return code
