"""Forms of the registry: the record, and adoption."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from apps.agents import risk
from apps.agents.models import Agent
from apps.identity.models import Principal, Team
from apps.identity.queries import people_visible_to
from apps.kit.ui.forms import PlainForm


def _level(dimension: risk.Dimension) -> forms.TypedChoiceField:
    return forms.TypedChoiceField(
        label=dimension.name,
        help_text=dimension.question,
        choices=[("", "Choose a level"), *dimension.choices()],
        coerce=int,
        empty_value=None,
    )


class RecordForm(PlainForm):
    """An agent's curated fields. All four levels, owner and deputy are asked for when it is adopted."""

    name = forms.CharField(max_length=200)
    purpose = forms.CharField(
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What it is for, in a sentence or two. People find it by this.",
    )
    team = forms.ModelChoiceField(Team.objects.all(), required=False, empty_label="No team")
    owner = forms.ModelChoiceField(
        Principal.objects.none(), empty_label="Choose a person", help_text="Answers for what it does."
    )
    deputy = forms.ModelChoiceField(
        Principal.objects.none(), empty_label="Choose a person", help_text="Stands in for the owner."
    )
    data_sensitivity = _level(risk.DIMENSIONS[0])
    decision_authority = _level(risk.DIMENSIONS[1])
    blast_radius = _level(risk.DIMENSIONS[2])
    regulatory_exposure = _level(risk.DIMENSIONS[3])
    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, actor: Principal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = people_visible_to(actor).filter(is_active=True).prefetch_related(None)
        for name in ("owner", "deputy"):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = people

    @property
    def risk_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in risk.FIELDS]


class EditForm(RecordForm):
    """As above, for an agent on record: what is unknown may stay so."""

    framework = forms.CharField(max_length=80, required=False)
    repository = forms.URLField(required=False, assume_scheme="https")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("owner", "deputy", "purpose", *risk.FIELDS):
            self.fields[name].required = False


class DraftForm(PlainForm):
    """Registering an agent before it runs."""

    name = forms.CharField(max_length=200)
    purpose = forms.CharField(max_length=4000, required=False, widget=forms.Textarea(attrs={"rows": 3}))
    team = forms.ModelChoiceField(Team.objects.all(), required=False, empty_label="No team")


def initial_of(agent: Agent) -> dict[str, Any]:
    """The record as a form's first values."""
    names = ("name", "purpose", "team", "owner", "deputy", "framework", "repository", "version", *risk.FIELDS)
    return {name: getattr(agent, name) for name in names}


def levels_in(data: Mapping[str, Any]) -> dict[str, int | None]:
    """The four levels as chosen so far, for a preview of the tier."""
    chosen = {name: str(data.get(name, "")) for name in risk.FIELDS}
    return {name: int(text) if text in {"1", "2", "3", "4"} else None for name, text in chosen.items()}
