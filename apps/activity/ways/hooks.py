"""What Claude Code and Codex hand to a hook on its stdin, posted as it is: every event a row, tool events calls.

`chancery hook` posts it with two keys of its own under `chancery`: `at`, the time, and `verdict`, the answer it got and
enforced. Codex names its shell differently to hooks than in its telemetry; the telemetry's name is kept, so that both are
one call.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from apps.activity.ingest.decode import JSON
from apps.activity.ingest.errors import Malformed
from apps.activity.ingest.normalise import Batch
from apps.activity.ingest.reading import LONGEST_NAME
from apps.activity.ingest.rows import moment
from apps.activity.ingest.way import Answer, Heard, Way
from apps.activity.ways.told import (
    Record,
    json_only,
    origin_of,
    parsed_body,
    problem,
    row_told,
    time_told,
    trace_of,
)

STATUS = {
    "PreToolUse": "unset",
    "PermissionRequest": "unset",
    "PostToolUse": "ok",
    "PostToolUseFailure": "error",
}
AGENT_ID = "chancery.agent.id"


@dataclass(frozen=True)
class Client:
    """A coding agent: the scope its rows carry, the service it is, its tools' names in telemetry."""

    scope: str
    service_name: str
    tool_names: Mapping[str, str] = field(default_factory=dict)


CLIENTS = {
    "claude-code": Client("com.anthropic.claude_code.hooks", "claude-code"),
    "codex": Client("codex.hooks", "codex", {"Bash": "exec_command"}),
}


def _read(name: str, heard: Heard) -> Answer:
    """One hook's JSON object, as a row."""
    client, told = CLIENTS[name], parsed_body(heard.body)
    if not isinstance(told, dict):
        raise Malformed("what a hook is told is a JSON object")
    event = told.get("hook_event_name")
    if not isinstance(event, str) or not event:
        raise Malformed("hook_event_name is missing")
    origin = origin_of(
        heard.source_id, client.scope, heard.headers.get("x-chancery-service") or client.service_name
    )
    row = row_told(_record(event, told, heard), origin)
    row = row._replace(tool_name=client.tool_names.get(row.tool_name, row.tool_name))
    # An answer to a hook of type http is read as its decision: {} decides nothing.
    return Answer(JSON, b"{}", batch=Batch([row], {origin.resource_id: origin.resource}))


def _record(event: str, told: dict[str, Any], heard: Heard) -> Record:
    own = told.get("chancery") if isinstance(told.get("chancery"), dict) else {}
    verdict = own.get("verdict") if isinstance(own, dict) and isinstance(own.get("verdict"), dict) else {}
    is_denied = isinstance(verdict, dict) and verdict.get("outcome") == "deny"
    at = time_told(own.get("at") if isinstance(own, dict) else None) or moment(time.time_ns())
    declared = heard.headers.get("x-chancery-agent-id", "")[:LONGEST_NAME]
    trace_id, parent = trace_of(heard.headers.get("traceparent"))
    attributes = told | ({AGENT_ID: declared} if declared else {})
    is_over = STATUS.get(event) in ("ok", "error") or is_denied
    return Record(
        key=orjson.dumps(told, option=orjson.OPT_SORT_KEYS),
        at=at,
        signal="hook",
        name=event,
        kind="tool" if event in STATUS and isinstance(told.get("tool_name"), str) else "other",
        status="denied" if is_denied else STATUS.get(event, "unset"),
        attributes=attributes,
        trace_id=trace_id,
        parent_span_id=parent,
        ended_at=at if is_over else None,
    )


WAYS = {f"/v1/hooks/{name}": Way(json_only, partial(_read, name), problem) for name in CLIENTS}
