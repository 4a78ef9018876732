"""Reading what the rules need to know, of one agent now or of many at the moments of their calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from django.db.models import Q
from django.utils import timezone

from apps.agents.models import Agent, BreakerState
from apps.identity.models import LedgerEntry
from apps.kit.ids import first_id_at
from apps.oversight.kill_switches import Switch
from apps.oversight.limits import trial_of
from apps.oversight.models import Decision, ToolPolicy
from apps.oversight.past import CERTIFICATION, Act, situation_at
from apps.oversight.rules import Situation, Trial
from apps.oversight.standing import STANDING

A_MINUTE = timedelta(minutes=1)


def situation_of(agent: Agent) -> Situation:
    """The situation in which a call is asked about; the agent's `tool_policy` is joined or absent.

    A query more while the agent is on trial, and one while a kill switch stops a model.
    """
    situation = standing_of(agent)
    if agent.breaker_state == BreakerState.ON_TRIAL:
        situation = replace(situation, trial=_trial_of(agent))
    if any(one.scope == "model" for one in situation.switches):
        situation = replace(situation, models=latest_models(agent))
    return situation


def standing_of(agent: Agent, switches: tuple[Switch, ...] | None = None) -> Situation:
    """Without trial and models; `switches` None: those that stand."""
    policy = _policy_of(agent)
    limits = policy is not None and policy.allowed_tools is not None
    return Situation(
        name=agent.name,
        state=agent.state,
        tier=agent.tier,
        tripped_at=agent.breaker_tripped_at if agent.is_tripped else None,
        trip_reason=agent.breaker_reason,
        certified_until=agent.certified_until,
        allowed_tools=frozenset(policy.allowed_tools or ()) if policy and limits else None,
        policy_version=policy.version if policy and limits else None,
        team_id=agent.team_id,
        switches=STANDING.switches() if switches is None else switches,
    )


def _trial_of(agent: Agent) -> Trial:
    since = first_id_at(timezone.now() - A_MINUTE)
    allowed = Decision.objects.filter(agent=agent, pk__gte=since, outcome=Decision.Outcome.ALLOW)
    return Trial(allowed.count(), trial_of(agent.tier).most_per_minute)


def latest_models(agent: Agent) -> frozenset[str]:
    """The model that answered it last, with and without its provider; empty where none was seen."""
    latest = agent.observed_models.order_by("-last_seen").values_list("provider", "model").first()
    return frozenset({latest[1], f"{latest[0]}/{latest[1]}"}) if latest else frozenset()


class Situations:
    """The situations of these agents at these moments: one query, one more where an agent was changed since."""

    def __init__(self, asked: Collection[tuple[UUID, datetime]]) -> None:
        ids = {agent_id for agent_id, _ in asked}
        agents = Agent.objects.select_related("tool_policy").filter(pk__in=ids)
        self._agents = {agent.pk: agent for agent in agents}
        switches = STANDING.switches()
        self._now = {pk: standing_of(agent, switches) for pk, agent in self._agents.items()}
        late = [(pk, at) for pk, at in asked if at < _unchanged_since(self._agents[pk])]
        self._acts = _acts(late)

    def on_trial(self) -> set[UUID]:
        """Those of the agents whose breaker is on trial."""
        return {pk for pk, agent in self._agents.items() if agent.breaker_state == BreakerState.ON_TRIAL}

    def at(self, agent_id: UUID, moment: datetime) -> Situation:
        now = self._now[agent_id]
        if moment >= _unchanged_since(self._agents[agent_id]):
            return now
        return situation_at(now, self._acts[agent_id], moment)


def _policy_of(agent: Agent) -> ToolPolicy | None:
    return getattr(agent, "tool_policy", None)


def _unchanged_since(agent: Agent) -> datetime:
    policy = _policy_of(agent)
    return max(agent.updated_at, policy.updated_at) if policy else agent.updated_at


def _acts(late: Collection[tuple[UUID, datetime]]) -> dict[UUID, list[Act]]:
    """The agents' acts since the earliest of the moments, and every one on their certifications."""
    found: dict[UUID, list[Act]] = defaultdict(list)
    if not late:
        return found
    since = Q(at__gt=min(at for _, at in late)) | Q(action__startswith=CERTIFICATION)
    ids = {str(pk) for pk, _ in late}
    entries = LedgerEntry.objects.filter(since, target_type="agent", target_id__in=ids).order_by("pk")
    for entry in entries:
        detail = orjson.loads(bytes(entry.body))["detail"]
        found[UUID(entry.target_id)].append(Act(entry.at, entry.action, detail))
    return found
