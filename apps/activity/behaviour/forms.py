"""Forms of alerts and detectors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms

from apps.kit.ui.forms import PlainForm

SNOOZES = [("1", "1 day"), ("7", "7 days"), ("30", "30 days"), ("90", "90 days")]
SWITCHES = [("", "As the fleet has it"), ("on", "On"), ("off", "Off")]


class SnoozeForm(PlainForm):
    """For how long an alert is put off, and why."""

    days = forms.ChoiceField(choices=SNOOZES)
    reason = forms.CharField(max_length=2000, required=False)

    def length(self) -> timedelta:
        # A minute less than the longest snooze allows: the click takes a moment.
        return timedelta(days=int(self.cleaned_data["days"])) - timedelta(minutes=1)


class SwitchForm(PlainForm):
    """One detector on, off, or as the fleet has it."""

    detector = forms.CharField(max_length=24)
    state = forms.ChoiceField(choices=SWITCHES, required=False)

    def chosen(self) -> bool | None:
        return {"on": True, "off": False}.get(self.cleaned_data["state"])


class RateForm(PlainForm):
    """How many calls in 1,000 may give an alarm."""

    per_thousand = forms.FloatField(
        min_value=0,
        max_value=100,
        required=False,
        label="Alarms in 1,000 calls",
    )

    def __init__(self, *args: Any, otherwise: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["per_thousand"].help_text = f"Of calls like those before. Empty: {otherwise}."

    def rate(self) -> float | None:
        given = self.cleaned_data["per_thousand"]
        return None if given is None else given / 1000
