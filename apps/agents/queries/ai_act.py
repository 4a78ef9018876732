"""An agent's class under the EU AI Act as people read it: the outcome, the way there, the dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from apps.agents.ai_act import (
    DUTY_WORDS,
    OUTCOME_WORDS,
    Applies,
    Outcome,
    Question,
    Stage,
    Walk,
    most_left,
    questionnaire,
    walk,
)
from apps.agents.models import Agent, AiActClassification

ROLE_WORDS = {
    "provider": "Provider", "deployer": "Deployer", "both": "Provider and deployer", "none": "Neither provider nor deployer",
}  # fmt: skip

AREA_WORDS = {
    "biometrics": "Biometrics", "critical_infrastructure": "Critical infrastructure", "education": "Education",
    "employment": "Employment and management of workers", "essential_services": "Public benefits and services",
    "credit": "Creditworthiness", "insurance": "Life and health insurance", "emergency": "Emergency response",
    "law_enforcement": "Law enforcement", "migration": "Migration, asylum and borders", "justice": "Justice",
    "elections": "Elections and voting",
}  # fmt: skip


@dataclass(frozen=True)
class AnswerLine:
    """One answer as it was given."""

    question: Question
    answer: bool
    reason: str
    by: str


@dataclass(frozen=True)
class StageLine:
    """One stage: what it came to ('' while it is open or lies ahead), its answers, whether it waits for one now."""

    stage: Stage
    words: str
    answers: list[AnswerLine]
    is_open: bool


@dataclass(frozen=True)
class Told:
    """A classification, concluded or on its way, in words. `left` is how many questions may still come."""

    classification: AiActClassification
    walk: Walk
    stages: list[StageLine]
    left: int

    @property
    def outcome(self) -> str:
        return OUTCOME_WORDS[self.walk.outcome] if self.walk.outcome else "Not decided yet"

    @property
    def is_prohibited(self) -> bool:
        return self.walk.outcome == Outcome.PROHIBITED

    @property
    def role(self) -> str:
        return ROLE_WORDS[self.walk.role]

    @property
    def area(self) -> str:
        return AREA_WORDS.get(self.walk.area, "")

    @property
    def duties(self) -> list[str]:
        return [DUTY_WORDS.get(duty, duty) for duty in self.walk.duties]

    @property
    def dates(self) -> list[tuple[Applies, bool]]:
        """What binds it from when, and whether that is still to come."""
        today = timezone.localdate()
        return [(one, one.is_upcoming(today)) for one in self.walk.applies]

    @property
    def answered(self) -> int:
        return sum(len(line.answers) for line in self.stages)

    @property
    def is_of_former_wording(self) -> bool:
        return self.classification.questionnaire != questionnaire().version


def told(classification: AiActClassification) -> Told:
    found = classification.walk
    words = {step.stage: step.words for step in found.steps}
    stages = [
        StageLine(
            stage, words.get(stage.key, ""), _answers(stage, found, classification.answers),
            found.stage is not None and found.stage.key == stage.key,
        )
        for stage in (questionnaire().stages if found.stages is None else found.stages)
    ]  # fmt: skip
    return Told(classification, found, stages, 0 if found.outcome else most_left(classification.said))


def classifications_of(agent: Agent) -> tuple[AiActClassification | None, list[AiActClassification]]:
    """The draft, and the concluded ones, the latest first; one query."""
    rows = list(agent.ai_act_classifications.select_related("begun_by", "concluded_by"))
    draft = next((one for one in rows if one.number is None), None)
    return draft, sorted((one for one in rows if one.number), key=lambda one: -(one.number or 0))


def questions_at(classification: AiActClassification, stage: str) -> tuple[list[Question], dict[str, bool]]:
    """The questions to show: those of the stage named, where the answers before it lead there, otherwise the open ones;
    and the answers given before them."""
    said, found = classification.said, classification.walk
    keys = [one.key for one in questionnaire().stages]
    if stage in keys:
        earlier = set(keys[: keys.index(stage)])
        before = {name: yes for name, yes in said.items() if questionnaire().questions[name].stage in earlier}
        there = walk(before)
        if there.stage is not None and there.stage.key == stage:
            return list(there.open), before
    waiting = {one.id for one in found.open}
    return list(found.open), {name: yes for name, yes in said.items() if name not in waiting}


def _answers(stage: Stage, found: Walk, answers: Mapping[str, Any]) -> list[AnswerLine]:
    return [
        AnswerLine(one, known["answer"], known["reason"], known.get("by", ""))
        for one in found.asked
        if one.stage == stage.key and (known := answers.get(one.id))
    ]
