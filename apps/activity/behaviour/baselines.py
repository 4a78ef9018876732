"""Finding the rolling baselines that a batch of calls goes to, locked. Steps of the job's transaction."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from apps.activity.behaviour.profile import Profile
from apps.activity.models import Baseline, ToolCall
from apps.agents.models import Agent, AgentVersion

Made = tuple[UUID, UUID | None]  # an agent with the version it was, None where none is known
Stored = Mapping[tuple[UUID, UUID | None, str], UUID]


def rolling_of(calls: Sequence[ToolCall]) -> dict[UUID, Baseline]:
    """The rolling baseline of each call: its agent's in the version that was in force when the call began. Locked.

    A new version begins with what the last one did, at half weight, so that a release does not blind the
    detectors for thirty calls. Five queries for any number of calls and agents.
    """
    agents = Agent.objects.in_bulk({call.known_agent_id for call in calls})
    of_call = _versions_of([call for call in calls if call.agent_id in agents])
    wanted = set(of_call.values())
    stored = _stored(agents)
    newest = {agent_id: pk for (agent_id, *_), pk in stored.items()}
    own = {made: stored.get((*made, agents[made[0]].environment)) for made in wanted}
    needed = [pk or newest.get(made[0]) for made, pk in own.items()]
    held = _locked([pk for pk in needed if pk is not None])
    found = {made: held[pk] for made, pk in own.items() if pk is not None}
    missing = sorted(wanted - found.keys(), key=str)
    made_now = [_begun(agents[m[0]], m[1], held.get(newest.get(m[0], m[0]))) for m in missing]
    found |= dict(zip(missing, Baseline.objects.bulk_create(made_now), strict=True))
    return {pk: found[made] for pk, made in of_call.items()}


def _stored(agents: Iterable[UUID]) -> Stored:
    """The ids of these agents' rolling baselines, the newest last. What is in them is read of those that are needed."""
    rows = Baseline.objects.filter(agent__in=list(agents), kind=Baseline.Kind.ROLLING).order_by("updated_at")
    return {
        (agent, version, environment): pk
        for agent, version, environment, pk in rows.values_list("agent", "version", "environment", "pk")
    }


def _locked(ids: Collection[UUID]) -> dict[UUID, Baseline]:
    """In the order of their ids: whoever answers alerts locks them one at a time."""
    rows = Baseline.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    return {row.pk: row for row in rows}


def _begun(agent: Agent, version_id: UUID | None, before: Baseline | None) -> Baseline:
    profile = _inherited(before) if before is not None else Profile()
    return Baseline(
        agent=agent,
        version_id=version_id,
        environment=agent.environment,
        profile=profile.as_json(),
        calls=profile.learnt,
        began_with_id=before.version_id if before is not None else None,
    )


def _inherited(before: Baseline) -> Profile:
    profile = Profile.from_json(before.profile)
    profile.fade()
    profile.last_at = ""  # its own calls may be older than the newest of that one
    return profile


def _versions_of(calls: Sequence[ToolCall]) -> dict[UUID, Made]:
    """What each call's agent was when it began: the version last seen before, also one that came back."""
    seen: dict[UUID, list[tuple[datetime, int, UUID]]] = defaultdict(list)
    rows = AgentVersion.objects.filter(agent__in={call.agent_id for call in calls})
    for agent_id, number, pk, *times in rows.values_list(
        "agent_id", "number", "pk", "first_seen", "last_seen"
    ):
        seen[agent_id] += [(at, number, pk) for at in times]
    for of_agent in seen.values():
        of_agent.sort()
    return {call.pk: (call.known_agent_id, _in_force(seen[call.known_agent_id], call)) for call in calls}


def _in_force(seen: Sequence[tuple[datetime, int, UUID]], call: ToolCall) -> UUID | None:
    at = bisect_right([moment for moment, *_ in seen], call.started_at) - 1
    return seen[at][2] if at >= 0 else None
