"""What the record shows of agents, read for many at once: a number of queries that does not depend on how many.

Down the graph three hops, up four; what lies farther says little of an agent, and the walk stays bounded. Each
statement reads at most MOST_ROWS rows: for a hub that much stands on, a count beyond it changes no level.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from django.db import connection

from apps.agents.models import Agent, DataSource, NodeKind, System, Tool, ToolGrant
from apps.agents.risk import Sign
from apps.agents.risk.facts import DECLARED, GRANTED, HOWS, OBSERVED, REACHED

HOPS_DOWN, HOPS_UP = 3, 4
MOST_ROWS = 200_000
MOST_ALIKE = 8
DOWN = """
WITH RECURSIVE reach (agent, kind, id, hop, relation, origin) AS (
  SELECT source_id, target_kind, target_id, 1, relation, origin FROM agents_dependency WHERE source_id = ANY(%s)
  UNION
  SELECT r.agent, d.target_kind, d.target_id, r.hop + 1, d.relation, d.origin
  FROM reach r JOIN agents_dependency d ON d.source_id = r.id WHERE r.hop < %s AND d.target_id <> r.agent
) SELECT agent, kind, id, hop, relation, origin FROM reach LIMIT %s
"""
UP = """
WITH RECURSIVE needs (agent, kind, id, hop) AS (
  SELECT target_id, source_kind, source_id, 1 FROM agents_dependency WHERE target_id = ANY(%s)
  UNION
  SELECT n.agent, d.source_kind, d.source_id, n.hop + 1
  FROM needs n JOIN agents_dependency d ON d.target_id = n.id WHERE n.hop < %s AND d.source_id <> n.agent
) SELECT DISTINCT agent, kind, id FROM (SELECT * FROM needs LIMIT %s) found
"""
Key = tuple[str, UUID]
Row = tuple[Any, ...]


def signs_of(agents: Iterable[Agent]) -> dict[UUID, list[Sign]]:
    """The signs of each of these agents, by its id; eight queries."""
    ids = [agent.pk for agent in agents]
    grants = list(ToolGrant.objects.active().filter(agent__in=ids).prefetch_related("tool__operations"))
    down = _rows(DOWN, ids, HOPS_DOWN)
    up = _rows(UP, ids, HOPS_UP)
    things = _things({(row[1], row[2]) for row in (*down, *up)})
    found: dict[UUID, list[Sign]] = {pk: [] for pk in ids}
    for grant in grants:
        found[grant.agent_id] += _granted(grant)
    for agent_id, sign in (*_reached(down, things), *_needing(up, things)):
        found[agent_id].append(sign)
    known = {(grant.agent_id, grant.tool_id) for grant in grants if _effects(grant)}
    for agent_id, count in _unstated(grants, down, things, known).items():
        found[agent_id].append(Sign("unstated", count))
    return {pk: _bounded(signs) for pk, signs in found.items()}


def _rows(statement: str, ids: Sequence[UUID], hops: int) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(ids), hops, MOST_ROWS])
        return list(cursor.fetchall())


def _things(keys: set[Key]) -> dict[Key, Any]:
    """The rows behind the nodes that a sign may come from; one query for each kind."""
    models: dict[str, Any] = {
        NodeKind.TOOL.value: Tool.objects, NodeKind.DATA_SOURCE.value: DataSource.objects, NodeKind.SYSTEM.value: System.objects,
        NodeKind.AGENT.value: Agent.objects.on_record().only("pk", "name", "data_sensitivity", "decision_authority"),
    }  # fmt: skip
    return {
        (kind, row.pk): row
        for kind, rows in models.items()
        for row in rows.filter(pk__in=[pk for at, pk in keys if at == kind])
    }


def _granted(grant: ToolGrant) -> Iterator[Sign]:
    """Of the tool, and of the operations it names."""
    named: list[Any] = [one for one in grant.tool.operations.all() if one.name in grant.operations]
    classes = {name for one in (*named, grant.tool) for name in one.data_classes}
    for value in sorted(classes):
        yield _sign("data_class", value, GRANTED, NodeKind.TOOL, grant.tool)
    for value in sorted(_effects(grant)):
        yield _sign("side_effect", value, GRANTED, NodeKind.TOOL, grant.tool)


def _effects(grant: ToolGrant) -> set[str]:
    """Where it names operations that state their side effect, theirs; otherwise that of the tool and of all of them."""
    operations = list(grant.tool.operations.all())
    named = {one.side_effect for one in operations if one.name in grant.operations and one.side_effect}
    every = {grant.tool.side_effect, *(one.side_effect for one in operations if not grant.operations)}
    return named or every - {""}


def _reached(rows: Iterable[Row], things: dict[Key, Any]) -> Iterator[tuple[UUID, Sign]]:
    for agent_id, kind, pk, hop, relation, origin in rows:
        thing = things.get((kind, pk))
        if thing is not None:
            how = REACHED if hop > 1 else OBSERVED if origin == "observed" else DECLARED
            for sign in _of_thing(kind, thing, how, relation):
                yield agent_id, sign


def _of_thing(kind: str, thing: Any, how: str, relation: str) -> Iterator[Sign]:
    if kind == NodeKind.AGENT:
        if how != REACHED:
            yield from _of_delegate(thing)
        return
    for value in getattr(thing, "data_classes", None) or filter(None, [getattr(thing, "data_class", "")]):
        yield _sign("data_class", value, how, kind, thing)
    if getattr(thing, "side_effect", ""):
        yield _sign("side_effect", thing.side_effect, how, kind, thing)
    if kind == NodeKind.SYSTEM and thing.criticality and relation == "writes":
        yield _sign("writes_system", thing.criticality, how, kind, thing)


def _of_delegate(agent: Agent) -> Iterator[Sign]:
    if agent.data_sensitivity:
        yield _sign("delegate_data", agent.data_sensitivity, "", NodeKind.AGENT, agent)
    if agent.decision_authority:
        yield _sign("delegate_authority", agent.decision_authority, "", NodeKind.AGENT, agent)


def _needing(rows: Iterable[Row], things: dict[Key, Any]) -> Iterator[tuple[UUID, Sign]]:
    counts: dict[UUID, int] = {}
    for agent_id, kind, pk in rows:
        if kind == NodeKind.AGENT and (kind, pk) in things:
            counts[agent_id] = counts.get(agent_id, 0) + 1
        thing = things.get((kind, pk))
        if kind == NodeKind.SYSTEM and thing is not None and thing.criticality:
            yield agent_id, _sign("needed_by_system", thing.criticality, "", kind, thing)
    for agent_id, count in counts.items():
        yield agent_id, Sign("needed_by", count)


def _unstated(
    grants: Iterable[ToolGrant], down: Iterable[Row], things: dict[Key, Any], known: set[tuple[UUID, UUID]]
) -> dict[UUID, int]:
    """How many tools of each agent say nothing of what they leave behind."""
    used = {(row[0], row[2]) for row in down if row[1] == NodeKind.TOOL and row[3] == 1}
    silent = {
        (agent_id, pk)
        for agent_id, pk in {*used, *((grant.agent_id, grant.tool_id) for grant in grants)} - known
        if (tool := things.get((NodeKind.TOOL.value, pk))) is None or not tool.side_effect
    }
    counts: dict[UUID, int] = {}
    for agent_id, _ in silent:
        counts[agent_id] = counts.get(agent_id, 0) + 1
    return counts


def _sign(what: str, value: str | int, how: str, kind: str, thing: Any) -> Sign:
    return Sign(what, value, how, NodeKind(kind).value, str(thing.pk), str(thing))


def _bounded(signs: Iterable[Sign]) -> list[Sign]:
    """One sign for each thing and value, by the strongest way it is known; of alike ones the first MOST_ALIKE."""
    strongest: dict[tuple[str, str | int, str], Sign] = {}
    for sign in signs:
        key = (sign.what, sign.value, sign.id)
        known = strongest.get(key)
        if known is None or (sign.how and HOWS.index(sign.how) < HOWS.index(known.how)):
            strongest[key] = sign
    kept: dict[tuple[str, str | int], list[Sign]] = {}
    for sign in sorted(strongest.values(), key=lambda one: (_rank(one), one.name, one.id)):
        kept.setdefault((sign.what, sign.value), []).append(sign)
    return [sign for alike in kept.values() for sign in alike[:MOST_ALIKE]]


def _rank(sign: Sign) -> int:
    return HOWS.index(sign.how) if sign.how else 0
