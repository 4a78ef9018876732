"""Forms of the registry: the record, one field of it, drafts, bulk edits, imports, campaigns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import FieldDoesNotExist

from apps.agents import risk
from apps.agents.fields import EDITABLE, FIELDS, Field
from apps.agents.models import Agent, CustomField
from apps.agents.operations import VERBS, Operation
from apps.identity.models import Principal, Team
from apps.identity.queries import people_visible_to
from apps.kit.ui.forms import PlainForm, word_plainly

HINTS = {
    "purpose": "What it is for, in a sentence or two. People find it by this.",
    "owner": "Answers for what it does.",
    "deputy": "Stands in for the owner.",
    "countries": "Two-letter codes, separated by commas: FI, SE.",
    "languages": "Separated by commas: en, fi, sv-FI.",
    "retention_days": "How long what it records is kept.",
    "endpoints": "Where it is reached, one a line.",
    "sub_processors": "Others who process its data, separated by commas.",
    "tags": "Separated by commas.",
    "users_served": "Whom it serves: tellers, retail customers in Finland.",
}
SECTIONS = (
    ("What it is", ("name", "purpose", "business_service", "environment", "framework", "repository", "endpoints")),
    ("Who answers for it", ("owner", "deputy", "team")),
    ("Whom and what it reaches", ("users_served", "countries", "languages", "retention_days", "sub_processors")),
    ("Oversight", ("oversight_level", "ai_act_class", "tags")),
)  # fmt: skip


class ListField(forms.CharField):
    """Texts separated by commas or lines; gives a list without repeats."""

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        items = value if isinstance(value, list) else re.split(r"[,\n]", value or "")
        return list(dict.fromkeys(text for item in items if (text := item.strip())))

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value


class PersonField(forms.ModelChoiceField):
    """One of the active people the actor may see."""

    def __init__(self, *, actor: Principal, **kwargs: Any) -> None:
        people = people_visible_to(actor).filter(is_active=True).prefetch_related(None)
        super().__init__(people, empty_label="Choose a person", **kwargs)


def form_field(spec: Field, *, actor: Principal, required: bool = False) -> forms.Field:
    """The form's field for a curated field of the record."""
    common: dict[str, Any] = {
        "label": spec.label, "required": required, "help_text": HINTS.get(spec.name, ""),
    }  # fmt: skip
    if spec.kind == "person":
        return PersonField(actor=actor, **common)
    if spec.kind == "team":
        return forms.ModelChoiceField(Team.objects.all(), empty_label="No team", **common)
    if spec.kind == "level":
        return _level(spec, common)
    if spec.choices:
        return forms.ChoiceField(choices=[("", "Not said"), *spec.choices], **common)
    return _typed(spec, common)


def _typed(spec: Field, common: dict[str, Any]) -> forms.Field:
    if spec.kind == "number":
        return forms.IntegerField(min_value=0, max_value=36_500, **common)
    if spec.kind == "list":
        return ListField(max_length=4000, **common)
    if spec.kind == "long_text":
        return forms.CharField(max_length=4000, widget=forms.Textarea(attrs={"rows": 3}), **common)
    if spec.kind == "link":
        return forms.URLField(assume_scheme="https", max_length=_longest(spec.name), **common)
    return forms.CharField(max_length=_longest(spec.name), **common)


def _level(spec: Field, common: dict[str, Any]) -> forms.TypedChoiceField:
    question = next(one.question for one in risk.DIMENSIONS if one.field == spec.name)
    return forms.TypedChoiceField(
        choices=[("", "Choose a level"), *spec.choices],
        coerce=int,
        empty_value=None,
        **(common | {"help_text": question}),
    )


def _longest(name: str) -> int | None:
    try:
        return getattr(Agent._meta.get_field(name), "max_length", None)
    except FieldDoesNotExist:
        return None


class FieldsForm(PlainForm):
    """A form over some of the curated fields."""

    def add(self, name: str, *, actor: Principal, required: bool = False) -> None:
        field = form_field(FIELDS[name], actor=actor, required=required)
        word_plainly(field)
        self.fields[name] = field

    @property
    def risk_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in risk.FIELDS]


class RecordForm(FieldsForm):
    """What is asked for when an agent is adopted: its name, purpose, people and the four levels."""

    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, actor: Principal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("name", "purpose", "owner", "deputy", *risk.FIELDS):
            self.add(name, actor=actor, required=True)
        self.add("team", actor=actor)


class EditForm(FieldsForm):
    """The whole record of an agent; what is unknown may stay so. Custom fields are `custom.<key>`."""

    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, actor: Principal, agent: Agent, **kwargs: Any) -> None:
        super().__init__(*args, initial=initial_of(agent), **kwargs)
        for _, names in SECTIONS:
            for name in names:
                self.add(name, actor=actor, required=name == "name")
        for name in risk.FIELDS:
            self.add(name, actor=actor)
        self.kept = agent.custom
        self.custom = list(CustomField.objects.asked_of(agent.team_id))
        for custom in self.custom:
            self.fields[f"custom.{custom.key}"] = custom_form_field(custom)

    @property
    def parts(self) -> list[tuple[str, list[forms.BoundField]]]:
        return [(title, [self[name] for name in names]) for title, names in SECTIONS]

    @property
    def custom_fields(self) -> list[forms.BoundField]:
        return [self[f"custom.{one.key}"] for one in self.custom]

    def changes(self) -> dict[str, Any]:
        """The values by curated field; custom fields gathered into one mapping."""
        values = {name: value for name, value in self.cleaned_data.items() if name in FIELDS}
        if self.custom:
            said = {one.key: custom_value(self.cleaned_data[f"custom.{one.key}"]) for one in self.custom}
            values["custom"] = {k: v for k, v in (self.kept | said).items() if v not in (None, "")}
        return values


def custom_form_field(custom: CustomField) -> forms.Field:
    common: dict[str, Any] = {
        "label": custom.label, "help_text": custom.help_text, "required": custom.is_required,
    }  # fmt: skip
    made = _CUSTOM[CustomField.Kind(custom.kind)](custom, common)
    word_plainly(made)
    return made


def custom_value(value: Any) -> Any:
    """As JSON: dates in ISO 8601, a choice of yes or no as a boolean."""
    return value.isoformat() if hasattr(value, "isoformat") else value


_CUSTOM: Mapping[CustomField.Kind, Any] = {
    CustomField.Kind.TEXT: lambda one, common: forms.CharField(max_length=2000, **common),
    CustomField.Kind.NUMBER: lambda one, common: forms.FloatField(
        min_value=one.minimum, max_value=one.maximum, **common
    ),
    CustomField.Kind.BOOLEAN: lambda one, common: forms.TypedChoiceField(
        choices=[("", "Not said"), ("true", "Yes"), ("false", "No")],
        coerce=lambda text: text == "true",
        empty_value=None,
        **common,
    ),
    CustomField.Kind.DATE: lambda one, common: forms.DateField(
        widget=forms.DateInput(attrs={"type": "date"}), **common
    ),
    CustomField.Kind.CHOICE: lambda one, common: forms.ChoiceField(
        choices=[("", "Not said"), *((value, value) for value in one.choices)], **common
    ),
    CustomField.Kind.URL: lambda one, common: forms.URLField(assume_scheme="https", **common),
}


class OneFieldForm(FieldsForm):
    """One field of one record, edited where it stands."""

    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, name: str, actor: Principal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add(name, actor=actor, required=name == "name")
        self.name = name

    @property
    def control(self) -> forms.BoundField:
        return self[self.name]


class BulkForm(FieldsForm):
    """A verb and a value for each field of a bulk edit; `field.verb` is empty for a field left alone."""

    reason = forms.CharField(
        max_length=2000, widget=forms.Textarea(attrs={"rows": 2}), help_text="Goes into the ledger."
    )

    def __init__(self, *args: Any, actor: Principal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in EDITABLE:
            spec = FIELDS[name]
            if name not in ("name", "custom"):
                self.add(name, actor=actor)
                verbs = VERBS if spec.kind == "list" else {v: VERBS[v] for v in ("set", "clear")}
                self.fields[f"{name}.verb"] = forms.ChoiceField(
                    label=f"{spec.label}: what to do", required=False, choices=[("", "Leave"), *verbs.items()]
                )

    @property
    def lines(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        return [(self[f"{name}.verb"], self[name]) for name in FIELDS if name in self.fields]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name in FIELDS:
            if cleaned.get(f"{name}.verb") in ("set", "add", "remove") and cleaned.get(name) in (
                None,
                "",
                [],
            ):
                self.add_error(name, "Enter a value.")
        return cleaned

    def operations(self) -> list[Operation]:
        """What was chosen, values as stored."""
        found = []
        for name in FIELDS:
            verb = self.cleaned_data.get(f"{name}.verb")
            if verb:
                value = self.cleaned_data.get(name)
                value = str(value.pk) if FIELDS[name].is_relation and value is not None else value
                found.append(Operation(name, verb, None if verb == "clear" else value))
        return found


class ImportForm(PlainForm):
    file = forms.FileField(
        help_text="CSV, XLSX or JSON of at most 10 MB and 20,000 rows, with a heading for each field."
    )
    source = forms.CharField(
        max_length=120, help_text="Where it comes from: ServiceNow, the risk team's sheet."
    )
    make_new = forms.BooleanField(
        required=False, initial=True, label="Register rows that name no agent as drafts"
    )
    as_own_word = forms.BooleanField(
        required=False, label="Take it as my own word",
        help_text="Otherwise it fills what nobody said and is listed where it contradicts a person.",
    )  # fmt: skip


class CampaignForm(PlainForm):
    title = forms.CharField(max_length=120)
    due_on = forms.DateField(label="Answer by", widget=forms.DateInput(attrs={"type": "date"}))
    note = forms.CharField(
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Shown to every owner.",
    )


class DraftForm(PlainForm):
    """Registering an agent before it runs."""

    name = forms.CharField(max_length=200)
    purpose = forms.CharField(max_length=4000, required=False, widget=forms.Textarea(attrs={"rows": 3}))
    team = forms.ModelChoiceField(Team.objects.all(), required=False, empty_label="No team")


def initial_of(agent: Agent) -> dict[str, Any]:
    """The record as a form's first values."""
    custom = {f"custom.{key}": _shown(value) for key, value in agent.custom.items()}
    return (
        {name: getattr(agent, name) for name in EDITABLE if name != "custom"}
        | custom
        | {"version": agent.version}
    )


def _shown(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
