"""The content policy again, now that the agent is known: of calls before they are written, of spans that are stored.

At the door a span is judged by what it says itself; whose it is may only be told by an ancestor that came later, and
an agent nobody knew has no tier. While everything is recorded this is one query a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import connection

from apps.activity.models import ToolCall
from apps.activity.pipeline.relatives import AROUND
from apps.activity.pipeline.trace import SpanView
from apps.activity.pipeline.work import Work
from apps.activity.recording.applying import MARK, attributes_under, treatment
from apps.activity.recording.current import current_policy
from apps.activity.recording.policy import FULL, Policy, Subject, strictest
from apps.activity.retention.horizon import content_since
from apps.agents.models import Agent, Tool
from apps.identity.models import Principal
from apps.kit.ids import first_id_at

MOST_SPANS = 20_000
TRACES = f"""
SELECT id, source_id, trace_id, conversation_id, dialect, attributes FROM activity_span
WHERE trace_id = ANY(%s) AND trace_id <> '' AND id >= %s AND id < %s LIMIT {MOST_SPANS}
"""  # noqa: S608
BATCH = """
SELECT id, source_id, trace_id, conversation_id, dialect, attributes FROM activity_span WHERE id = ANY(%s)
"""
REWRITE = """
UPDATE activity_span s SET attributes = n.attributes::jsonb FROM unnest(%s::uuid[], %s::text[]) AS n (id, attributes)
WHERE s.id = n.id
"""
Place = tuple[UUID, bytes | str]


@dataclass(frozen=True)
class Known:
    """What decides of the calls of one step."""

    policy: Policy
    agents: Mapping[UUID, Agent]
    classes: Mapping[str, frozenset[str]]
    teams: Mapping[UUID, str]

    def mode(self, agent_id: UUID, source_id: UUID, tool: str = "") -> str:
        agent = self.agents.get(agent_id)
        teams = {self.teams.get(source_id, ""), str(agent.team_id or "") if agent else ""} - {""}
        tier = agent.tier if agent else None
        return self.policy.mode_for(Subject(frozenset(teams), tier, self.classes.get(tool, frozenset())))


def keep_to_policy(work: Work, spans: Sequence[SpanView]) -> None:
    """Leave in calls and in the spans around them what may be recorded of their agents, and is not too old for it."""
    forgotten = first_id_at(content_since())
    for pk, call in work.all().items():
        if pk < forgotten:
            call.arguments, call.result, call.error_message = None, None, ""
    policy = current_policy()
    if policy.is_full:
        return
    calls = [call for call in work.all().values() if call.agent_id is not None]
    known = _known(policy, calls, work.answered)
    places: dict[Place, str] = {}
    for call in calls:
        mode = known.mode(call.known_agent_id, call.source_id, call.tool_name)
        _treat(call, mode)
        _note(places, call.source_id, bytes(call.trace_id), call.conversation_id, mode)
        for report in work.reported.get(call.pk, ()):  # it may have come under another credential
            _note(places, report.source_id, report.trace_id, report.conversation_id, mode)
    for span, agent_id in work.answered:
        mode = known.mode(agent_id, span.source_id)
        _note(places, span.source_id, span.trace_id, span.conversation_id, mode)
    if places:
        _rewrite(places, spans, calls)


def _known(policy: Policy, calls: Sequence[ToolCall], answered: Sequence[tuple[SpanView, UUID]]) -> Known:
    """Three queries."""
    agents = Agent.objects.in_bulk({call.known_agent_id for call in calls} | {one for _, one in answered})
    classes: dict[str, frozenset[str]] = {}
    tools = Tool.objects.filter(name__in={call.tool_name for call in calls})
    for name, some in tools.values_list("name", "data_classes"):
        classes[name] = classes.get(name, frozenset()) | frozenset(some)
    sources = {call.source_id for call in calls} | {span.source_id for span, _ in answered}
    teams = Principal.objects.filter(pk__in=sources).exclude(team=None).values_list("pk", "team_id")
    return Known(policy, agents, classes, {source: str(team) for source, team in teams})


def _treat(call: ToolCall, mode: str) -> None:
    if mode == FULL:
        return
    treat = treatment(mode, settings.CONTENT_KEY)
    call.arguments = treat(call.arguments) if call.arguments is not None else None
    call.result = treat(call.result) if call.result is not None else None
    call.error_message = str(treat(call.error_message) or "") if call.error_message else ""


def _note(
    places: dict[Place, str], source_id: UUID, trace_id: bytes, conversation_id: str, mode: str
) -> None:
    for place in (trace_id, conversation_id):
        if mode != FULL and place:
            places[source_id, place] = strictest({mode, places.get((source_id, place), FULL)})


def _rewrite(places: Mapping[Place, str], spans: Sequence[SpanView], calls: Sequence[ToolCall]) -> None:
    traces = [place for _, place in places if isinstance(place, bytes)]
    times = [span.started_at for span in spans] + [call.started_at for call in calls]
    with connection.cursor() as cursor:
        cursor.execute(BATCH, [[span.id for span in spans]])
        rows = cursor.fetchall()
        cursor.execute(TRACES, [traces, first_id_at(min(times) - AROUND), first_id_at(max(times) + AROUND)])
        rows += cursor.fetchall()
        written = dict(_rewritten(places, rows))
        cursor.execute(REWRITE, [list(written), list(written.values())])


def _rewritten(places: Mapping[Place, str], rows: Iterable[tuple[Any, ...]]) -> Iterable[tuple[UUID, str]]:
    for pk, source_id, trace_id, conversation_id, dialect, told in rows:
        attributes = orjson.loads(told) if isinstance(told, (str, bytes)) else told
        here = [(source_id, bytes(trace_id)), (source_id, conversation_id)]
        mode = strictest([places.get(place, FULL) for place in here])
        if mode == FULL:
            continue
        found = attributes_under(mode, attributes, str(dialect), settings.CONTENT_KEY)
        if found.get(MARK) != attributes.get(MARK):
            yield pk, orjson.dumps(found).decode()
