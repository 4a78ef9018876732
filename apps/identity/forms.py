"""Forms of identity."""

from __future__ import annotations

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from apps.identity.models import Team
from apps.identity.roles import Role, Scope
from apps.kit.ui.forms import PlainForm


class SignInForm(AuthenticationForm):
    """E-mail address and password; the same words whatever was wrong with them."""

    error_messages = {
        "invalid_login": "This address and password do not go together.",
        "inactive": "This address and password do not go together.",
    }


SOURCE_USES = [
    (Scope.INGEST.value, "Agents report activity (OpenTelemetry)"),
    (Scope.REPORT.value, "A pipeline reports agents found in files (chancery scan)"),
]


class SourceForm(PlainForm):
    """Something that reports, and its first key, which may do nothing else."""

    name = forms.CharField(
        max_length=120, help_text="What reports through it, such as a platform or a team's agents."
    )
    team = forms.ModelChoiceField(
        Team.objects.all(),
        required=False,
        empty_label="No team",
        help_text="Agents it discovers belong to this team at first.",
    )
    scope = forms.ChoiceField(
        choices=SOURCE_USES, initial=Scope.INGEST.value, required=False, label="Used for"
    )

    def clean_scope(self) -> str:
        return str(self.cleaned_data["scope"] or Scope.INGEST.value)


class PersonForm(PlainForm):
    """An account and, at once, a role."""

    name = forms.CharField(max_length=200)
    email = forms.EmailField(max_length=254, label="E-mail address")
    job_title = forms.CharField(max_length=120, required=False)
    role = forms.ChoiceField(choices=Role.choices)
    team = forms.ModelChoiceField(
        Team.objects.all(), required=False, empty_label="Everywhere", help_text="Where the role holds."
    )
