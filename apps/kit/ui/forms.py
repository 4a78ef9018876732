"""Forms whose messages are instructions in our words instead of Django's."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import (
    MaxLengthValidator,
    MaxValueValidator,
    MinLengthValidator,
    MinValueValidator,
)

from apps.kit.ui.formats import number

_WRONG_KIND = {
    forms.EmailField: "Enter an e-mail address, like name@example.org.",
    forms.DateTimeField: "Enter a date and time, like 2026-12-02 10:30.",
    forms.DateField: "Enter a date, like 2026-12-02.",
    forms.IntegerField: "Enter a whole number.",
    forms.DecimalField: "Enter a number.",
    forms.FloatField: "Enter a number.",
    forms.UUIDField: "Enter an identifier of 32 hexadecimal digits.",
    forms.URLField: "Enter a web address, like https://example.org.",
}
_CHOICES = (forms.ChoiceField, forms.ModelChoiceField)


class PlainForm(forms.Form):
    """A form whose errors say what to enter. Also a mixin for ModelForm (put it first)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            word_plainly(field)


def word_plainly(field: forms.Field) -> None:
    """Replace the messages of one field of one form instance; a message set on purpose is kept."""
    plain = {"required": "Choose one." if isinstance(field, _CHOICES) else "Fill this in."}
    if isinstance(field, _CHOICES):
        plain["invalid_choice"] = "Choose one of the list."
    for kind, message in _WRONG_KIND.items():
        if isinstance(field, kind):
            plain["invalid"] = message
            break
    own = _own_messages(field)
    field.error_messages.update({code: words for code, words in plain.items() if code not in own})
    field.validators = [_reworded(validator) for validator in field.validators]


def _own_messages(field: forms.Field) -> set[str]:
    """Codes whose message differs from the one the field's classes bring."""
    brought: dict[str, object] = {}
    for part in reversed(type(field).__mro__):
        brought |= getattr(part, "default_error_messages", {})
    return {code for code, words in field.error_messages.items() if words != brought.get(code)}


def _reworded(validator: Any) -> Any:
    """The same limit with an instruction as its message."""
    limit = getattr(validator, "limit_value", None)
    if callable(limit) or limit is None:
        return validator
    for kind, words in (
        (MaxValueValidator, f"Enter at most {_said(limit)}."),
        (MinValueValidator, f"Enter at least {_said(limit)}."),
        (MaxLengthValidator, f"Use at most {_said(limit)} characters."),
        (MinLengthValidator, f"Use at least {_said(limit)} characters."),
    ):
        if type(validator) is kind:
            return kind(limit, message=words)
    return validator


def _said(limit: object) -> str:
    return number(limit) if isinstance(limit, int) else str(limit)
