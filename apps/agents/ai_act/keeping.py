"""A decided walk as it is kept: in the words and with the dates of its day, whatever the questions become later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from apps.agents.ai_act.deciding import Applies, Outcome, Step, Walk
from apps.agents.ai_act.questionnaire import Question, Stage, questionnaire


def kept(found: Walk) -> dict[str, Any]:
    """Plain JSON that `walk_of` reads back."""
    walked = {one.stage for one in found.asked} | {one.stage for one in found.steps}
    stages = [one for one in questionnaire().stages if one.key in walked]
    return {
        "outcome": found.outcome, "roles": list(found.roles), "duties": list(found.duties), "area": found.area,
        "derogation": found.derogation,
        "stages": [{"key": one.key, "title": one.title, "note": one.note} for one in stages],
        "asked": [_told(asdict(one)) for one in found.asked],
        "steps": [_told(asdict(one)) for one in found.steps],
        "applies": [_told(asdict(one)) for one in found.applies],
    }  # fmt: skip


def walk_of(told: Mapping[str, Any]) -> Walk:
    """What `kept` wrote; nothing of it is open."""
    return Walk(
        asked=tuple(Question(**one | {"applies_from": _day(one["applies_from"])}) for one in told["asked"]),
        open=(),
        stage=None,
        steps=tuple(Step(one["stage"], one["words"], tuple(one["because"])) for one in told["steps"]),
        roles=tuple(told["roles"]),
        outcome=Outcome(told["outcome"]),
        duties=tuple(told["duties"]),
        area=told["area"],
        derogation=told["derogation"],
        stages=tuple(Stage(**one, questions=()) for one in told["stages"]),
        dates=tuple(Applies(date.fromisoformat(one["day"]), one["words"]) for one in told["applies"]),
    )


def _told(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one.isoformat() if isinstance(one, date) else one for name, one in parts.items()}


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
