"""The content policy at the door: looked up every few seconds, applied to rows before they are written.

While everything is recorded this costs one comparison a request. Until the policy was read once nothing is taken:
what should not be stored must not be stored because the database was slow.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from apps.activity.ingest.connecting import connect
from apps.activity.ingest.errors import NotDurable
from apps.activity.ingest.normalise import BODY, Batch, resource_key
from apps.activity.ingest.rows import Row
from apps.activity.recording.applying import attributes_under, resource_under, treatment
from apps.activity.recording.policy import FULL, HASHED, NONE, Policy, Subject, policy_of

FRESH_S = 3.0
AGENTS = """
SELECT a.source_id, a.service_name, a.agent_name, g.tier, g.team_id FROM agents_agentalias a
JOIN agents_agent f ON f.id = a.agent_id JOIN agents_agent g ON g.id = coalesce(f.merged_into_id, f.id)
"""
TOOLS = "SELECT name, data_classes FROM agents_tool WHERE data_classes <> '{}'"
SOURCES = """
SELECT p.id, coalesce(p.team_id, g.team_id), g.tier FROM identity_principal p
LEFT JOIN agents_agent g ON g.principal_id = p.id WHERE coalesce(p.team_id, g.team_id) IS NOT NULL OR g.tier IS NOT NULL
"""
NEWEST = 'SELECT number, "default", rules FROM activity_contentpolicy ORDER BY number DESC LIMIT 1'


@dataclass(frozen=True)
class Facts:
    """What decides beside the policy, read only while it is not 'everything': nothing of it is read in vain."""

    agents: dict[tuple[UUID, str, str], tuple[int | None, str]] = field(default_factory=dict)
    classes: dict[str, frozenset[str]] = field(default_factory=dict)
    sources: dict[UUID, tuple[str, int | None]] = field(default_factory=dict)

    def subject(self, row: Row) -> Subject:
        """What is known of a row by itself: the pipeline knows more, and is as strict again."""
        team, own_tier = self.sources.get(row.source_id, ("", None))
        tier, agents_team = self.agents.get((row.source_id, row.service_name, row.agent_name), (own_tier, ""))
        teams = frozenset({team, agents_team} - {""})
        return Subject(teams, tier, self.classes.get(row.tool_name, frozenset()))


class Recorder:
    """Applies the policy that held at most a few seconds ago."""

    def __init__(self, dsn: str, key: bytes, timeout_s: float) -> None:
        self._dsn, self._key, self._timeout_s = dsn, key, timeout_s
        self._held: tuple[Policy, Facts] | None = None  # always of one reading
        self._read_at = 0.0
        self._lock = asyncio.Lock()

    async def refresh(self) -> None:
        """Read the policy anew when it is old; NotDurable when it was never read and cannot be."""
        if self._held is not None and time.monotonic() - self._read_at < FRESH_S:
            return
        async with self._lock:
            if self._held is not None and time.monotonic() - self._read_at < FRESH_S:
                return
            try:
                async with asyncio.timeout(self._timeout_s):
                    self._held = await self._read()
            except (psycopg.Error, OSError) as error:
                if self._held is None:
                    raise NotDurable("the database does not answer", retry_after_s=2) from error
            self._read_at = time.monotonic()

    @property
    def leaves_all(self) -> bool:
        """Whether `apply` changes nothing, and costs nothing."""
        return self._held is None or self._held[0].is_full

    def apply(self, batch: Batch) -> None:
        """Leave in the rows, and in the resources they refer to, what may be recorded of them."""
        if self._held is None or self._held[0].is_full:
            return
        policy, facts = self._held
        resources: dict[tuple[UUID | None, str], UUID | None] = {}
        told, batch.resources = batch.resources, {}
        for at, row in enumerate(batch.rows):
            mode = policy.mode_for(facts.subject(row))
            of = (row.resource_id, mode)
            if of not in resources:
                resources[of] = _keep_resource(mode, told, row.resource_id, batch, self._key)
            if mode != FULL:
                batch.rows[at] = row_under(mode, row, self._key)._replace(resource_id=resources[of])

    async def _read(self) -> tuple[Policy, Facts]:
        connection = await connect(self._dsn, self._timeout_s)
        try:
            found = await (await connection.execute(NEWEST)).fetchone()
            policy = policy_of(*found) if found else Policy()
            if policy.is_full:
                return policy, Facts()
            return policy, _facts(*[await _all(connection, query) for query in (AGENTS, TOOLS, SOURCES)])
        finally:
            await connection.close()


def row_under(mode: str, row: Row, key: bytes) -> Row:
    """The row with what may be recorded of it; a log record may be named by its body, which is content."""
    attributes = attributes_under(mode, row.attributes, row.dialect, key)
    if row.signal == "log" and row.name and row.name == str(row.attributes.get(BODY, ""))[: len(row.name)]:
        named = treatment(mode, key)(row.name) if mode not in (HASHED, NONE) else "log record"
        return row._replace(attributes=attributes, name=named)
    return row._replace(attributes=attributes)


def _keep_resource(
    mode: str, told: dict[UUID, dict[str, Any]], resource_id: UUID | None, batch: Batch, key: bytes
) -> UUID | None:
    """Put what may be recorded of a resource into the batch; returns its id, which is made of its content."""
    if resource_id is None or resource_id not in told:
        return resource_id
    kept = told[resource_id] if mode == FULL else resource_under(mode, told[resource_id], key)
    kept_id = resource_id if mode == FULL else resource_key(kept)
    batch.resources[kept_id] = kept
    return kept_id


async def _all(connection: psycopg.AsyncConnection[Any], query: str) -> list[Any]:
    return await (await connection.execute(query)).fetchall()


def _facts(agents: Sequence[Any], tools: Sequence[Any], sources: Sequence[Any]) -> Facts:
    classes: dict[str, frozenset[str]] = {}
    for name, some in tools:  # of the same name on several servers: all of their classes
        classes[name] = classes.get(name, frozenset()) | frozenset(some)
    return Facts(
        {(source, service, agent): (tier, _words(team)) for source, service, agent, tier, team in agents},
        classes,
        {source: (_words(team), tier) for source, team, tier in sources},
    )


def _words(key: UUID | None) -> str:
    return str(key) if key is not None else ""
