"""The questions of one stage of the EU AI Act as a form: yes or no to each, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms

from apps.agents.ai_act import Question, walk
from apps.agents.services.ai_act import LONGEST_REASON, Answer
from apps.kit.ui.forms import PlainForm

YES_NO = [("yes", "Yes"), ("no", "No")]


class StageForm(PlainForm):
    """Fields are named by the question, its reason `<question>.reason`. `reason` stands for every answer without one of
    its own. What does not matter any more after a decisive answer may stay empty."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    reason = forms.CharField(
        label="One reason for all that have none of their own", required=False, max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
    )  # fmt: skip

    def __init__(
        self, questions: Sequence[Question], before: Mapping[str, bool], *args: Any, **kwargs: Any
    ) -> None:
        self.questions, self.before = questions, before
        made = {one.id: forms.ChoiceField(choices=YES_NO, widget=forms.RadioSelect, label=one.ask, help_text=_hint(one))
                         for one in questions}  # fmt: skip
        super().__init__(*args, use_required_attribute=False, **kwargs)
        for one in questions:
            self.fields[one.id] = made[one.id]
            self.fields[one.id].error_messages["required"] = "Answer yes or no."
            self.fields[f"{one.id}.reason"] = forms.CharField(
                label="Reason", max_length=LONGEST_REASON, widget=forms.Textarea(attrs={"rows": 2}),
                error_messages={"required": "Say why, or give one reason for all below."},
            )  # fmt: skip

    @property
    def rows(self) -> list[tuple[Question, forms.BoundField, forms.BoundField]]:
        return [(one, self[one.id], self[f"{one.id}.reason"]) for one in self.questions]

    def clean(self) -> dict[str, Any]:
        """Only the questions that matter by what was answered have to be answered; only those need a reason."""
        cleaned = super().clean() or self.cleaned_data
        said = dict(self.before) | self._said(cleaned)
        mattering = {one.id for one in walk(said).asked}
        for one in self.questions:
            if one.id not in mattering:
                self._forgive(one.id, f"{one.id}.reason")
            elif cleaned.get("reason", "").strip() or not cleaned.get(one.id):
                self._forgive(f"{one.id}.reason")
        return cleaned

    def answers(self) -> dict[str, Answer]:
        """What was answered and matters, each with its reason or the one for all."""
        said = self._said(self.cleaned_data)
        mattering = {one.id for one in walk(dict(self.before) | said).asked}
        return {
            name: Answer(yes, self.cleaned_data.get(f"{name}.reason") or self.cleaned_data["reason"])
            for name, yes in said.items()
            if name in mattering
        }

    def _said(self, cleaned: Mapping[str, Any]) -> dict[str, bool]:
        return {one.id: cleaned[one.id] == "yes" for one in self.questions if cleaned.get(one.id)}

    def _forgive(self, *names: str) -> None:
        for name in names:
            self.errors.pop(name, None)


def initial_answers(questions: Iterable[Question], answers: Mapping[str, Any]) -> dict[str, Any]:
    """What was answered of these before, as the form's first values."""
    found: dict[str, Any] = {}
    for one in questions:
        known = answers.get(one.id)
        if known:
            found |= {one.id: "yes" if known["answer"] else "no", f"{one.id}.reason": known["reason"]}
    return found


def _hint(question: Question) -> str:
    since = f", from {question.applies_from:%-d %B %Y}" if question.applies_from else ""
    return f"{question.reference}{since}{f'. {question.note}' if question.note else ''}"
