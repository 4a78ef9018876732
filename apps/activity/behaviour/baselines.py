"""Finding the rolling baselines that a batch of calls goes to, locked. Steps of the job's transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from apps.activity.behaviour.profile import Profile
from apps.activity.models import Baseline
from apps.agents.models import Agent, AgentVersion


def rolling_of(agent_ids: Collection[UUID]) -> dict[UUID, Baseline]:
    """The rolling baseline of each agent as it is now, locked in the order of their ids.

    A new version begins with what the last one did, at half weight, so that a release does not blind the
    detectors for thirty calls.
    """
    versions = _current_versions(agent_ids)
    agents = Agent.objects.filter(pk__in=agent_ids).in_bulk()
    found = {}
    for pk in sorted(agents):
        found[pk] = _locked(agents[pk], versions.get(pk))
    return found


def _locked(agent: Agent, version: AgentVersion | None) -> Baseline:
    rolling = Baseline.objects.filter(agent=agent, kind=Baseline.Kind.ROLLING).select_for_update()
    own = rolling.filter(version=version, environment=agent.environment).first()
    if own is not None:
        return own
    before = rolling.order_by("-updated_at").first()
    profile = _inherited(before) if before is not None else Profile()
    return Baseline.objects.create(
        agent=agent,
        version=version,
        environment=agent.environment,
        profile=profile.as_json(),
        calls=profile.learnt,
        began_with_id=before.version_id if before is not None else None,
    )


def _inherited(before: Baseline) -> Profile:
    profile = Profile.from_json(before.profile)
    profile.fade()
    return profile


def _current_versions(agent_ids: Collection[UUID]) -> Mapping[UUID, AgentVersion]:
    rows = AgentVersion.objects.filter(agent__in=agent_ids).order_by("agent_id", "-last_seen", "-number")
    return {row.agent_id: row for row in rows.distinct("agent_id")}
