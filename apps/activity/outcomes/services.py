"""What people and systems do about outcomes: report them, say what may be derived, note what happened outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.activity.models import ExternalEvent, OutcomeRules
from apps.activity.outcomes.words import API, OLDEST, Told, heard
from apps.activity.outcomes.writing import keep_outcomes
from apps.agents.access import require_for
from apps.agents.models import Agent, AgentAlias, agent_id_of
from apps.identity.access import require_somewhere
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import InvalidInput, require_reason
from apps.kit.ids import id_or_none

MOST_AT_ONCE = 1000
AHEAD = timedelta(minutes=5)  # by which a reporter's clock may be fast
NO_AGENT = "No agent of this name that you report for"


@dataclass(frozen=True)
class Report:
    """One outcome as it was sent: `agent` is an id, AGT-0412, a slug or '' for the agent whose key it is."""

    agent: str
    conversation_id: str
    at: datetime | None
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """What became of one report: recorded, unchanged or refused, with the fields at fault."""

    conversation_id: str
    status: str
    fields: Mapping[str, str] = field(default_factory=dict)


@transaction.atomic
def report_outcomes(reports: Sequence[Report], *, actor: Principal) -> list[Result]:
    """Take up to 1,000 reports, each with a result of its own; sent again they change nothing.

    Whoever reports is the agent itself, a source of its team, or a source that showed it. Outcomes are telemetry: their rows
    say who said what and when, and the ledger is not told of each.
    """
    require_somewhere(actor, Permission.INGEST)
    if len(reports) > MOST_AT_ONCE:
        raise InvalidInput(
            "Too many outcomes at once.", fields={"outcomes": f"At most {MOST_AT_ONCE} at once"}
        )
    now = timezone.now()
    agents = _agents_of(reports, actor)
    read: list[Told | Result] = [_read(one, agents.get(one.agent), now) for one in reports]
    changed = keep_outcomes([one for one in read if isinstance(one, Told)])
    return [_result(one, changed) for one in read]


def _read(report: Report, agent_id: UUID | None, now: datetime) -> Told | Result:
    told = heard(report.fields)
    faults = {name: f"Expected: {words}" for name, words in told.odd.items()}
    if agent_id is None:
        faults["agent"] = NO_AGENT
    if not report.conversation_id.strip():
        faults["conversation_id"] = "Say which run it is"
    if report.at is not None and report.at > now + AHEAD:
        faults["at"] = "Say when the run was; this is in the future"
    if report.at is not None and report.at < now - OLDEST:
        faults["at"] = "Say when the run was; this is more than ten years ago"
    if not told.fields and not faults:
        faults["resolved"] = "Say what the run came to"
    if faults or agent_id is None:
        return Result(report.conversation_id, "refused", faults)
    at = min(report.at, now) if report.at is not None else None
    return Told(agent_id, report.conversation_id.strip(), API, now, at, told.fields)


def _result(read: Told | Result, changed: set[tuple[UUID, str]]) -> Result:
    if isinstance(read, Result):
        return read
    return Result(read.conversation_id, "recorded" if read.key in changed else "unchanged")


def _agents_of(reports: Sequence[Report], actor: Principal) -> dict[str, UUID]:
    """The agents named, of those this actor reports for; at most two queries."""
    names = {report.agent for report in reports}
    may_speak = Q(principal=actor)
    if actor.kind == Principal.Kind.SERVICE:
        may_speak |= Q(pk__in=AgentAlias.objects.filter(source=actor).values("agent"))
        may_speak |= Q(team=actor.team_id) if actor.team_id else Q()
    own = Agent.objects.filter(may_speak)
    numbers = {number: name for name in names if (number := agent_id_of(name))}
    ids = {pk: name for name in names if (pk := id_or_none(name))}
    slugs = names - {"", *numbers.values(), *ids.values()}
    found: dict[str, UUID] = {}
    named = own.filter(Q(number__in=numbers) | Q(pk__in=ids) | Q(slug__in=slugs))
    for agent in named.only("pk", "number", "slug", "merged_into"):
        stands_for = agent.merged_into_id or agent.pk
        told = (numbers.get(agent.number), ids.get(agent.pk), agent.slug if agent.slug in slugs else None)
        found |= {name: stands_for for name in told if name is not None}
    if "" in names and (itself := Agent.objects.filter(principal=actor).first()):
        found[""] = itself.pk
    return found


@transaction.atomic
def set_outcome_rules(
    agent: Agent,
    handover_tools: Sequence[str],
    repeat_days: int,
    abandoned_hours: int,
    *,
    actor: Principal,
    reason: str,
) -> OutcomeRules:
    """Say what may be derived of an agent's runs. What was derived before stays as it is."""
    require_for(actor, Permission.AGENTS_CURATE, agent)
    require_reason(reason, "Say why this is how its runs are to be read")
    if not (1 <= repeat_days <= 365 and 1 <= abandoned_hours <= 24 * 90):
        raise InvalidInput(
            "The rules were not saved.",
            fields={"repeat_days": "1 to 365 days", "abandoned_hours": "1 to 2,160 hours"},
        )
    tools = sorted({name.strip() for name in handover_tools if name.strip()})
    values = {
        "handover_tools": tools,
        "repeat_days": repeat_days,
        "abandoned_hours": abandoned_hours,
    }
    rules, _ = OutcomeRules.objects.update_or_create(agent=agent, defaults=values)
    record_act(
        "activity.outcome_rules.set", actor=actor, target=("agent", agent.pk), reason=reason, detail=values
    )
    return rules


@transaction.atomic
def note_external_event(
    agent: Agent, label: str, on: date, *, actor: Principal, reason: str
) -> ExternalEvent:
    """Mark on the agent's time line that something happened outside."""
    require_for(actor, Permission.AGENTS_CURATE, agent)
    require_reason(reason, "Say what it has to do with this agent")
    if not label.strip():
        raise InvalidInput("The event was not noted.", fields={"label": "Say what happened, in a few words"})
    event = ExternalEvent.objects.create(
        agent=agent, label=label.strip()[:80], on=on, reason=reason.strip(), noted_by=actor
    )
    record_act(
        "activity.external_event.noted",
        actor=actor,
        target=("agent", agent.pk),
        reason=reason,
        detail={"event": event.pk, "label": event.label, "on": on.isoformat()},
    )
    return event
