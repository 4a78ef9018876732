"""Forms of oversight."""

from __future__ import annotations

from django import forms

from apps.kit.ui.forms import PlainForm


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
