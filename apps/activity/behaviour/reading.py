"""Calls as acts: what came before each in its conversation, what was asked for, what its tool is on record for.

Bounded: a batch reads the newest thousand calls of each of its agents to find conversations, forty calls of each
conversation, a dozen spans of each trace.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import orjson
from django.db import connection
from numpy.typing import NDArray

from apps.activity.behaviour.acts import Act
from apps.activity.behaviour.distance import Situation, Vectors, signs_of
from apps.activity.behaviour.prompts import request_in
from apps.activity.behaviour.texts import result_text
from apps.activity.models import CallScore, ToolCall
from apps.agents.models import Tool
from apps.agents.toolnames import tool_named
from apps.kit.embeddings import Vector
from apps.kit.ids import first_id_at

Embed = Callable[[Sequence[str]], list[Vector]]
TraceKey = tuple[UUID, bytes]
TalkKey = tuple[UUID | None, UUID, str]
BACK = timedelta(days=1)
MOST_EARLIER = 40
EMBEDDED_AT_ONCE = 32
RECENT = """
SELECT c.id, c.agent_id, c.source_id, c.conversation_id FROM unnest(%s::uuid[]) AS wanted (agent_id)
CROSS JOIN LATERAL (
  SELECT id, agent_id, source_id, conversation_id FROM activity_toolcall t
  WHERE t.agent_id = wanted.agent_id AND t.id >= %s AND t.id <= %s ORDER BY t.id DESC LIMIT 1000
) AS c
"""
# The inner LIMIT keeps this a walk over the index by trace: sorted by id at once, it would walk the days by id.
SPANS = """
SELECT wanted.source_id, wanted.trace_id, s.started_at, s.attributes, s.kind,
  coalesce(s.input_tokens, 0) + coalesce(s.output_tokens, 0)
FROM unnest(%s::uuid[], %s::bytea[], %s::uuid[], %s::uuid[]) AS wanted (source_id, trace_id, low, high)
CROSS JOIN LATERAL (
  SELECT * FROM (
    SELECT x.id, started_at, attributes, kind, input_tokens, output_tokens FROM activity_span x
    WHERE x.trace_id = wanted.trace_id AND x.source_id = wanted.source_id AND x.id >= wanted.low
      AND x.id < wanted.high AND x.kind NOT IN ('tool', 'part') LIMIT 1000
  ) AS of_trace ORDER BY id LIMIT 12
) AS s ORDER BY s.started_at
"""


@dataclass
class Told:
    """What a trace's other spans say: the request, and when how many tokens an answer took."""

    request: str = ""
    answers: list[tuple[datetime, int]] = field(default_factory=list)

    def tokens_before(self, at: datetime) -> int | None:
        before = [tokens for answered_at, tokens in self.answers if answered_at <= at]
        return before[-1] if before else None


def fresh_calls(position: int, older_than: datetime, limit: int) -> tuple[list[ToolCall], int]:
    """Calls after this position that were first heard of before `older_than`, and the position they reach to.

    What was scored before and what nobody knows the agent of is passed over: the latter comes again, with a
    new position, when its agent is known.
    """
    rows = list(ToolCall.objects.filter(position__gt=position).order_by("position")[:limit])
    edge = first_id_at(older_than)
    ripe: list[ToolCall] = []
    for call in rows:
        if call.pk >= edge:
            break
        ripe.append(call)
    if not ripe:
        return [], position
    known = set(CallScore.objects.filter(pk__in=[call.pk for call in ripe]).values_list("call_id", flat=True))
    return [c for c in ripe if c.agent_id and c.pk not in known], ripe[-1].position


def acts_of(calls: Sequence[ToolCall], embed: Embed | None) -> dict[UUID, Act]:
    """Each call with what it rests on. Without `embed` nothing is compared with requests."""
    told, talks, classes = _told_of_traces(calls), _talks_of(calls), _data_classes(calls)
    situations = {
        call.pk: _situation(call, told, talks[_talk(call)])
        for call in calls
        if embed is not None and told.get(_trace(call), Told()).request
    }
    vectors = _vectors(situations.values(), embed) if embed is not None else {}
    return {
        call.pk: _act(call, talks[_talk(call)], told, classes, situations.get(call.pk), vectors)
        for call in calls
    }


def _act(
    call: ToolCall, talk: Sequence[ToolCall], told: Mapping[TraceKey, Told],
    classes: Mapping[str, tuple[str, ...]], situation: Situation | None, vectors: Vectors,
) -> Act:  # fmt: skip
    before = _before(call, talk)
    told_here = told.get(_trace(call), Told())
    return Act(
        tool=name_of(call),
        arguments=call.arguments,
        started_at=call.started_at,
        previous=name_of(before[-1]) if before else "",
        repeats=_repeats(call, before),
        duration_ms=call.duration_ms,
        failed=call.status == ToolCall.Status.ERROR,
        data_classes=classes.get(name_of(call), ()),
        tokens=told_here.tokens_before(call.started_at),
        signs=signs_of(situation, vectors) if situation is not None else None,
        request=told_here.request,
    )


def name_of(call: ToolCall) -> str:
    return str(tool_named(call.tool_name, call.mcp_server))


def _situation(call: ToolCall, told: Mapping[TraceKey, Told], talk: Sequence[ToolCall]) -> Situation:
    results = [result_text(one.result) for one in _before(call, talk)]
    return Situation(
        name_of(call), call.arguments, told[_trace(call)].request, [one for one in results if one]
    )


def _vectors(situations: Iterable[Situation], embed: Embed) -> Vectors:
    texts = list(dict.fromkeys(text for one in situations for text in one.texts()))
    found: dict[str, NDArray[np.float32]] = {}
    for start in range(
        0, len(texts), EMBEDDED_AT_ONCE
    ):  # in between, the questions of searchers are answered
        part = texts[start : start + EMBEDDED_AT_ONCE]
        found.update(zip(part, (np.asarray(one, dtype=np.float32) for one in embed(part)), strict=True))
    return found


def _before(call: ToolCall, talk: Sequence[ToolCall]) -> list[ToolCall]:
    """Calls of the conversation that began before this one."""
    return [one for one in talk if (one.started_at, one.pk) < (call.started_at, call.pk)][-MOST_EARLIER:]


def _repeats(call: ToolCall, before: Sequence[ToolCall]) -> int:
    count = 0
    for one in reversed(before):
        if (one.tool_name, one.mcp_server, one.arguments) != (
            call.tool_name,
            call.mcp_server,
            call.arguments,
        ):
            break
        count += 1
    return count


def _trace(call: ToolCall) -> TraceKey:
    return call.source_id, bytes(call.trace_id)


def _talk(call: ToolCall) -> TalkKey:
    return call.agent_id, call.source_id, call.conversation_id


def _talks_of(calls: Sequence[ToolCall]) -> dict[TalkKey, list[ToolCall]]:
    """The calls of the same conversations by the same agents, in order; two queries."""
    talks: dict[TalkKey, list[ToolCall]] = defaultdict(list)
    if not calls:
        return talks
    wanted = {_talk(call) for call in calls}
    low = first_id_at(min(call.started_at for call in calls) - BACK)
    with connection.cursor() as cursor:
        agents = list({call.agent_id for call in calls})
        cursor.execute(RECENT, [agents, low, max(call.pk for call in calls)])
        found = [row for row in cursor.fetchall() if row[1:] in wanted]
    here = {call.pk: call for call in calls}
    others = ToolCall.objects.in_bulk(_newest_of_talks(found, here))
    for call in sorted((here | others).values(), key=lambda one: (one.started_at, one.pk)):
        talks[_talk(call)].append(call)
    return talks


def _newest_of_talks(rows: Iterable[tuple[Any, ...]], here: Mapping[UUID, ToolCall]) -> list[UUID]:
    taken: dict[TalkKey, int] = defaultdict(int)
    kept = []
    for pk, *talk in rows:
        key: TalkKey = tuple(talk)  # type: ignore[assignment]
        taken[key] += 1
        if pk not in here and taken[key] <= 2 * MOST_EARLIER:
            kept.append(pk)
    return kept


def _told_of_traces(calls: Sequence[ToolCall]) -> dict[TraceKey, Told]:
    """What the other spans of the calls' traces tell; one query."""
    wanted = {_trace(call): call for call in calls if call.trace_id}
    if not wanted:
        return {}
    ranges = [(first_id_at(c.started_at - BACK), first_id_at(c.started_at + BACK)) for c in wanted.values()]
    arrays = [list(column) for column in zip(*wanted, strict=True)]
    told: dict[TraceKey, Told] = defaultdict(Told)
    with connection.cursor() as cursor:
        cursor.execute(SPANS, [*arrays, [low for low, _ in ranges], [high for _, high in ranges]])
        for source_id, trace_id, started_at, attributes, kind, tokens in cursor.fetchall():
            known = told[source_id, bytes(trace_id)]
            known.request = known.request or request_in(orjson.loads(attributes))
            if kind == "model" and tokens:
                known.answers.append((started_at, tokens))
    return told


def _data_classes(calls: Sequence[ToolCall]) -> dict[str, tuple[str, ...]]:
    """The classes of data each tool is on record for; one query."""
    names = {tool_named(call.tool_name, call.mcp_server) for call in calls}
    tools = Tool.objects.filter(name__in={name.tool for name in names}).exclude(data_classes=[])
    return {
        str(tool_named(tool.name, tool.server)): tuple(tool.data_classes)
        for tool in tools.only("name", "server", "data_classes")
    }
