"""The form that asks for an erasure."""

from __future__ import annotations

from django import forms

from apps.activity.erasure.services import Asked
from apps.kit.ui.forms import PlainForm


class ErasureForm(PlainForm):
    """Identifiers and conversations, each on a line of its own."""

    identifiers = forms.CharField(
        max_length=5000,
        widget=forms.Textarea,
        label="What the person is known by",
        help_text="One on each line: e-mail address, phone or customer number, name. Each other spelling of a name is a line.",
    )
    conversations = forms.CharField(
        max_length=6000,
        widget=forms.Textarea,
        required=False,
        label="Conversations that are this person's as a whole",
        help_text="One id on each line. All content of them goes, whatever it says.",
    )
    reason = forms.CharField(
        max_length=2000,
        widget=forms.Textarea,
        help_text="Goes into the ledger: leave the person's name out of it.",
    )

    def asked(self) -> Asked:
        told = self.cleaned_data
        return Asked(told["identifiers"].splitlines(), told["conversations"].splitlines())
