"""Forms of what is recorded and how long it is kept."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.activity.recording.policy import CHOICES, Rule
from apps.agents.models import DataClass
from apps.identity.models import Team
from apps.kit.ui.forms import PlainForm

TIERS = [("", "Any tier"), ("4", "4 Critical"), ("3", "3 High"), ("2", "2 Medium"), ("1", "1 Low")]


class DefaultForm(PlainForm):
    """What is recorded where no rule fits."""

    mode = forms.ChoiceField(choices=CHOICES, label="Of everything else")
    reason = forms.CharField(max_length=2000)


class RuleForm(PlainForm):
    """One more rule."""

    team = forms.ModelChoiceField(Team.objects.none(), required=False, empty_label="Any team")
    tier = forms.ChoiceField(choices=TIERS, required=False)
    data_class = forms.ChoiceField(
        choices=[("", "Any data"), *DataClass.choices], required=False, label="Data the tool touches"
    )
    mode = forms.ChoiceField(choices=CHOICES, label="Is recorded")
    reason = forms.CharField(max_length=2000)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["team"].queryset = Team.objects.order_by("name")  # type: ignore[attr-defined]

    def rule(self) -> Rule:
        told = self.cleaned_data
        team, tier = told["team"], told["tier"]
        return Rule(
            told["mode"], str(team.pk) if team else "", int(tier) if tier else None, told["data_class"]
        )


class RemoveForm(PlainForm):
    """One rule less, by its place in the version that was read."""

    place = forms.IntegerField(min_value=0)
    number = forms.IntegerField(min_value=0)
    reason = forms.CharField(max_length=2000)


class RetentionForm(PlainForm):
    """How many days; empty: without an end."""

    days = forms.IntegerField(required=False, min_value=1, max_value=3650, label="Days")
    is_archived = forms.BooleanField(required=False, label="Move to Parquet before deleting")
    reason = forms.CharField(max_length=2000)
