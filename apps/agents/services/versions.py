"""Keeping the versions of agents, as declared or as seen."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from apps.agents.access import require_for
from apps.agents.models import Agent, AgentVersion, Origin
from apps.agents.services.registry import lock_agent
from apps.agents.signals import agent_version_began
from apps.agents.versions import Makeup, changes_between
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import InvalidInput


@transaction.atomic
def record_version(
    agent: Agent,
    makeup: Makeup,
    *,
    actor: Principal,
    origin: str = Origin.DECLARED,
    label: str = "",
    since: datetime | None = None,
) -> AgentVersion:
    """Keep what the agent is made of now. The same makeup again is the same version, seen once more.

    `since` is when a new one began where it is told later: after the version before it, and not to come.
    """
    agent = lock_agent(agent, off_record_too=True)  # numbers are given one at a time
    require_for(actor, Permission.AGENTS_CURATE, agent)
    if makeup == Makeup(commit=makeup.commit):
        raise InvalidInput("No version was kept.", fields={"model": "Say what the agent is made of"})
    now = timezone.now()
    known = AgentVersion.objects.filter(agent=agent, fingerprint=makeup.fingerprint).first()
    if known:
        known.last_seen, known.label = now, label or known.label
        known.save(update_fields=["last_seen", "label"])
        return known
    latest = AgentVersion.objects.filter(agent=agent).first()
    began = _began(since, latest, now)
    said = changes_between(makeup_of(latest), makeup) if latest else []
    version = AgentVersion.objects.create(
        agent=agent, number=(latest.number if latest else 0) + 1, label=label, fingerprint=makeup.fingerprint,
        prompt_hash=makeup.prompt_hash, model=makeup.model, model_snapshot=makeup.model_snapshot, tools=dict(makeup.tools),
        framework_version=makeup.framework_version, configuration_hash=makeup.configuration_hash, commit=makeup.commit,
        changes=said, origin=origin, stated_by=actor, first_seen=began, last_seen=now,
    )  # fmt: skip
    record_act(
        "agents.version.began",
        actor=actor,
        target=("agent", agent.pk),
        detail={"number": version.number, "fingerprint": version.fingerprint, "changes": said}
        | ({"since": began.isoformat()} if since else {}),
    )
    agent_version_began.send(sender=AgentVersion, version=version, changes=said)
    return version


def _began(since: datetime | None, latest: AgentVersion | None, now: datetime) -> datetime:
    if since is None:
        return now
    if since > now or (latest is not None and since <= latest.first_seen):
        words = "Say a time after the version before it began, and not one to come"
        raise InvalidInput("No version was kept.", fields={"since": words})
    return since


def makeup_of(version: AgentVersion) -> Makeup:
    return Makeup(
        version.prompt_hash,
        version.model,
        version.model_snapshot,
        version.tools,
        version.framework_version,
        version.configuration_hash,
        version.commit,
    )
