"""Forms of compliance."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.compliance.models import Control, ControlResult, Framework
from apps.compliance.services.certifications import CertificationRequest, ControlJudgement
from apps.kit.ui.forms import PlainForm


class CertificationForm(PlainForm):
    """One framework's controls, each with a result and a note, and the evidence they rest on."""

    evidence = forms.CharField(
        max_length=8000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="What the judgement rests on: tests run, documents read, people asked.",
    )

    def __init__(self, *args: Any, framework: Framework, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.framework = framework
        self.controls = list(framework.controls.all())
        for control in self.controls:
            self.fields[_result(control)] = forms.ChoiceField(
                label=f"Result of {control.code}", choices=[("", "Judge it"), *ControlResult.Result.choices]
            )
            self.fields[_note(control)] = forms.CharField(
                label=f"Note on {control.code}", max_length=2000, required=False
            )

    def rows(self) -> list[tuple[Control, forms.BoundField, forms.BoundField]]:
        """Each control with its two fields."""
        return [(control, self[_result(control)], self[_note(control)]) for control in self.controls]

    def request(self) -> CertificationRequest:
        """What the form asks for."""
        given = self.cleaned_data
        judged = {c.code: ControlJudgement(given[_result(c)], given[_note(c)]) for c in self.controls}
        return CertificationRequest(self.framework, given["evidence"], judged)

    def add_problems(self, fields: dict[str, str]) -> None:
        """Put what a service refused beside the control it is about."""
        by_code = {control.code: _result(control) for control in self.controls}
        for name, words in fields.items():
            field = by_code.get(name, name)
            self.add_error(field if field in self.fields else None, words)


def _result(control: Control) -> str:
    return f"control-{control.pk}"


def _note(control: Control) -> str:
    return f"note-{control.pk}"
