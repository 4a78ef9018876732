"""Forms of connectors."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.agents.models import Connector
from apps.agents.services.connectors import PLAIN, ConnectorDraft
from apps.identity.models import Team
from apps.kit.ui.forms import PlainForm


class ConnectorForm(PlainForm):
    """A ServiceNow instance and how agents are told to it."""

    name = forms.CharField(max_length=120)
    url = forms.URLField(
        max_length=300,
        label="Instance",
        assume_scheme="https",
        help_text="Like https://example.service-now.com",
    )
    username = forms.CharField(
        max_length=120, required=False, label="User name", help_text="Empty where the secret is a token."
    )
    secret = forms.CharField(
        max_length=2000,
        required=False,
        label="Password or token",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Kept encrypted and never shown. Empty keeps the one there is.",
    )
    class_name = forms.CharField(
        max_length=80,
        label="CI class",
        initial="cmdb_ci_business_app",
        help_text="The class that agents become.",
    )
    data_source = forms.CharField(
        max_length=80,
        label="Data source",
        initial="Chancery",
        help_text="A choice of discovery_source there.",
    )
    team = forms.ModelChoiceField(
        Team.objects.all(),
        required=False,
        empty_label="All agents",
        help_text="With a team, only its agents are told.",
    )
    is_enabled = forms.BooleanField(required=False, initial=True, label="Enabled")

    @classmethod
    def initial_of(cls, connector: Connector) -> dict[str, Any]:
        return {name: getattr(connector, name) for name in PLAIN}

    def draft(self) -> ConnectorDraft:
        return ConnectorDraft(**self.cleaned_data)
