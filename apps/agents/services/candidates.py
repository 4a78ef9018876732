"""Findings come in: kept once by natural key, grouped into candidates, joined to agents by a strong key alone.

A report never changes an agent's record: what was found becomes a claim when a curator links or adopts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.agents.matching import OF_CODING_AGENTS, Found, digest_of, key_of
from apps.agents.models import Candidate, Evidence, SourceKind
from apps.agents.queries.candidates import strong_matches
from apps.identity.access import require
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import InvalidInput, TooLarge

MOST_FINDINGS = 1000
LONGEST_SOURCE = 255


@dataclass(frozen=True)
class Reported:
    """What became of one finding. `outcome`: new, known, changed, returned (an ignored one that came back)."""

    found: Found
    candidate: Candidate
    outcome: str


@dataclass(frozen=True)
class Origins:
    """Where findings come from: the kind of source, its name, and whose inbox they go to."""

    source_kind: str
    source: str
    team: Team | None = None


@transaction.atomic
def report_findings(findings: Sequence[Found], origins: Origins, *, actor: Principal) -> list[Reported]:
    """Take up to 1,000 findings of one source; a repeated report changes nothing but when it was last seen.

    A service reports for its own team, whatever it says. About twelve queries however many findings.
    """
    team = actor.team if actor.kind == Principal.Kind.SERVICE else origins.team
    require(actor, Permission.DISCOVERIES_REPORT, team.pk if team else None)
    _check(findings, origins)
    now, source = timezone.now(), origins.source.strip()
    keys = [key_of(found, source, team.pk if team else None) for found in findings]
    new = _make_missing(dict(zip(keys, findings, strict=True)), team, source, now)
    # Locked in the order of their ids: two scans of one repository then wait for each other, never in a ring.
    locked = Candidate.objects.select_for_update(of=("self",)).with_decisions()
    candidates = {one.key: one for one in locked.filter(key__in=keys).order_by("pk")}
    before = {key: one.digest for key, one in candidates.items()}
    _keep_evidence(
        [(candidates[key], found) for key, found in zip(keys, findings, strict=True)], origins, actor, now
    )
    _summarise(candidates.values(), now)
    outcomes = {key: _outcome(one, before[key], key in new, actor) for key, one in candidates.items()}
    _link_strong(candidates.values(), actor, now)
    _write(candidates, outcomes, now)
    _record(findings, source, outcomes, actor)
    return [
        Reported(found, candidates[key], outcomes[key]) for key, found in zip(keys, findings, strict=True)
    ]


_COLUMNS = [
    "name", "state", "confidence", "agent", "kind", "role", "framework", "model", "description", "tools", "mcp_servers",
    "digest", "ignored_until", "decided_by", "decided_at", "last_seen",
]  # fmt: skip


def _check(findings: Sequence[Found], origins: Origins) -> None:
    if len(findings) > MOST_FINDINGS:
        raise TooLarge(f"At most {MOST_FINDINGS} findings at a time.", code="agents.discoveries.too_many")
    fields = {}
    if not 0 < len(origins.source.strip()) <= LONGEST_SOURCE:
        fields["source"] = f"Say what was scanned, in at most {LONGEST_SOURCE} characters"
    if origins.source_kind not in SourceKind.values:
        fields["source_kind"] = f"One of {', '.join(SourceKind.values)}"
    if fields:
        raise InvalidInput("Nothing was taken.", fields=fields)


def _make_missing(wanted: dict[str, Found], team: Team | None, source: str, now: datetime) -> set[str]:
    """Rows for the keys nobody had; returns those keys. Safe against a report of the same at the same time."""
    known = set(Candidate.objects.filter(key__in=wanted).values_list("key", flat=True))
    # In the order of the keys: two reports that make the same rows then wait for each other, never in a ring.
    missing = {key: wanted[key] for key in sorted(wanted.keys() - known)}
    Candidate.objects.bulk_create(
        [
            Candidate(
                key=key, name=_title(found, source), confidence=found.confidence, team=team, digest="", first_seen=now,
                last_seen=now,
            )
            for key, found in missing.items()
        ],
        ignore_conflicts=True,
    )  # fmt: skip
    return set(missing)


def _title(found: Found, source: str) -> str:
    if found.role in OF_CODING_AGENTS:
        return f"Coding agents in {source.removesuffix('.git').rpartition('/')[2] or source}"[:200]
    return found.title


def _keep_evidence(
    pairs: Iterable[tuple[Candidate, Found]], origins: Origins, actor: Principal, now: datetime
) -> None:
    """One row for each place; what stands there now replaces what stood there."""
    rows = {
        (candidate.pk, found.natural_place): Evidence(
            candidate=candidate, source_kind=origins.source_kind, source=origins.source.strip(), place=found.natural_place,
            finding=asdict(found), reported_by=actor, first_seen=now, last_seen=now,
        )
        for candidate, found in pairs
    }  # fmt: skip
    Evidence.objects.bulk_create(
        rows.values(),
        update_conflicts=True,
        unique_fields=["candidate", "source_kind", "source", "place"],
        update_fields=["finding", "last_seen", "reported_by"],
        batch_size=500,
    )


def _summarise(candidates: Iterable[Candidate], now: datetime) -> None:
    """Set what the evidence of each candidate says together, the most certain first."""
    grouped: dict[UUID, list[Evidence]] = {}
    for row in Evidence.objects.filter(candidate__in=[one.pk for one in candidates]).order_by("pk"):
        grouped.setdefault(row.candidate_id, []).append(row)
    for candidate in candidates:
        rows = grouped.get(candidate.pk, [])
        candidate.digest = digest_of((row.source_kind, row.source, row.place, row.finding) for row in rows)
        candidate.last_seen = now
        _set_words(
            candidate, sorted((row.finding for row in rows), key=lambda one: -float(one["confidence"]))
        )


def _set_words(candidate: Candidate, findings: list[dict[str, Any]]) -> None:
    def first(key: str) -> str:
        return next((str(one[key]) for one in findings if one.get(key)), "")

    if not findings:
        return
    # Independent sources that agree make it surer, never certain: 1 minus the product of the doubts, at most 0.99.
    kinds = {one["kind"]: float(one["confidence"]) for one in reversed(findings)}
    doubt = 1.0
    for confidence in kinds.values():
        doubt *= 1 - confidence
    candidate.confidence = min(0.99, round(1 - doubt, 4))
    candidate.kind, candidate.role = first("kind")[:40], first("role")[:32]
    candidate.framework, candidate.model = first("framework")[:80], first("model")[:255]
    candidate.description = first("description")
    candidate.tools = _together(findings, "tools")
    candidate.mcp_servers = _together(findings, "mcp_servers")


def _together(findings: list[dict[str, Any]], key: str) -> list[str]:
    return list(dict.fromkeys(str(item)[:255] for one in findings for item in one.get(key) or ()))[:200]


def _outcome(candidate: Candidate, before: str, is_new: bool, actor: Principal) -> str:
    if is_new:
        return "new"
    is_changed = candidate.digest != before
    if candidate.state == Candidate.State.IGNORED and (is_changed or candidate.is_waiting):
        why = "its evidence changed" if is_changed else "its time was over"
        candidate.state, candidate.ignored_until = Candidate.State.WAITING, None
        record_act(
            "agents.candidate.returned", actor=actor, target=("candidate", candidate.pk),
            detail={"name": candidate.name, "why": why},
        )  # fmt: skip
        return "returned"
    return "changed" if is_changed else "known"


def _link_strong(candidates: Iterable[Candidate], actor: Principal, now: datetime) -> None:
    """Join waiting candidates to agents of their own team by a key that exists once."""
    waiting = [one for one in candidates if one.state == Candidate.State.WAITING]
    for candidate, (agent, why) in strong_matches(waiting).items():
        candidate.state, candidate.agent = Candidate.State.LINKED, agent
        candidate.decided_at, candidate.decided_by = now, actor
        record_act(
            "agents.candidate.linked", actor=actor, target=("agent", agent.pk),
            detail={"name": candidate.name, "agent": agent.ref, "candidate": candidate.pk, "why": why},
        )  # fmt: skip


def _write(candidates: dict[str, Candidate], outcomes: dict[str, str], now: datetime) -> None:
    """Write what differs, as one upsert on the primary key: Django's bulk_update takes seconds for these columns."""
    known = [one for key, one in candidates.items() if outcomes[key] == "known" and one.decided_at != now]
    Candidate.objects.filter(pk__in=[one.pk for one in known]).update(last_seen=now)
    unchanged = {one.pk for one in known}
    changed = [one for one in candidates.values() if one.pk not in unchanged]
    Candidate.objects.bulk_create(
        changed, update_conflicts=True, unique_fields=["id"], update_fields=_COLUMNS, batch_size=500
    )


def _record(findings: Sequence[Found], source: str, outcomes: dict[str, str], actor: Principal) -> None:
    """One entry for a report that changed something; scans repeat every day and mostly change nothing."""
    new, changed = (
        sum(said in words for said in outcomes.values()) for words in (("new",), ("changed", "returned"))
    )
    if new or changed:
        record_act(
            "agents.candidates.reported", actor=actor, target=("source", source),
            detail={"source": source, "findings": len(findings), "new": new, "changed": changed},
        )  # fmt: skip
