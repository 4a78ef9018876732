"""Forms of MCP servers."""

from __future__ import annotations

import shlex
from typing import Any

from django import forms

from apps.identity.models import Team
from apps.kit.ui.forms import PlainForm
from apps.oversight.models import McpUpstream
from apps.oversight.models.gateway import LONGEST_DEADLINE_S, MOST_AT_ONCE
from apps.oversight.services.upstreams import UpstreamDraft


class UpstreamForm(PlainForm):
    """Where a server is, whom it serves, and with which credential the gateway goes there."""

    slug = forms.CharField(
        max_length=60, label="Short name",
        help_text="Its name in policies (short-name/tool) and in the address agents use. It cannot be changed later.",
    )  # fmt: skip
    name = forms.CharField(max_length=120)
    team = forms.ModelChoiceField(
        Team.objects.all(), required=False, empty_label="Agents of every team", label="Serves",
        help_text="With a team, only agents of that team are let through.",
    )  # fmt: skip
    url = forms.URLField(
        max_length=500, required=False, label="Address", assume_scheme="https",
        help_text="Streamable HTTP, such as https://mcp.example.org/mcp",
    )  # fmt: skip
    command = forms.CharField(
        max_length=2000, required=False, label="Or a command",
        help_text="A program that speaks MCP over stdio. Only what CHANCERY_GATEWAY_COMMANDS lists is started.",
    )  # fmt: skip
    auth = forms.ChoiceField(choices=McpUpstream.Auth.choices, label="Credential")
    secret = forms.CharField(
        max_length=4000, required=False, widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="A bearer token, or the secret of an OAuth client. It is never shown again; empty keeps the stored one.",
    )  # fmt: skip
    secret_variable = forms.CharField(
        max_length=60, required=False, label="Variable", help_text="Of a command: the environment variable it reads the secret from."
    )  # fmt: skip
    client_id = forms.CharField(max_length=200, required=False, label="OAuth client id")
    token_url = forms.URLField(
        max_length=500, required=False, label="OAuth token endpoint", assume_scheme="https"
    )
    oauth_scope = forms.CharField(max_length=300, required=False, label="OAuth scope")
    deadline_s = forms.IntegerField(
        label="Deadline", min_value=1, max_value=LONGEST_DEADLINE_S, initial=30, help_text="Seconds after which a call is given up."
    )  # fmt: skip
    most_at_once = forms.IntegerField(
        label="Calls at once", min_value=1, max_value=MOST_AT_ONCE, initial=32, help_text="More are told to try again."
    )  # fmt: skip
    version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    @classmethod
    def initial_of(cls, upstream: McpUpstream) -> dict[str, Any]:
        kept = set(cls.base_fields) - {"secret", "command", "team"}
        return {name: getattr(upstream, name) for name in kept} | {
            "team": upstream.team_id,
            "command": shlex.join(upstream.command),
        }

    def clean_command(self) -> list[str]:
        try:
            return shlex.split(self.cleaned_data["command"])
        except ValueError as error:
            raise forms.ValidationError("Close the quotation mark.") from error

    def draft(self) -> UpstreamDraft:
        stated = {name: value for name, value in self.cleaned_data.items() if name != "version"}
        return UpstreamDraft(**stated)
