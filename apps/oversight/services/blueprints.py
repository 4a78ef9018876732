"""One decision for every instance of a blueprint: the tools they may call, stopping them, letting them act again.

Each instance's own ledger entry names the blueprint; the result says of each whether it was done, and if not why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.agents.access import require_for
from apps.agents.definitions import InstanceResult, refused, told
from apps.agents.models import Agent, Blueprint, BreakerState
from apps.agents.services.blueprints import BlueprintAct, instances_within_reach
from apps.agents.services.definitions import lock_blueprint
from apps.agents.services.status import write_breakers
from apps.identity.access import require, require_somewhere
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import Act, record_act, record_acts
from apps.identity.services.principals import restore_principals, suspend_principals
from apps.kit.errors import Conflict, DomainError, StaleWrite, require_reason
from apps.oversight.limits import trial_of
from apps.oversight.models import BlueprintPolicy, BreakerTrip, ToolPolicy
from apps.oversight.services.breaker import end_trials_of, keys_of
from apps.oversight.services.containment import issue_orders
from apps.oversight.services.kill_switches import require_action
from apps.oversight.services.policies import clean_tools
from apps.oversight.services.resets import needs_two, reset_detail
from apps.oversight.signals import breaker_changed

Judge = Callable[[Agent], InstanceResult]
RESET_COLUMNS = [
    "reset_at", "reset_by", "reset_reason", "corrective_action", "trial_calls", "trial_until",
]  # fmt: skip


@transaction.atomic
def set_blueprint_policy(
    blueprint: Blueprint,
    allowed_tools: Iterable[str] | None,
    *,
    actor: Principal,
    reason: str,
    version: int | None = None,
    over_own: bool = False,
) -> BlueprintAct:
    """Allow every instance exactly these tools from the next call on, those to come included; None limits them no longer.

    An instance with a policy of its own keeps it unless `over_own`. `version` refuses a stale write (0: none yet).
    """
    tools = None if allowed_tools is None else clean_tools(allowed_tools)
    blueprint = lock_blueprint(blueprint)
    require(actor, Permission.POLICY_EDIT, blueprint.team_id)
    require_reason(reason, "Say why; it goes into the ledger of every instance")
    policy = _kept(blueprint, tools, version, actor)
    agents, hidden = instances_within_reach(blueprint, actor=actor)
    known = {one.agent_id: one for one in ToolPolicy.objects.filter(agent__in=agents)}
    results = [_policy_result(agent, known.get(agent.pk), policy, over_own, actor) for agent in agents]
    _write_policies(policy, _done(results), known, actor, reason)
    action = "oversight.blueprint.policy_set" if tools is not None else "oversight.blueprint.policy_dropped"
    _record(action, blueprint, actor, reason, results + hidden, {"after": tools, "version": policy.version})
    return BlueprintAct(blueprint, results + hidden)


def inherit_policy(blueprint: Blueprint, agents: Sequence[Agent], *, actor: Principal) -> None:
    """Limit agents that became instances as the others are, where they have no policy of their own."""
    policy = BlueprintPolicy.objects.filter(blueprint=blueprint).exclude(allowed_tools=None).first()
    if policy is None:
        return
    known = {one.agent_id: one for one in ToolPolicy.objects.filter(agent__in=agents)}
    without = [agent for agent in agents if not _limits(known.get(agent.pk))]
    _write_policies(policy, without, known, actor, f"It became an instance of {blueprint.name}.")


@transaction.atomic
def stop_blueprint(blueprint: Blueprint, *, actor: Principal, reason: str) -> BlueprintAct:
    """Trip the breaker of every instance at once: each is refused every call until an administrator resets it."""
    blueprint = lock_blueprint(blueprint)
    require_somewhere(actor, Permission.BREAKER_TRIP)
    require_reason(reason, "Say why the instances are stopped")
    agents, hidden = instances_within_reach(blueprint, actor=actor)

    def judge(agent: Agent) -> InstanceResult:
        require_for(actor, Permission.BREAKER_TRIP, agent)
        stands = "It is stopped already." if agent.is_tripped else ""
        return InstanceResult(agent.name, "unchanged" if stands else "done", agent, stands)

    results = [_judged(agent, judge) for agent in agents]
    now, words = timezone.now(), f"Stopped with {blueprint.name} by {actor.name}: {reason.strip()}"
    trips = [
        BreakerTrip(
            agent=agent, cause=BreakerTrip.Cause.PERSON, reason=words, tripped_at=now, tripped_by=actor
        )
        for agent in _done(results)
    ]
    end_trials_of([one.agent_id for one in trips], now)
    BreakerTrip.objects.bulk_create(trips)
    suspend_principals(keys_of(_done(results)), at=now)
    issue_orders("stop", trips, at=now, reason=words)
    write_breakers(_done(results), BreakerState.TRIPPED, tripped_at=now, reason=words, actor=actor)
    _tell("oversight.breaker.tripped", blueprint, trips, actor, words, _trip_detail)
    _record("oversight.blueprint.stopped", blueprint, actor, reason, results + hidden, {})
    return BlueprintAct(blueprint, results + hidden)


@transaction.atomic
def reset_blueprint(
    blueprint: Blueprint, *, actor: Principal, reason: str, corrective_action: str
) -> BlueprintAct:
    """Let every stopped instance act again on trial, whatever stopped it; those of tier 4 are reset one by one, by two."""
    blueprint = lock_blueprint(blueprint)
    require_somewhere(actor, Permission.BREAKER_RESET)
    require_reason(reason, "Say why they may act again")
    require_action(corrective_action)
    agents, hidden = instances_within_reach(blueprint, actor=actor)

    def judge(agent: Agent) -> InstanceResult:
        require_for(actor, Permission.BREAKER_RESET, agent)
        stands = "" if agent.is_tripped else "It is not stopped."
        if agent.is_tripped and needs_two(agent):
            raise Conflict("Two administrators reset an agent of tier 4.", code="breaker.needs_two")
        return InstanceResult(agent.name, "unchanged" if stands else "done", agent, stands)

    results = [_judged(agent, judge) for agent in agents]
    done = {agent.pk: agent for agent in _done(results)}
    trips = list(BreakerTrip.objects.filter(agent__in=done, reset_at=None))
    now = timezone.now()
    for trip in trips:
        _set_on_trial(trip, done[trip.agent_id], now, actor, (reason.strip(), corrective_action.strip()))
    BreakerTrip.objects.bulk_update(trips, RESET_COLUMNS)
    write_breakers(list(done.values()), BreakerState.ON_TRIAL, tripped_at=None, reason="", actor=actor)
    restore_principals(keys_of(list(done.values())))
    issue_orders("resume", trips, at=now, reason=reason.strip())
    _tell("oversight.breaker.reset", blueprint, trips, actor, reason.strip(), reset_detail)
    _record("oversight.blueprint.reset", blueprint, actor, reason, results + hidden, {})
    return BlueprintAct(blueprint, results + hidden)


def _kept(
    blueprint: Blueprint, tools: list[str] | None, version: int | None, actor: Principal
) -> BlueprintPolicy:
    policy = BlueprintPolicy.objects.filter(blueprint=blueprint).first() or BlueprintPolicy(
        blueprint=blueprint, version=0
    )
    if version is not None and version != policy.version:
        raise StaleWrite(f"The policy was changed meanwhile; it is at version {policy.version} now.")
    policy.allowed_tools, policy.version, policy.updated_by = tools, policy.version + 1, actor
    policy.save()
    return policy


def _policy_result(
    agent: Agent, held: ToolPolicy | None, policy: BlueprintPolicy, over_own: bool, actor: Principal
) -> InstanceResult:
    try:
        require_for(actor, Permission.POLICY_EDIT, agent)
    except DomainError as error:
        return refused(agent, error)
    is_own = held is not None and _limits(held) and held.through_id != policy.pk
    tools = held.allowed_tools if held is not None else None
    if tools == policy.allowed_tools and not is_own:
        return InstanceResult(agent.name, "unchanged", agent, "It is limited so already.")
    if is_own and not over_own:
        return InstanceResult(agent.name, "kept", agent, "It has a policy of its own, which stays.")
    return InstanceResult(agent.name, "done", agent)


def _write_policies(
    policy: BlueprintPolicy,
    agents: Sequence[Agent],
    known: Mapping[UUID, ToolPolicy],
    actor: Principal,
    reason: str,
) -> None:
    acts, rows = [], []
    for agent in agents:
        held = known.get(agent.pk)
        before = held.allowed_tools if held else None
        row = ToolPolicy(
            agent=agent, allowed_tools=policy.allowed_tools, version=(held.version if held else 0) + 1,
            updated_by=policy.updated_by, through=None if policy.allowed_tools is None else policy,
        )  # fmt: skip
        rows.append(row)
        detail = {
            "before": before,
            "after": policy.allowed_tools,
            "version": row.version,
            **_naming(policy.blueprint),
        }
        action = "oversight.policy.set" if policy.allowed_tools is not None else "oversight.policy.dropped"
        acts.append(Act(action, actor, ("agent", agent.pk), reason.strip(), detail))
    ToolPolicy.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["agent"],
        update_fields=["allowed_tools", "version", "updated_at", "updated_by", "through"],
    )
    record_acts(acts)


def _judged(agent: Agent, judge: Judge) -> InstanceResult:
    try:
        return judge(agent)
    except DomainError as error:
        return refused(agent, error)


def _tell(
    action: str,
    blueprint: Blueprint,
    trips: Sequence[BreakerTrip],
    actor: Principal,
    reason: str,
    detail: Callable[[BreakerTrip], dict[str, Any]],
) -> None:
    record_acts(
        [
            Act(action, actor, ("agent", one.agent_id), reason, detail(one) | _naming(blueprint))
            for one in trips
        ]
    )
    for one in trips:
        breaker_changed.send(sender=BreakerTrip, agent=one.agent, trip=one)


def _trip_detail(trip: BreakerTrip) -> dict[str, Any]:
    return {"trip": trip.pk, "cause": trip.cause, "violations": 0, "calls": []}


def _set_on_trial(
    trip: BreakerTrip, agent: Agent, now: datetime, actor: Principal, words: tuple[str, str]
) -> None:
    terms = trial_of(agent.tier)
    trip.agent, trip.reset_at, trip.reset_by = agent, now, actor
    trip.reset_reason, trip.corrective_action = words
    trip.trial_calls, trip.trial_until = terms.calls, now + terms.lasts


def _record(
    action: str,
    blueprint: Blueprint,
    actor: Principal,
    reason: str,
    results: Sequence[InstanceResult],
    detail: Mapping[str, Any],
) -> None:
    target = ("blueprint", blueprint.pk)
    said = {"instances": told(results), "name": blueprint.name, **detail}
    record_act(action, actor=actor, target=target, reason=reason.strip(), detail=said)


def _naming(blueprint: Blueprint) -> dict[str, Any]:
    return {"blueprint": blueprint.pk, "source": blueprint.name}


def _done(results: Iterable[InstanceResult]) -> list[Agent]:
    return [one.agent for one in results if one.status == "done" and one.agent is not None]


def _limits(policy: ToolPolicy | None) -> bool:
    return policy is not None and policy.allowed_tools is not None
