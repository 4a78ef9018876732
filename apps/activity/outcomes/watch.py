"""Watching outcomes: the sequential test over what is known of each agent's runs, its state kept between two looks.

A look reads the runs since the level that is the reference began, so looking again at the same runs tells nothing new. What is
told starts a new level at the run where the change began: the next test measures from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.activity.models import OutcomeCursor, OutcomeWatch, RunOutcome
from apps.activity.outcomes.measures import (
    COST,
    MEASURES,
    Measure,
    Shift,
    first_shift,
    has_recovered,
    series_of,
)
from apps.activity.signals import outcome_shifted
from apps.agents.models import Agent

READER = "watch"
LATE_COMMITS = timedelta(minutes=10)
MOST_RUNS, KEPT_RUNS = 4000, 2000  # a longer reference is cut, seldom: every cut lets the test begin anew
MOST_SHIFTS = 20
MOST_CURRENCIES = 20
READ = ("at", "resolved", "escalated", "escalation_due", "abandoned", "rating", "cost")


def watch_outcomes() -> int:
    """Look at every agent of whose runs anything was said since the last time; how many changes were told."""
    OutcomeCursor.objects.get_or_create(name=READER)
    since = OutcomeCursor.objects.get(name=READER).at
    now = timezone.now()
    changed = RunOutcome.objects.all() if since is None else RunOutcome.objects.filter(changed_at__gte=since)
    agents = changed.order_by("agent_id").values_list("agent_id", flat=True).distinct()
    told = sum(len(watch_agent(pk)) for pk in agents)
    OutcomeCursor.objects.filter(name=READER).update(at=now - LATE_COMMITS)
    return told


@transaction.atomic
def watch_agent(agent_id: UUID) -> list[Shift]:
    """Bring the watches of one agent up to date; the changes told, oldest first for each measure."""
    agent = Agent.objects.get(pk=agent_id)
    measures = _measures_of(agent_id)
    OutcomeWatch.objects.bulk_create(
        [OutcomeWatch(agent=agent, measure=measure.key) for measure in measures], ignore_conflicts=True
    )
    held = OutcomeWatch.objects.select_for_update().filter(agent=agent).order_by("pk")
    watches = {watch.measure: watch for watch in held}
    told = []
    for measure in measures:
        shifts = _bring_up_to_date(watches[measure.key], measure)
        told += shifts
        for shift in shifts:
            _tell(agent, watches[measure.key], shift)
    return told


def _measures_of(agent_id: UUID) -> list[Measure]:
    """Every measure; of amounts one for each currency that the agent's runs name."""
    costs = RunOutcome.objects.filter(agent=agent_id, cost__isnull=False).order_by("currency")
    currencies = costs.values_list("currency", flat=True).distinct()[:MOST_CURRENCIES]
    return [one for one in MEASURES if not one.is_amount] + [COST.of(currency) for currency in currencies]


def _bring_up_to_date(watch: OutcomeWatch, measure: Measure) -> list[Shift]:
    """The changes since the last look; the watch is saved as it stands after them."""
    shifts: list[Shift] = []
    while len(shifts) < MOST_SHIFTS:
        series = series_of(measure, _runs(watch, measure))
        shift = first_shift(series)
        if shift is None or (watch.since is not None and shift.since <= watch.since):
            break
        _take(watch, shift)
        shifts.append(shift)
    watch.runs = len(series.values)
    watch.level = series.level(series.values) if watch.runs else None
    watch.save()
    return shifts


def _runs(watch: OutcomeWatch, measure: Measure) -> Sequence[RunOutcome]:
    """Runs since the reference began, oldest first. A reference that became too long begins later from now on."""
    rows = RunOutcome.objects.filter(agent=watch.agent_id)
    if measure.is_amount:
        rows = rows.filter(currency=measure.currency, cost__isnull=False)
    rows = rows if watch.since is None else rows.filter(at__gte=watch.since)
    newest = list(rows.only(*READ).order_by("-at", "-id")[: MOST_RUNS + 1])
    if len(newest) > MOST_RUNS:
        newest = newest[:KEPT_RUNS]
        watch.since = newest[-1].at
    return newest[::-1]


def _take(watch: OutcomeWatch, shift: Shift) -> None:
    watch.since, watch.told_at = shift.since, shift.told_at
    watch.sentence = shift.sentence(timezone.localdate())[:300]
    if shift.is_worse:
        watch.usual = shift.before if watch.usual is None else watch.usual
        watch.fell_at = shift.since
    elif watch.usual is not None and has_recovered(shift.measure, watch.usual, shift.before, shift.after):
        watch.usual, watch.fell_at = None, None


def _tell(agent: Agent, watch: OutcomeWatch, shift: Shift) -> None:
    outcome_shifted.send(
        sender=OutcomeWatch, agent=agent, shift=shift, is_recovered=not shift.is_worse and not watch.is_fallen
    )
