"""Keeping what runs came to: one row a run, whoever says what of it, however often."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.activity.models import OutcomeRules, RunOutcome
from apps.activity.models.outcomes import LONGEST_TEXT
from apps.activity.outcomes.words import ASSUMED, DERIVED, Told, equal, merged
from apps.agents.models import AgentVersion

Key = tuple[UUID, str]
WRITTEN = (
    "at", "version", "fingerprint", "segment", "contact", "resolved", "escalated", "escalation_due", "abandoned",
    "repeated", "reopened", "rating", "value", "cost", "currency", "told", "changed_at",
)  # fmt: skip


@transaction.atomic
def keep_outcomes(told: Sequence[Told]) -> set[Key]:
    """Bring these words in; the runs of which anything changed. About eight queries for any number.

    A step: who may say so was asked before. Rows are locked in the order of their keys, so that two reporters of the same
    runs wait for each other and never in a ring.
    """
    words = [_bounded(one) for one in told]
    rows = _locked(words)
    changed = {one.key for one in words if _bring(rows[one.key], one)}
    touched = [rows[key] for key in changed]
    if not touched:
        return set()
    _name_versions(touched)
    contacts = _repeats(touched)
    _write([*touched, *(row for row in contacts if row.pk not in {one.pk for one in touched})])
    return changed


def _bounded(one: Told) -> Told:
    short = one.conversation_id[:LONGEST_TEXT]
    return Told(one.agent_id, short, one.origin, one.said_at, one.at, one.fields)


def _locked(told: Sequence[Told]) -> dict[Key, RunOutcome]:
    """A locked row for each run; new ones are made first, whoever else makes them at the same time."""
    keys = {one.key: one for one in told}
    found = _among(keys)
    now = timezone.now()
    missing = [one for key, one in keys.items() if key not in found]
    RunOutcome.objects.bulk_create(
        [
            RunOutcome(
                agent_id=one.agent_id, conversation_id=one.conversation_id, at=one.at or one.said_at, changed_at=now,
                told={"at": [ASSUMED, one.said_at.isoformat()]},
            )
            for one in missing
        ],
        ignore_conflicts=True,
    )  # fmt: skip
    return _among(keys, lock=True)


def _among(keys: Iterable[Key], *, lock: bool = False) -> dict[Key, RunOutcome]:
    agents, names = {key[0] for key in keys}, {key[1] for key in keys}
    rows = RunOutcome.objects.filter(agent__in=agents, conversation_id__in=names).order_by("pk")
    rows = rows.select_for_update() if lock else rows
    wanted = set(keys)
    return {key: row for row in rows if (key := (row.agent_id, row.conversation_id)) in wanted}


def _bring(row: RunOutcome, told: Told) -> bool:
    """Let what stands of this word stand; True when the row now says anything else, or says it more surely."""
    standing = merged(row.told, told)
    news = False
    for name, value in standing.items():
        before = row.told.get(name)
        is_news = not equal(getattr(row, name), value) or before is None or before[0] != told.origin
        if is_news:
            setattr(row, name, value)
            row.told[name] = [told.origin, told.said_at.isoformat()]
            news = True
    return news


def _name_versions(rows: Sequence[RunOutcome]) -> None:
    """What each agent was made of when the run was: the version that began last before it."""
    known: dict[UUID, list[tuple[datetime, UUID, str]]] = defaultdict(list)
    versions = AgentVersion.objects.filter(agent__in={row.agent_id for row in rows}).order_by("first_seen")
    for agent_id, began, pk, mark in versions.values_list("agent_id", "first_seen", "pk", "fingerprint"):
        known[agent_id].append((began, pk, mark))
    for row in rows:
        versions_of = known[row.agent_id]
        at = bisect_right([moment for moment, *_ in versions_of], row.at) - 1
        row.version_id, row.fingerprint = versions_of[at][1:] if at >= 0 else (None, "")


def _repeats(rows: Sequence[RunOutcome]) -> list[RunOutcome]:
    """Mark runs whose contact came back within the days of their agent, among these and those around them.

    Only of agents whose rules are set, and only runs that are as old as that: of younger ones nothing is derived yet
    (deriving.py does it when their days are over), of older ones this is a word that came late.
    """
    days = dict(OutcomeRules.objects.filter(agent__in={row.agent_id for row in rows if row.contact}).values_list("agent_id", "repeat_days"))  # fmt: skip
    named = [row for row in rows if row.contact and row.agent_id in days]
    if not named:
        return []
    around: dict[tuple[UUID, str], dict[UUID, RunOutcome]] = defaultdict(dict)
    for row in (*_near(named, days), *named):
        around[(row.agent_id, row.contact)][row.pk] = row
    now = timezone.now()
    return [
        first
        for (agent_id, _), runs in around.items()
        for first in _followed(runs.values(), timedelta(days=days[agent_id]), now)
        if _bring(first, came_back(first))
    ]


def _followed(runs: Iterable[RunOutcome], within: timedelta, now: datetime) -> list[RunOutcome]:
    """Runs of one contact that another followed so soon, and that are themselves older than that."""
    ordered = sorted(runs, key=lambda run: (run.at, run.pk))
    return [
        first
        for first, second in pairwise(ordered)
        if second.at - first.at <= within and first.at <= now - within
    ]


def _near(named: Sequence[RunOutcome], days: dict[UUID, int]) -> list[RunOutcome]:
    """Stored runs of the same contacts, at most so many days off the earliest and latest of these."""
    within = timedelta(days=max(days.values()))
    low, high = min(row.at for row in named) - within, max(row.at for row in named) + within
    pairs = Q(pk=None)
    for agent_id in {row.agent_id for row in named}:
        contacts = {row.contact for row in named if row.agent_id == agent_id}
        pairs |= Q(agent=agent_id, contact__in=contacts)
    rows = RunOutcome.objects.filter(pairs, at__gte=low, at__lte=high).exclude(pk__in=[r.pk for r in named])
    return list(rows.order_by("pk").select_for_update())


def came_back(row: RunOutcome) -> Told:
    return derived(row, {"repeated": True, "resolved": False})


def derived(row: RunOutcome, fields: Mapping[str, object]) -> Told:
    return Told(row.agent_id, row.conversation_id, DERIVED, timezone.now(), None, fields)


def _write(rows: Sequence[RunOutcome]) -> None:
    now = timezone.now()
    for row in rows:
        row.changed_at = now
    # The rows are there and locked. As an upsert: an UPDATE of bulk_update names every row in every column's CASE.
    RunOutcome.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["id"], update_fields=WRITTEN, batch_size=500
    )
