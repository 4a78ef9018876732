"""The form of a read-back: both forms of evidence with the condition below them."""

from __future__ import annotations

from typing import Any

import orjson
from django import forms

from apps.activity.effects.rules import (
    EQUALS_FIELD,
    LONGEST_NAME,
    LONGEST_S,
    LONGEST_URL,
    LONGEST_VALUE,
    OF,
    TESTS,
    WITHIN_S,
    Address,
    Condition,
    Observed,
    Rule,
)
from apps.activity.effects.services import Draft
from apps.kit.errors import InvalidInput
from apps.kit.ui.forms import PlainForm

KINDS = {"observed": "A later call shows it", "address": "An address is asked"}
NEEDED = {
    "observed": ("observed_tool", "observed_argument", "observed_field"),
    "address": ("address_url",),
}
WHOLE = {"observed": "kind", "address": "kind", "condition": "condition_test"}


class ReadBackForm(PlainForm):
    """What is to be declared, by the names of the rule's parts. What the other form of evidence needs may stay empty."""

    use_required_attribute = False
    kind = forms.ChoiceField(label="How it is found out", choices=list(KINDS.items()))
    observed_tool = forms.CharField(
        label="Tool whose call shows it", max_length=LONGEST_NAME, required=False,
        help_text="Such as get_refund, a call of which the agent reports anyway.",
    )  # fmt: skip
    observed_server = forms.CharField(
        label="Its MCP server",
        max_length=LONGEST_NAME,
        required=False,
        help_text="Empty for a tool of no server.",
    )
    observed_of = forms.ChoiceField(label="Looked for in", choices=list(OF.items()))
    observed_argument = forms.CharField(
        label="Its argument", max_length=200, required=False, help_text="Such as refund_id."
    )
    observed_field = forms.CharField(
        label="equals this field of the call", max_length=200, required=False,
        help_text="Such as result.id or arguments.refund_id.",
    )  # fmt: skip
    address_url = forms.CharField(
        label="Address", max_length=LONGEST_URL, required=False,
        help_text="Such as https://erp.example.org/refunds/{result.id}. Asked by GET; it is told values of calls, so "
        "declaring one takes the right to manage webhooks.",
    )  # fmt: skip
    address_status = forms.IntegerField(
        label="Expected status", required=False, help_text="200 unless you say."
    )
    secret = forms.CharField(
        label="Bearer token", required=False, max_length=2000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Sealed, sent with each request, never shown again. Empty keeps the one there is.",
    )  # fmt: skip
    drops_secret = forms.BooleanField(label="Drop the token there is", required=False)
    condition_path = forms.CharField(
        label="In what comes back", max_length=200, required=False,
        help_text="Such as status or items[0].state. Empty for the whole of it.",
    )  # fmt: skip
    condition_test = forms.ChoiceField(
        label="Has to show", required=False, choices=[("", "The status alone decides"), *TESTS.items()]
    )
    condition_value = forms.CharField(
        label="Value", max_length=LONGEST_VALUE, required=False, help_text="For equals a value and contains."
    )
    condition_field = forms.CharField(
        label="Field of the call", max_length=200, required=False, help_text="Such as arguments.amount."
    )
    within_s = forms.IntegerField(label="Within, seconds", min_value=1, max_value=LONGEST_S, initial=WITHIN_S)
    reason = forms.CharField(
        label="Reason", max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    number = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for kind, names in NEEDED.items():
            for name in names:
                self.fields[name].required = not self.is_bound or self.data.get("kind") == kind

    def draft(self) -> Draft:
        given = self.cleaned_data
        return Draft(rule_in(given), given["secret"], given["drops_secret"])

    def refuse(self, error: InvalidInput) -> InvalidInput:
        """The same refusal with the names of this form's fields."""
        named = {WHOLE.get(name, name.replace(".", "_")): words for name, words in error.fields.items()}
        return InvalidInput(error.message, fields=named)


def rule_in(given: dict[str, Any]) -> Rule:
    """The rule that cleaned values of the form declare."""
    test = given["condition_test"]
    condition = None
    if test:
        value = value_in(given["condition_value"]) if test != EQUALS_FIELD else None
        condition = Condition(test, given["condition_path"], value, given["condition_field"])
    if given["kind"] == "address":
        address = Address(given["address_url"].strip(), given["address_status"] or 200)
        return Rule(given["within_s"], address=address, condition=condition)
    names = ("tool", "argument", "field", "server", "of")
    return Rule(
        given["within_s"], Observed(**{n: given[f"observed_{n}"] for n in names}), condition=condition
    )


def value_in(words: str) -> Any:
    """What was typed: a number, true and false as JSON has them, "12" in quotation marks as text, all else as text."""
    try:
        told = orjson.loads(words)
    except orjson.JSONDecodeError:
        return words or None
    return told if isinstance(told, (str, int, float)) else words


def initial_of(rule: Rule | None, number: int, server: str = "") -> dict[str, Any]:
    """What the form shows of a rule that stands."""
    if rule is None:
        return {"number": number, "observed_server": server, "condition_test": "equals"}
    told: dict[str, Any] = {
        "number": number,
        "within_s": rule.within_s,
        "kind": "address" if rule.is_asked else "observed",
    }
    for part in ("observed", "address", "condition"):
        held = rule.as_json()[part] or {}
        told |= {f"{part}_{name}": value for name, value in held.items()}
    told["condition_value"] = _typed(told.get("condition_value"))
    return told


def _typed(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return orjson.dumps(value).decode()
    return value if value_in(value) == value else orjson.dumps(value).decode()
