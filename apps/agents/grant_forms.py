"""The form of leave to use a tool, for one agent or for every instance of a blueprint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms

from apps.agents.models import Leave, Tool
from apps.agents.services.grants import GrantRequest
from apps.identity.models import Principal
from apps.kit.ui.forms import PlainForm


class LimitsField(forms.CharField):
    """Limits, one a line as `name: value`; gives a mapping. Numbers and yes or no are read as such."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> dict[str, Any]:  # type: ignore[override]
        found = {}
        for line in str(value or "").splitlines():
            name, colon, said = line.partition(":")
            if line.strip() and not (colon and name.strip() and said.strip()):
                raise forms.ValidationError("Write each limit as name: value.")
            if line.strip():
                found[name.strip()] = _value(said.strip())
        return found

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return "\n".join(
            f"{name}: {said if isinstance(said, str) else json.dumps(said)}" for name, said in value.items()
        )


class ToolForm(PlainForm):
    """Which tool is meant: the first step."""

    tool = forms.ModelChoiceField(Tool.objects.none(), empty_label="Choose a tool")

    def __init__(self, *args: Any, actor: Principal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["tool"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Tool.objects.visible_to(actor)


class GrantForm(PlainForm):
    """Which operations of the tool, within which limits, until when, and why."""

    operations = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, help_text="None ticked: all of them."
    )
    constraints = LimitsField(
        label="Limits", required=False, max_length=4000, widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One a line: max_amount: 100",
    )  # fmt: skip
    expires_at = forms.DateTimeField(
        label="Ends", required=False, widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="In UTC. Empty: until it is taken back.",
    )  # fmt: skip
    reason = forms.CharField(
        max_length=2000, widget=forms.Textarea(attrs={"rows": 2}), help_text="Why its work needs the tool. Goes into the ledger."
    )  # fmt: skip

    def __init__(self, *args: Any, tool: Tool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tool = tool
        names = [operation.name for operation in tool.operations.all()]
        field = self.fields["operations"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(name, name) for name in names]
        if not names:
            del self.fields["operations"]

    def request(self) -> GrantRequest:
        data = self.cleaned_data
        return GrantRequest(
            self.tool, data["reason"], data.get("operations", []), data["constraints"], data["expires_at"]
        )


def initial_of(grant: Leave | None) -> dict[str, Any] | None:
    """A grant that stands as the form's first values; its reason is asked for again."""
    if grant is None:
        return None
    return {"operations": grant.operations, "constraints": grant.constraints, "expires_at": grant.expires_at}


def _value(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, (int, float, bool)) else text
