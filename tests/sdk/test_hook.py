"""`chancery hook` as Claude Code and Codex run it: JSON on stdin, exit code and stdout back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.small_server import Chancery, serving

SOURCE = Path(__file__).resolve().parents[2] / "sdk" / "src"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def chancery() -> Iterator[Chancery]:
    with serving() as server:
        yield server


def hook(url: str, told: Any, *flags: str, client: str = "claude-code") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": str(SOURCE), "CHANCERY_URL": url, "CHANCERY_KEY": "key", "CHANCERY_AGENT_ID": "AGT-0001",
    }  # fmt: skip
    command = [sys.executable, "-m", "chancery_sdk.entry", "hook", client, *flags]
    words = told if isinstance(told, str) else json.dumps(told)
    return subprocess.run(command, input=words, env=environment, capture_output=True, text=True, check=False)


def before(tool: str) -> dict[str, Any]:
    return {
        "hook_event_name": "PreToolUse", "session_id": "s-1", "tool_name": tool, "tool_use_id": "toolu_1",
        "tool_input": {},
    }  # fmt: skip


def reason_of(done: subprocess.CompletedProcess[str]) -> str:
    told = json.loads(done.stdout)["hookSpecificOutput"]
    assert (told["hookEventName"], told["permissionDecision"]) == ("PreToolUse", "deny")
    return str(told["permissionDecisionReason"])


def test_a_call_that_is_allowed_goes_on_and_is_reported(chancery: Chancery) -> None:
    done = hook(chancery.url, before("lookup_order"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert chancery.questions == [
        {
            "tool": "lookup_order",
            "call_id": "toolu_1",
            "conversation_id": "s-1",
            "arguments": {},
            "agent": "AGT-0001",
        }
    ]
    assert "verdict" not in chancery.hooks[0]["chancery"]


def test_a_refusal_blocks_the_call_and_is_reported(chancery: Chancery) -> None:
    done = hook(chancery.url, before("refund_order"))
    assert done.returncode == 2
    assert reason_of(done) == "Refused by Chancery: Not on the list."
    assert chancery.hooks[0]["chancery"]["verdict"]["outcome"] == "deny"


def test_codexs_shell_is_asked_for_by_its_name_in_telemetry(chancery: Chancery) -> None:
    hook(chancery.url, before("Bash"), client="codex")
    assert chancery.questions[0]["tool"] == "exec_command"


def test_a_refusal_stands_when_it_cannot_be_reported(chancery: Chancery) -> None:
    chancery.statuses = [200, 500]
    assert hook(chancery.url, before("refund_order")).returncode == 2


@pytest.mark.parametrize(("flags", "code"), [((), 0), (("--fail-closed",), 2)])
def test_when_chancery_is_away_the_flag_decides(flags: tuple[str, ...], code: int) -> None:
    done = hook(NOWHERE, before("lookup_order"), *flags)
    assert done.returncode == code
    assert "could not be" in (reason_of(done) if code else done.stderr)


@pytest.mark.parametrize(("flags", "code"), [((), 0), (("--fail-closed",), 2)])
def test_a_slow_answer_is_not_waited_for(flags: tuple[str, ...], code: int, chancery: Chancery) -> None:
    chancery.slow_s = 20
    began = time.monotonic()
    assert hook(chancery.url, before("refund_order"), "--deadline", "0.5", *flags).returncode == code
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("told", ["", "{", "5", "[]", '"x"', "\x00"])
def test_an_input_that_cannot_be_read_is_a_call_that_cannot_be_judged(told: str) -> None:
    assert hook(NOWHERE, told).returncode == 0
    assert hook(NOWHERE, told, "--fail-closed").returncode == 2


def test_what_is_no_call_is_never_refused() -> None:
    for event in ("PostToolUse", "Stop", "SessionStart"):
        assert hook(NOWHERE, {"hook_event_name": event}, "--fail-closed").returncode == 0
    assert hook(NOWHERE, before("x"), "--fail-closed", "--report-only").returncode == 0
