"""Django form fields as the design draws them: label, hint, control and error tied by aria-describedby."""

from __future__ import annotations

from dataclasses import dataclass

from django import forms
from django.forms import BoundField
from django.utils.safestring import SafeString

_GROUPS = (forms.RadioSelect, forms.CheckboxSelectMultiple)


@dataclass(frozen=True)
class FieldView:
    """What templates/kit/field.html draws of one bound field. `shape`: control, tick or group."""

    bound: BoundField
    shape: str
    control: SafeString
    hint_id: str
    error_id: str

    @property
    def optional(self) -> bool:
        return not self.bound.field.required and self.shape != "tick"


def shape_of(widget: forms.Widget) -> str:
    """A group of choices, one tick box, or an ordinary control."""
    if isinstance(widget, _GROUPS):
        return "group"
    return "tick" if isinstance(widget, forms.CheckboxInput) else "control"


def field_view(bound: BoundField, **attrs: str | bool) -> FieldView:
    """Draw the control with its class and described-by ids; `attrs` override the widget's own."""
    shape = shape_of(bound.field.widget)
    base = bound.id_for_label or bound.auto_id or bound.html_name
    hint_id = f"{base}-hint" if bound.help_text else ""
    error_id = f"{base}-error" if bound.errors else ""
    control = bound.as_widget(attrs=_attrs(bound, shape, f"{hint_id} {error_id}".strip()) | attrs)
    return FieldView(bound, shape, control, hint_id, error_id)


def _attrs(bound: BoundField, shape: str, described_by: str) -> dict[str, str | bool]:
    attrs: dict[str, str | bool] = {}
    if shape == "control":
        own = str(bound.field.widget.attrs.get("class", ""))
        attrs["class"] = f"input {own}".strip()
    if described_by and shape != "group":
        attrs["aria-describedby"] = described_by
    if bound.errors and shape != "group":
        attrs["aria-invalid"] = "true"
    return attrs
