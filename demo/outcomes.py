"""What the demo's runs come to: of those now as attributes of their spans, of the weeks before as a case system's reports."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from demo.cast import Role, Work

WEEKS = 12
RELEASED_DAYS_AGO = 19
RUNS_A_DAY = 14
AT_ONCE = 250
SEGMENTS = ("E-mail", "Chat", "Phone")


def outcome_of_run(role: Role) -> dict[str, Any]:
    """How one run of now ends, as fields of an outcome; {} where nobody says."""
    return _ending(role.work, role.work.resolved_now, random.Random()) if role.work else {}


def released_on(role: Role) -> list[tuple[str, str, datetime]]:
    """Models of the weeks before with a label and when each began, oldest first."""
    if role.work is None:
        return []
    return [
        (role.work.model_before, "Spring release", _today() - timedelta(weeks=WEEKS, days=3)),
        (role.model, "Model change", _today() - timedelta(days=RELEASED_DAYS_AGO)),
    ]


def past_runs(role: Role, agent: str) -> list[dict[str, Any]]:
    """The runs of the last twelve weeks with what each came to; the same ones whenever the role is asked."""
    chance = random.Random(role.name)
    return list(_past_runs(role, role.work, agent, chance)) if role.work else []


def _past_runs(role: Role, work: Work, agent: str, chance: random.Random) -> Iterator[dict[str, Any]]:
    for days_ago in range(WEEKS * 7, 0, -1):
        share = work.resolved_now if days_ago <= RELEASED_DAYS_AGO else work.resolved
        for number in range(chance.randint(RUNS_A_DAY - 6, RUNS_A_DAY + 6)):
            at = (
                _today() - timedelta(days=days_ago) + timedelta(seconds=chance.randrange(8 * 3600, 18 * 3600))
            )
            yield {
                "agent": agent,
                "conversation_id": f"case-{role.name}-{at:%Y%m%d}-{number:03d}",
                "at": at.isoformat(),
                "contact": f"customer-{chance.randrange(100_000)}",
            } | _ending(work, share, chance)


def _ending(work: Work, resolved: float, chance: random.Random) -> dict[str, Any]:
    is_resolved = chance.random() < resolved
    is_given_up = not is_resolved and chance.random() < 0.3
    told = {
        "segment": chance.choice(SEGMENTS),
        "resolved": is_resolved,
        "escalated": not is_resolved and not is_given_up,
        "escalation_due": not is_resolved and (not is_given_up or chance.random() < 0.5),
        "abandoned": is_given_up,
        "cost": round(work.cost_eur * chance.uniform(0.5, 1.6), 4),
        "currency": "EUR",
    }
    if chance.random() < 0.4:  # not everybody rates
        told["rating"] = round(min(1.0, max(0.0, chance.gauss(work.trust if is_resolved else 0.35, 0.12))), 2)
    return told


def _today() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
