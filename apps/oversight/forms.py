"""Forms of oversight."""

from __future__ import annotations

from django import forms

from apps.identity.models import Team
from apps.kit.ui.forms import PlainForm
from apps.oversight.models import KillSwitch


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
