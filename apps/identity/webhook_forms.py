"""Forms of webhooks."""

from __future__ import annotations

import re
from typing import Any

from django import forms

from apps.identity.models import Team, WebhookEndpoint
from apps.identity.narrative import SENTENCES
from apps.identity.services.webhooks import EndpointDraft
from apps.kit.ui.forms import PlainForm

FAMILIES = [
    (f"{family}.*", family.capitalize()) for family in dict.fromkeys(code.split(".")[0] for code in SENTENCES)
]


class EndpointForm(PlainForm):
    """Where events go, and which."""

    name = forms.CharField(max_length=120, help_text="Who is told, such as a pipeline or a chat.")
    url = forms.URLField(
        max_length=500,
        label="Address",
        assume_scheme="https",
        help_text="Begins with https:// and is reachable from here.",
    )
    families = forms.MultipleChoiceField(
        label="Everything about", choices=FAMILIES, required=False, widget=forms.CheckboxSelectMultiple
    )
    codes = forms.CharField(
        label="Single events",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Action codes as the ledger has them, one a line: agents.agent.adopted, oversight.breaker.*",
    )
    team = forms.ModelChoiceField(
        Team.objects.all(),
        required=False,
        empty_label="Everything",
        help_text="With a team, only what that team may see is told.",
    )

    @classmethod
    def initial_of(cls, endpoint: WebhookEndpoint) -> dict[str, Any]:
        known = {value for value, _ in FAMILIES}
        return {
            "name": endpoint.name, "url": endpoint.url, "team": endpoint.team_id,
            "families": [one for one in endpoint.events if one in known],
            "codes": "\n".join(one for one in endpoint.events if one not in known),
        }  # fmt: skip

    def draft(self) -> EndpointDraft:
        stated = self.cleaned_data
        codes = [one for one in re.split(r"[\s,;]+", stated["codes"]) if one]
        return EndpointDraft(stated["name"], stated["url"], [*stated["families"], *codes], stated["team"])

    def clean(self) -> dict[str, Any]:
        stated = super().clean() or {}
        if not stated.get("families") and not stated.get("codes"):
            self.add_error("codes", "Choose a family above, or enter at least one code.")
        return stated


class ReplayForm(PlainForm):
    """The span of time whose events go out again."""

    since = forms.DateTimeField(label="From", widget=forms.DateTimeInput(attrs={"type": "datetime-local"}))
    until = forms.DateTimeField(label="Until", widget=forms.DateTimeInput(attrs={"type": "datetime-local"}))
