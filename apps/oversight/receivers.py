"""Judging calls as they are recorded, in the transaction that records them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from django.dispatch import receiver
from django.utils import timezone

from apps.activity.models import OutcomeWatch, ToolCall
from apps.activity.outcomes.measures import Shift
from apps.activity.services import Verdict as Recorded
from apps.activity.services import record_verdicts, refuse_calls
from apps.activity.signals import calls_recorded, outcome_shifted, oversight_load_asked
from apps.agents.models import Agent, Blueprint
from apps.agents.signals import instances_joined, merge_asked
from apps.agents.toolnames import tool_named
from apps.identity.models import Principal
from apps.kit.ids import time_of
from apps.oversight.load import asked_per_day
from apps.oversight.models import ToolPolicy
from apps.oversight.past import Moment, moment_of
from apps.oversight.refusals import refused_here, stands_refused
from apps.oversight.rules import Situation, verdict_on
from apps.oversight.services.blueprints import inherit_policy
from apps.oversight.services.breaker import trip_for_fall, trip_those_over
from apps.oversight.services.resets import end_trials
from apps.oversight.situations import Situations

CAUSES = {"violation": "violations", "blocked": "denials"}
UNBELIEVED = " Its own clock is more than ten minutes off, so it is judged by when it was reported."


@receiver(calls_recorded, dispatch_uid="oversight.judge_calls")
def judge_calls(sender: type[ToolCall], calls: Sequence[ToolCall], **_: Any) -> None:
    """Give each call its verdict, then trip the breakers of agents that went over their limit."""
    moments = {call.pk: moment_of(call.started_at, time_of(call.pk)) for call in calls}
    situations = Situations([(call.known_agent_id, moments[call.pk].at) for call in calls])
    decisions = refused_here(calls)
    verdicts, refused = [], []
    for call in calls:
        moment, decision = moments[call.pk], decisions.get(call.pk)
        if decision is not None and stands_refused(call, decision):
            verdicts.append(Recorded(call.pk, "blocked", decision.reason, decision.code))
            refused.append(call)
        else:
            verdicts.append(_judged(call, situations.at(call.known_agent_id, moment.at), moment))
    refuse_calls([call for call in refused if not (call.is_refused and call.status == "denied")])
    record_verdicts(verdicts)
    _follow(calls, verdicts, situations)


def _follow(calls: Sequence[ToolCall], verdicts: Sequence[Recorded], situations: Situations) -> None:
    """Trip the breakers of those that may have passed a limit by these calls; end the trials that were passed."""
    said = {verdict.call_id: verdict.outcome for verdict in verdicts}
    causes: dict[UUID, set[str]] = defaultdict(set)
    for call in calls:
        if cause := CAUSES.get(said[call.pk]):
            causes[call.known_agent_id].add(cause)
        if call.status == "error":
            causes[call.known_agent_id].add("errors")
    if causes:
        trip_those_over(causes)
    if situations.on_trial():
        end_trials(situations.on_trial())


@receiver(merge_asked, dispatch_uid="oversight.keep_policy")
def keep_policy(sender: type[Agent], kept: Agent, merged: Agent, **_: Any) -> str:
    """An agent that a policy limits must not go up in one that none limits."""
    limits = {
        policy.agent_id: policy.allowed_tools
        for policy in ToolPolicy.objects.filter(agent__in=[kept, merged])
        if policy.allowed_tools is not None
    }
    return (
        f"A tool policy limits {merged.name}, and none {kept.name}."
        if merged.pk in limits and kept.pk not in limits
        else ""
    )


@receiver(instances_joined, dispatch_uid="oversight.inherit_policy")
def limit_new_instances(
    sender: type[Blueprint], blueprint: Blueprint, agents: Sequence[Agent], actor: Principal, **_: Any
) -> None:
    """What every instance may call, those that come later may call too."""
    inherit_policy(blueprint, agents, actor=actor)


def _judged(call: ToolCall, situation: Situation, moment: Moment) -> Recorded:
    tool = tool_named(call.tool_name, call.mcp_server)
    error = call.error_message or call.error_type
    status = "ok" if call.status == "denied" and not stands_refused(call, None) else call.status
    if situation.switches:
        situation = replace(situation, models=frozenset({call.response_model or call.request_model}))
    verdict = verdict_on(situation, tool, moment.at, status=status, error=error)
    mark = "" if moment.is_believed or verdict.outcome == "allowed" else UNBELIEVED
    return Recorded(call.pk, verdict.outcome, verdict.reason + mark, verdict.code)


@receiver(oversight_load_asked, dispatch_uid="oversight.tell_load")
def tell_load(
    sender: type[OutcomeWatch], agent: Agent, since: date, until: date, **_: Any
) -> Mapping[date, int]:
    """How often an agent took a person's time."""
    return asked_per_day(agent, since, until)


@receiver(outcome_shifted, dispatch_uid="oversight.trip_on_fall")
def trip_on_fall(
    sender: type[OutcomeWatch], agent: Agent, shift: Shift, is_recovered: bool, **_: Any
) -> None:
    """What its runs come to got worse: where the limits of the agent say so, that stops it."""
    if shift.is_worse:
        trip_for_fall(agent.pk, shift.sentence(timezone.localdate()))
