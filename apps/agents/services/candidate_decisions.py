"""A curator decides about what was found: take it on record, link it to an agent, or leave it alone for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.agents.access import require_for
from apps.agents.matching import NO_AGENT, address_of
from apps.agents.models import Agent, Candidate, Evidence, Origin, SourceKind, State
from apps.agents.queries.candidates import found_of, repository_of
from apps.agents.services.claims import Source, state_claims
from apps.agents.services.registry import new_agent
from apps.agents.signals import agents_discovered
from apps.identity.access import require
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, DomainError, InvalidInput, TooLarge

IGNORED_FOR_DAYS = 90
LONGEST_IGNORED_DAYS = 366
MOST_AT_ONCE = 500
LONGEST_REASON = 2000


@dataclass(frozen=True)
class Verdict:
    """What to do with candidates: `adopt`, `link` (to `agent`) or `ignore` (with `reason`, for `days`)."""

    act: str
    agent: Agent | None = None
    reason: str = ""
    days: int = IGNORED_FOR_DAYS


@dataclass(frozen=True)
class Decided:
    """What became of one candidate: it as it is now, or the error that left it as it was."""

    candidate: Candidate
    error: DomainError | None = None


@transaction.atomic
def adopt_candidate(candidate: Candidate, *, actor: Principal) -> Candidate:
    """Put it on record as a discovered agent with what was found as its claims; adoption itself follows there."""
    candidate = _lock_open(candidate, actor)
    if candidate.role in NO_AGENT:
        raise Conflict(
            f"{candidate.name} is an MCP server, no agent. Link it to the agent that uses it, or ignore it.",
            code="agents.candidate.no_agent",
        )
    agent = new_agent(
        candidate.name,
        team=candidate.team,
        state=State.DISCOVERED,
        first_seen=candidate.first_seen,
    )
    rows = list(candidate.evidence.all())
    record_act(
        "agents.agent.found", actor=actor, target=("agent", agent.pk),
        detail={"ref": agent.ref, "candidate": candidate.pk, "evidence": [f"{row.source} {row.place}" for row in rows[:10]]},
    )  # fmt: skip
    agents_discovered.send(sender=Agent, agents=[agent])
    _state_what_was_found(agent, candidate, rows, actor)
    _close(candidate, agent, actor)
    record_act(
        "agents.candidate.adopted", actor=actor, target=("candidate", candidate.pk),
        detail={"name": candidate.name, "agent": agent.ref},
    )  # fmt: skip
    return candidate


@transaction.atomic
def link_candidate(candidate: Candidate, agent: Agent, *, actor: Principal, reason: str = "") -> Candidate:
    """Say that it is this agent: what was found becomes claims of the agent, weaker than a person's word."""
    candidate = _lock_open(candidate, actor)
    require_for(actor, Permission.AGENTS_CURATE, agent)
    if not agent.is_on_record or agent.state == State.RETIRED:
        raise Conflict(
            f"{agent.name} is no longer in use; choose another agent.", code="agents.candidate.agent_gone"
        )
    _state_what_was_found(agent, candidate, list(candidate.evidence.all()), actor)
    _close(candidate, agent, actor)
    record_act(
        "agents.candidate.linked", actor=actor, target=("agent", agent.pk), reason=_reason(reason),
        detail={"name": candidate.name, "agent": agent.ref, "candidate": candidate.pk, "why": "a curator said so"},
    )  # fmt: skip
    return candidate


@transaction.atomic
def ignore_candidate(
    candidate: Candidate, *, actor: Principal, reason: str, days: int = IGNORED_FOR_DAYS
) -> Candidate:
    """Leave it alone until the time is over or its evidence changes."""
    candidate = _lock_open(candidate, actor)
    fields = {}
    if not reason.strip():
        fields["reason"] = "Say why nothing has to be done"
    if not 1 <= days <= LONGEST_IGNORED_DAYS:
        fields["days"] = f"Choose 1 to {LONGEST_IGNORED_DAYS} days"
    if fields:
        raise InvalidInput("It was not ignored.", fields=fields)
    now = timezone.now()
    candidate.state, candidate.ignore_reason = Candidate.State.IGNORED, _reason(reason)
    candidate.ignored_until = now + timedelta(days=days)
    candidate.decided_by, candidate.decided_at = actor, now
    candidate.save(update_fields=["state", "ignore_reason", "ignored_until", "decided_by", "decided_at"])
    record_act(
        "agents.candidate.ignored", actor=actor, target=("candidate", candidate.pk), reason=candidate.ignore_reason,
        detail={"name": candidate.name, "until": candidate.ignored_until.date().isoformat()},
    )  # fmt: skip
    return candidate


@transaction.atomic
def reopen_candidate(candidate: Candidate, *, actor: Principal) -> Candidate:
    """Take an ignored one back into the inbox before its time."""
    candidate = _lock(candidate, actor)
    if candidate.state != Candidate.State.IGNORED:
        raise Conflict(f"{candidate.name} is not ignored.", code="agents.candidate.not_ignored")
    candidate.state, candidate.ignored_until = Candidate.State.WAITING, None
    candidate.save(update_fields=["state", "ignored_until"])
    record_act(
        "agents.candidate.returned", actor=actor, target=("candidate", candidate.pk),
        detail={"name": candidate.name, "why": "a curator wants it decided"},
    )  # fmt: skip
    return candidate


def decide_candidates(
    candidates: Sequence[Candidate], verdict: Verdict, *, actor: Principal
) -> list[Decided]:
    """The same decision for each, every one by itself: what refuses one leaves the others done."""
    if len(candidates) > MOST_AT_ONCE:
        raise TooLarge(
            f"At most {MOST_AT_ONCE} at a time; narrow the list.", code="agents.candidates.too_many"
        )
    done = []
    for candidate in sorted(candidates, key=lambda one: one.pk):
        try:
            done.append(Decided(_decide(candidate, verdict, actor)))
        except DomainError as error:
            done.append(Decided(candidate, error))
    return done


def _decide(candidate: Candidate, verdict: Verdict, actor: Principal) -> Candidate:
    if verdict.act == "adopt":
        return adopt_candidate(candidate, actor=actor)
    if verdict.act == "link" and verdict.agent is not None:
        return link_candidate(candidate, verdict.agent, actor=actor, reason=verdict.reason)
    if verdict.act == "ignore":
        return ignore_candidate(candidate, actor=actor, reason=verdict.reason, days=verdict.days)
    if verdict.act == "reopen":
        return reopen_candidate(candidate, actor=actor)
    raise InvalidInput(
        "Nothing was decided.", fields={"act": "One of adopt, link (with an agent), ignore, reopen"}
    )


def _lock(candidate: Candidate, actor: Principal) -> Candidate:
    """The row, so that two curators do not decide at once."""
    locked = Candidate.objects.select_for_update(of=("self",)).with_decisions().get(pk=candidate.pk)
    require(actor, Permission.AGENTS_CURATE, locked.team_id)
    return locked


def _lock_open(candidate: Candidate, actor: Principal) -> Candidate:
    locked = _lock(candidate, actor)
    if locked.state == Candidate.State.LINKED and locked.agent is not None:
        raise Conflict(
            f"{locked.name} is on record as {locked.agent.ref} already.",
            code="agents.candidate.linked_already",
        )
    return locked


def _close(candidate: Candidate, agent: Agent, actor: Principal) -> None:
    candidate.state, candidate.agent = Candidate.State.LINKED, agent
    candidate.ignored_until = None
    candidate.decided_by, candidate.decided_at = actor, timezone.now()
    candidate.save(update_fields=["state", "agent", "ignored_until", "decided_by", "decided_at"])


def _state_what_was_found(agent: Agent, candidate: Candidate, rows: list[Evidence], actor: Principal) -> None:
    """Claims by source: framework, repository, address, purpose; empty ones say nothing."""
    by_source: dict[str, dict[str, Any]] = {}
    for row in rows:
        said = by_source.setdefault(row.source, {})
        found = found_of(row.finding)
        said.setdefault("framework", found.framework if found.framework != "unknown" else "")
        said.setdefault("purpose", found.description if found.description != "given elsewhere" else "")
        said["framework"] = said["framework"] or found.framework
        if address := address_of(found):
            said["endpoints"] = [address]
        if row.source_kind == SourceKind.REPOSITORY and row.source.startswith(
            ("https://", "http://", "ssh://")
        ):
            said["repository"] = repository_of(row.source)
    for source, said in sorted(by_source.items()):
        values = {name: value for name, value in said.items() if value}
        if values:
            state_claims(agent, Source(Origin.DISCOVERED, source), values, actor=actor)


def _reason(reason: str) -> str:
    return reason.strip()[:LONGEST_REASON]
