"""Forms of the catalogue: the fields of each kind that people enter."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms import modelform_factory

from apps.agents.forms import PersonField
from apps.agents.models import ASSETS, Asset, DataClass
from apps.agents.services.catalogue import WRITABLE
from apps.identity.models import Principal
from apps.kit.ui.forms import PlainForm, word_plainly

LEFT_OUT = {"schema", "drift_status"}  # measured or imported, not typed


class AssetForm(PlainForm):
    """Values by field name, with the version that was read; built by `asset_form`."""

    version = forms.IntegerField(widget=forms.HiddenInput, required=False)


def asset_form(kind: str, asset: Asset | None, data: Any, *, actor: Principal) -> AssetForm:
    """The form of one kind, filled from `asset` where there is one."""
    names = [name for name in WRITABLE[kind] if name not in LEFT_OUT]
    own = {name: field for name in names if (field := _own(name, actor))}
    drawn = own | modelform_factory(ASSETS[kind], fields=[name for name in names if name not in own])().fields
    initial = {name: getattr(asset, name) for name in (*names, "version")} if asset else {}
    form = AssetForm(data, initial=initial)
    for name in names:
        field = drawn[name]
        _name_empty(field)
        word_plainly(field)
        form.fields[name] = field
    return form


def _own(name: str, actor: Principal) -> forms.Field | None:
    if name == "owner":
        return PersonField(actor=actor, required=False, label="Owner")
    if name == "data_classes":
        return forms.MultipleChoiceField(
            choices=DataClass.choices,
            required=False,
            widget=forms.CheckboxSelectMultiple,
            label="Classes of data it touches",
        )
    if name in ("url", "registry_url", "metrics_url"):
        return forms.URLField(assume_scheme="https", max_length=300, required=False)
    if name == "description":
        return forms.CharField(max_length=4000, required=False, widget=forms.Textarea(attrs={"rows": 3}))
    return None


def _name_empty(field: forms.Field) -> None:
    """The empty choice in words instead of dashes."""
    if isinstance(field, forms.ModelChoiceField):
        field.empty_label = field.empty_label if isinstance(field, PersonField) else "None"
    elif isinstance(field, forms.ChoiceField):
        field.choices = [(value, label if value else "Not said") for value, label in list(field.choices)]  # type: ignore[arg-type]
