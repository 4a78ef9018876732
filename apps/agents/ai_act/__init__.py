"""The class of an agent under the EU AI Act: the questions, and the decision list that reads their answers. Pure."""

from apps.agents.ai_act.deciding import (
    CLASS_OF,
    DUTY_WORDS,
    OUTCOME_WORDS,
    Applies,
    Outcome,
    Step,
    Walk,
    most_left,
    walk,
)
from apps.agents.ai_act.keeping import kept, walk_of
from apps.agents.ai_act.questionnaire import Question, Questionnaire, Stage, questionnaire

__all__ = [
    "CLASS_OF", "DUTY_WORDS", "OUTCOME_WORDS", "Applies", "Outcome", "Question", "Questionnaire", "Stage", "Step", "Walk", "kept", "most_left", "questionnaire", "walk", "walk_of",
]  # fmt: skip
