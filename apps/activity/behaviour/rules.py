"""Which rules hold for an agent: the fleet's choices, and its own before them."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from apps.activity.behaviour.calibration import DEFAULT_RATE
from apps.activity.behaviour.scoring import Rules
from apps.activity.models import DetectorSetting


def rules_for(agent_ids: Iterable[UUID]) -> dict[UUID, Rules]:
    """The rules of each agent; one query."""
    wanted = list(agent_ids)
    rows = list(DetectorSetting.objects.filter(Q(agent=None) | Q(agent__in=wanted)))
    fleet = [row for row in rows if row.agent_id is None]
    return {pk: merged([*fleet, *(row for row in rows if row.agent_id == pk)]) for pk in wanted}


def merged(rows: Iterable[DetectorSetting]) -> Rules:
    """Several layers of choices as one: a later one outweighs an earlier one where it says something.

    A row of a detector switches it; rate and calls stand only in the row of none.
    """
    rate, least, switches = DEFAULT_RATE, settings.BASELINE_CALLS, dict[str, bool]()
    for row in rows:
        if row.detector:
            switches |= {row.detector: row.is_on} if row.is_on is not None else {}
            continue
        rate = row.rate if row.rate is not None else rate
        least = row.least_calls if row.least_calls is not None else least
    return Rules(rate, frozenset(name for name, is_on in switches.items() if not is_on), least)
