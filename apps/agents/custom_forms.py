"""The form that defines a custom field."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.agents.models import CustomField
from apps.agents.services.custom_fields import PARTS, CustomDefinition
from apps.identity.models import Team
from apps.kit.ui.forms import PlainForm


class LinesField(forms.CharField):
    """Texts, one a line; gives a list without repeats."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        return list(dict.fromkeys(line.strip() for line in str(value or "").splitlines() if line.strip()))

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value


class CustomFieldForm(PlainForm):
    key = forms.SlugField(
        max_length=40,
        help_text="How imports and REST name it, as custom.key: letters, digits, - and _. It never changes.",
    )
    label = forms.CharField(max_length=80, help_text="How people read it.")
    kind = forms.ChoiceField(choices=CustomField.Kind.choices)
    help_text = forms.CharField(
        max_length=200, required=False, label="Help", help_text="Shown beside it where it is entered."
    )
    choices = LinesField(
        required=False, widget=forms.Textarea(attrs={"rows": 4}), label="What can be chosen", help_text="One a line; for one of a list."
    )  # fmt: skip
    pattern = forms.CharField(
        max_length=200,
        required=False,
        help_text=r"A regular expression that text must match as a whole, such as \d{4}.",
    )
    minimum = forms.FloatField(required=False, help_text="Of a number.")
    maximum = forms.FloatField(required=False, help_text="Of a number.")
    is_required = forms.BooleanField(
        required=False,
        label="A value is required",
        help_text="Asked for when custom fields of a record are next changed.",
    )
    teams = forms.ModelMultipleChoiceField(
        Team.objects.all(), required=False, widget=forms.CheckboxSelectMultiple, label="Asked of agents of",
        help_text="None ticked: of every agent.",
    )  # fmt: skip

    def __init__(self, *args: Any, custom: CustomField | None, **kwargs: Any) -> None:
        initial = (
            {name: getattr(custom, name) for name in PARTS} | {"teams": custom.teams.all()}
            if custom
            else None
        )
        super().__init__(*args, initial=initial, **kwargs)
        if custom:
            del self.fields["key"]

    def definition(self) -> CustomDefinition:
        data = self.cleaned_data
        return CustomDefinition(**{name: data[name] for name in PARTS}, teams=list(data["teams"]))
