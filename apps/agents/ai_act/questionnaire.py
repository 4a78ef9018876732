"""The questions with their clauses, read once from `questionnaire.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("questionnaire.yaml")


@dataclass(frozen=True)
class Question:
    """One question for yes or no. `applies_from` is the day its clause binds; `area` is the use of Annex III it asks
    for; `duty` the transparency duty a yes brings, `binds` the role that bears it."""

    id: str
    ask: str
    reference: str
    stage: str
    applies_from: date | None = None
    area: str = ""
    duty: str = ""
    binds: str = ""
    note: str = ""


@dataclass(frozen=True)
class Stage:
    key: str
    title: str
    note: str
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Questionnaire:
    """`version` names the wording: answers given to another are told as such."""

    version: str
    stages: tuple[Stage, ...]

    def stage(self, key: str) -> Stage:
        return next(one for one in self.stages if one.key == key)

    @property
    def questions(self) -> Mapping[str, Question]:
        return {question.id: question for stage in self.stages for question in stage.questions}


@lru_cache(maxsize=1)
def questionnaire() -> Questionnaire:
    told = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return Questionnaire(told["version"], tuple(_stage(one) for one in told["stages"]))


def _stage(told: Mapping[str, Any]) -> Stage:
    common = {"stage": told["key"], "applies_from": told.get("applies_from")}
    questions = tuple(Question(**(common | one)) for one in told["questions"])
    return Stage(told["key"], told["title"], told["note"], questions)
