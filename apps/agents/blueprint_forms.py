"""Forms of blueprints: the definition, instances to make, agents to attach."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.agents.fields import SHAREABLE, restored
from apps.agents.forms import SECTIONS, FieldsForm
from apps.agents.models import Blueprint
from apps.agents.services.blueprints import Definition
from apps.identity.models import Principal, Team
from apps.kit.ui.forms import PlainForm


class BlueprintForm(FieldsForm):
    """A definition: what is left empty is each instance's own matter."""

    name = forms.CharField(max_length=200)
    description = forms.CharField(
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What its instances have in common, and who keeps the definition.",
    )
    kept_by = forms.ModelChoiceField(
        Team.objects.all(), required=False, empty_label="No team", label="Kept by the team"
    )
    version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, actor: Principal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in SHAREABLE:
            self.add(name, actor=actor)

    @property
    def own_fields(self) -> list[forms.BoundField]:
        return [self["name"], self["description"], self["kept_by"]]

    @property
    def parts(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The shared fields as the record groups them."""
        return [(title, [self[name] for name in names if name in SHAREABLE]) for title, names in SECTIONS]

    def definition(self) -> Definition:
        data = self.cleaned_data
        values = {name: data[name] for name in SHAREABLE}
        return Definition(data["name"], data["description"], data["kept_by"], values)


def initial_of(blueprint: Blueprint) -> dict[str, Any]:
    shared = {name: restored(name, value) for name, value in blueprint.defaults.items()}
    own = {"name": blueprint.name, "description": blueprint.description, "kept_by": blueprint.team}
    return shared | own | {"version": blueprint.version}


class InstancesForm(PlainForm):
    instances = forms.CharField(
        label="Instances",
        max_length=200_000,
        widget=forms.Textarea(attrs={"rows": 10, "class": "mono", "spellcheck": "false"}),
        help_text="One name a line. Or a table pasted from a sheet, its first row the headings: name, team, owner, "
        "countries and so on; what a row leaves empty comes from the definition.",
    )
    reason = forms.CharField(max_length=2000, required=False, help_text="Goes into the ledger.")


class AttachForm(PlainForm):
    agents = forms.CharField(
        max_length=50_000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="One a line: by number (AGT-0412), id, slug or a name only one has.",
    )
    reason = forms.CharField(max_length=2000, required=False, help_text="Goes into the ledger.")
