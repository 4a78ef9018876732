"""The command `chancery hook CLIENT`, for hooks of Claude Code and Codex.

Reads the hook's JSON on stdin. Before a tool call it asks Chancery; on a refusal it prints the documented JSON and exits 2, which
both clients obey. Every event is reported. Whatever goes wrong, the call goes on (default) or is refused (--fail-closed):
both clients run the tool when a hook fails in any other way, so nothing here may fail in any other way.

Give the hook a timeout longer than --deadline (2 seconds): a hook that is timed out lets the tool run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from chancery_sdk.hook.post import NotAnswered, Server, post

GOES_ON, REFUSED = 0, 2
BEFORE: Final = "PreToolUse"
ALLOWING: Final = frozenset({"allow", "notify"})
UNREADABLE = (400, 413, 422)
TOOL_NAMES: Final = {"codex": {"Bash": "exec_command"}}  # as its telemetry calls them
CLIENTS: Final = ("claude-code", "codex")
LONGEST_INPUT: Final = 8 * 1024 * 1024


@dataclass(frozen=True)
class Options:
    """`deadline_s` for everything together; `agent_id` as in AGT-0001, '' when the key belongs to the agent."""

    client: str
    url: str
    key: str
    agent_id: str
    deadline_s: float
    fail_closed: bool
    ask: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code, and never raises."""
    options = _options(arguments)
    code: list[int] = []
    watched = threading.Thread(target=lambda: code.append(_guarded(options)), daemon=True)
    watched.start()
    watched.join(options.deadline_s)
    if code:
        return code[0]
    return _give_up(options, f"no answer within {options.deadline_s:g} seconds")


def leave(code: int) -> None:
    """End at once: a thread that still waits for the network must not keep the client waiting."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _guarded(options: Options) -> int:
    try:
        return _work(options)
    except BaseException as error:  # noqa: BLE001  # any other end lets the tool run
        return _give_up(options, str(error) or type(error).__name__)


def _work(options: Options) -> int:
    told = json.loads(sys.stdin.buffer.read(LONGEST_INPUT))
    event = told.get("hook_event_name", "")
    told["chancery"] = {"at": datetime.now(UTC).isoformat()}
    _state.is_before = event == BEFORE and options.ask
    if not _state.is_before:
        _report(options, told)
        return GOES_ON
    verdict = _decide(options, told)
    refused = verdict.get("outcome") not in ALLOWING
    if refused:
        told["chancery"]["verdict"] = {"outcome": "deny"} | {
            name: verdict.get(name) for name in ("reason", "code", "id")
        }
        _refuse(_words(verdict))
    _report(options, told)
    return REFUSED if refused else GOES_ON


def _words(verdict: dict[str, Any]) -> str:
    """The reason, and what the agent may do."""
    reason = str(verdict.get("reason") or verdict.get("code") or "no reason was given")
    return " ".join([reason, *(str(step.get("words", "")) for step in verdict.get("next") or ())])


class _State:
    """What the thread that waits has to know of the one that works."""

    is_before: bool | None = None  # a refusal makes sense; None: not known yet
    is_refused = False  # said already


_state = _State()


def _decide(options: Options, told: dict[str, Any]) -> dict[str, Any]:
    tool = str(told.get("tool_name", ""))
    question = {
        "tool": TOOL_NAMES.get(options.client, {}).get(tool, tool),
        "call_id": str(told.get("tool_use_id", ""))[:255],
        "conversation_id": str(told.get("session_id", ""))[:255],
        "arguments": _arguments(told.get("tool_input")),
    }
    if options.agent_id:
        question["agent"] = options.agent_id
    server = Server(options.url, options.key, options.deadline_s)
    try:
        return post(server, "/api/v1/decisions", question)
    except NotAnswered as error:
        if error.status == HTTPStatus.NOT_FOUND:  # a mistyped id is no agent that may do anything
            reason = (
                f"Chancery knows no agent {options.agent_id or 'of this key'} that this key may ask about"
            )
            return {"outcome": "deny", "reason": reason, "code": "sdk.unknown_agent"}
        if error.status in UNREADABLE:  # nobody can judge it: an agent must not get past by what it sends
            return {
                "outcome": "deny",
                "reason": f"The call cannot be judged: {error}",
                "code": "sdk.unreadable",
            }
        if not options.fail_closed:
            print(f"chancery: not asked, the call goes on: {error}", file=sys.stderr)
            return {"outcome": "allow"}
        return {"outcome": "deny", "reason": f"Chancery could not be asked: {error}", "code": "sdk.not_asked"}


def _arguments(told: Any) -> dict[str, Any]:
    if told is None:
        return {}
    return told if isinstance(told, dict) else {"value": told}


def _report(options: Options, told: dict[str, Any]) -> None:
    """Tell it; that it could not be told changes nothing."""
    server = Server(options.url, options.key, options.deadline_s, options.agent_id)
    try:
        post(server, f"/v1/hooks/{options.client}", told)
    except NotAnswered as error:
        print(f"chancery: not reported: {error}", file=sys.stderr)


def _refuse(reason: str) -> None:
    _state.is_refused = True
    output = {
        "hookEventName": BEFORE, "permissionDecision": "deny", "permissionDecisionReason": f"Refused by Chancery: {reason}",
    }  # fmt: skip
    print(json.dumps({"hookSpecificOutput": output}), flush=True)
    print(f"Refused by Chancery: {reason}", file=sys.stderr, flush=True)


def _give_up(options: Options, why: str) -> int:
    """As the flag says; what was refused already stays refused. An input that cannot be read may be a tool call."""
    if _state.is_refused:
        return REFUSED
    if options.fail_closed and options.ask and _state.is_before is not False:
        _refuse(f"Chancery could not be asked: {why}")
        return REFUSED
    print(f"chancery: the call goes on: {why}", file=sys.stderr)
    return GOES_ON


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(
        prog="chancery hook", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("--url", default=os.environ.get("CHANCERY_URL", "http://localhost:8000"))
    parser.add_argument("--key-env", default="CHANCERY_KEY", metavar="NAME", help="variable with the API key")
    parser.add_argument(
        "--agent", default=os.environ.get("CHANCERY_AGENT_ID", ""), help="id, AGT-0001 or slug"
    )
    parser.add_argument("--deadline", type=float, default=2.0, metavar="SECONDS", help="for everything")
    parser.add_argument("--fail-closed", action="store_true", help="refuse when nobody could be asked")
    parser.add_argument("--report-only", action="store_true", help="do not ask, only report")
    told = parser.parse_args(arguments)
    key = os.environ.get(told.key_env, "")
    return Options(
        told.client, told.url, key, told.agent, told.deadline, told.fail_closed, not told.report_only
    )
