"""Forms of oversight."""

from __future__ import annotations

from datetime import timedelta

from django import forms
from django.utils import timezone

from apps.identity.models import Team
from apps.kit.ui.forms import PlainForm
from apps.oversight.models import Approval, KillSwitch
from apps.oversight.services.standing import Consent


class ToolPolicyForm(PlainForm):
    """The tools an agent may call: those it was seen to call to tick, others by name."""

    seen = forms.MultipleChoiceField(
        label="Tools it was seen to call", required=False, widget=forms.CheckboxSelectMultiple
    )
    others = forms.CharField(
        label="Other tools it may call",
        required=False,
        max_length=20000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One a line: server/tool for a tool of an MCP server, its name for any other.",
    )
    reason = forms.CharField(max_length=2000, required=False, help_text="Why; kept in the ledger.")
    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: object, seen: list[str], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        offered = self.fields["seen"]
        assert isinstance(offered, forms.MultipleChoiceField)
        offered.choices = [(name, name) for name in seen]

    def allowed_tools(self) -> list[str]:
        """The names chosen, of both kinds."""
        return [*self.cleaned_data["seen"], *self.cleaned_data["others"].splitlines()]


class BlueprintPolicyForm(ToolPolicyForm):
    """The same for every instance of a blueprint."""

    reason = forms.CharField(max_length=2000, help_text="Why; kept in the ledger of every instance.")
    over_own = forms.BooleanField(
        required=False,
        label="Also replace policies that instances have of their own",
        help_text="Otherwise these stay.",
    )

    def __init__(self, *args: object, seen: list[str], **kwargs: object) -> None:
        super().__init__(*args, seen=seen, **kwargs)
        self.fields["seen"].label = "Tools instances were seen to call"
        self.fields["others"].label = "Other tools they may call"


class StopForm(PlainForm):
    """Why an agent is stopped."""

    reason = forms.CharField(
        max_length=2000, widget=forms.Textarea(attrs={"rows": 3}), help_text="Goes into the ledger; somebody else reviews it."
    )  # fmt: skip


class SwitchForm(PlainForm):
    """What is to stop beyond one agent."""

    scope = forms.ChoiceField(label="What stops", choices=KillSwitch.Scope.choices)
    team = forms.ModelChoiceField(
        queryset=Team.objects.all(), required=False, help_text="Only for a team; those below it stop too."
    )
    target = forms.CharField(
        label="Tool or model", max_length=520, required=False,
        help_text="server/tool, server/* for a whole server, a plain name for a tool wherever it is; a model such as gpt-4o*.",
    )  # fmt: skip
    reason = forms.CharField(
        max_length=2000, widget=forms.Textarea(attrs={"rows": 2}), help_text="Goes into the ledger and to every point."
    )  # fmt: skip


class LimitForm(PlainForm):
    """When a breaker trips of one cause."""

    is_on = forms.BooleanField(label="Trips the breaker", required=False)
    threshold = forms.IntegerField(label="How many", min_value=1, help_text="US dollars for spend.")
    window_minutes = forms.FloatField(label="Within minutes", min_value=0.2, max_value=10_080)
    share_percent = forms.IntegerField(
        label="And at least this share of its calls, in percent", required=False, min_value=1, max_value=100,
        help_text="For denied and failed calls; empty for any share.",
    )  # fmt: skip
    reason = forms.CharField(max_length=2000, help_text="Why; kept in the ledger.")
    version = forms.IntegerField(widget=forms.HiddenInput)


class ConsentForm(PlainForm):
    """Approve such calls in advance: how many, how long, within which limits."""

    most_calls = forms.IntegerField(label="At most so many calls", min_value=1, max_value=10_000, initial=20)
    days = forms.IntegerField(label="For so many days", min_value=1, max_value=90, initial=7)
    any_operation = forms.BooleanField(label="Whatever the operation", required=False)
    reason = forms.CharField(
        max_length=2000, widget=forms.Textarea(attrs={"rows": 2}), help_text="Why such calls need no look; goes into the ledger."
    )  # fmt: skip

    def __init__(self, *args: object, approval: Approval, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._approval = approval
        if not approval.operation:
            self.fields.pop("any_operation")
        for name, value in approval.arguments.items():
            self.fields[f"limit_{name}"] = _limit_field(name, value)

    def limit_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith("limit_")]

    def consent(self) -> Consent:
        """What the answers come to; an empty limit leaves that argument free."""
        said, asked = self.cleaned_data, self._approval
        given = {
            name: said[f"limit_{name}"]
            for name in asked.arguments
            if said.get(f"limit_{name}") not in (None, "")
        }
        return Consent(
            tool=asked.tool_name,
            operation="" if said.get("any_operation") else asked.operation,
            limits={name: _limit_of(asked.arguments[name], value) for name, value in given.items()},
            most_calls=said["most_calls"],
            until=timezone.now() + timedelta(days=said["days"]),
            reason=said["reason"],
        )


def _limit_field(name: str, value: object) -> forms.Field:
    if isinstance(value, int | float) and not isinstance(value, bool):
        words = "Empty: any amount."
        return forms.FloatField(label=f"{name}, at most", required=False, initial=value, help_text=words)
    return forms.CharField(
        label=f"{name}, one of", required=False, initial=value if isinstance(value, str) else "", max_length=4000,
        widget=forms.Textarea(attrs={"rows": 2}), help_text="One a line. Empty: anything.",
    )  # fmt: skip


def _limit_of(asked: object, said: object) -> dict[str, object]:
    if isinstance(asked, int | float) and not isinstance(asked, bool):
        return {"most": said}
    return {"among": [line.strip() for line in str(said).splitlines() if line.strip()]}
