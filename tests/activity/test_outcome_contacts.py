"""What contacts tell of runs: coming back and staying away are told at the same age, so time alone is no fall."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.activity.models import OutcomeRules, OutcomeWatch, RunOutcome
from apps.activity.outcomes.deriving import derive_outcomes
from apps.activity.outcomes.watch import watch_outcomes
from apps.activity.outcomes.words import API, Told
from apps.activity.outcomes.writing import keep_outcomes
from apps.agents.models import Agent
from tests import factories

DAY = timedelta(days=1)


@pytest.fixture
def agent(db: Any) -> Agent:
    return factories.make_agent("production", tier=3)


def make_contacts(agent: Agent, days: int, share: float, first_day: int, ago: int) -> None:
    """Of each of these days 24 runs of as many contacts, of whom this share does not come back the next day."""
    now = timezone.now()
    told = []
    for day in range(days):
        for at in range(24):
            number = day * 24 + at
            moment = now - timedelta(days=ago - day) + timedelta(minutes=at)
            name = f"{first_day + day}-{at}"
            told.append(Told(agent.pk, name, API, now, moment, {"contact": name}))
            if int((number + 1) * share) == int(number * share):
                back = moment + timedelta(hours=20)
                told.append(Told(agent.pk, f"{name}-again", API, now, back, {"contact": name}))
    keep_outcomes(told)


@pytest.mark.parametrize("has_rules", [True, False])
def test_contacts_that_come_back_as_ever_are_no_fall(agent: Agent, has_rules: bool) -> None:
    if has_rules:
        OutcomeRules.objects.create(agent=agent, repeat_days=7)
    make_contacts(agent, 28, 0.9, first_day=0, ago=30)
    derive_outcomes()
    assert watch_outcomes() == 0
    firsts = RunOutcome.objects.exclude(conversation_id__endswith="again")
    young = timezone.now() - 7 * DAY
    assert not firsts.filter(at__gt=young).exclude(resolved=None, repeated=None).exists()
    known = list(firsts.filter(at__lte=young).values_list("resolved", flat=True))
    if has_rules:
        assert sum(known) / len(known) == pytest.approx(0.9, abs=0.02)
    else:
        assert set(known) == {None}


def test_contacts_that_come_back_more_often_are_a_fall(agent: Agent) -> None:
    OutcomeRules.objects.create(agent=agent, repeat_days=7)
    make_contacts(agent, 21, 0.9, first_day=0, ago=40)
    make_contacts(agent, 18, 0.5, first_day=21, ago=19)
    derive_outcomes()
    watch_outcomes()
    watch = OutcomeWatch.objects.get(measure="resolution")
    assert watch.is_fallen
    assert watch.fell_at is not None
    assert abs(watch.fell_at - (timezone.now() - 19 * DAY)) < 2 * DAY
