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


class SourceForm(PlainForm):
    """A source of telemetry, of questions or of what scans find, and its first key."""

    name = forms.CharField(
        max_length=120, help_text="What reports through it, such as a platform or a team's agents."
    )
    team = forms.ModelChoiceField(
        Team.objects.all(),
        required=False,
        empty_label="No team",
        help_text="Agents it discovers belong to this team at first. It asks and declares for agents of this team only.",
    )
    scopes = forms.MultipleChoiceField(
        label="It may",
        choices=[
            (scope.value, scope.label)
            for scope in (Scope.INGEST, Scope.DECIDE, Scope.REPORT, Scope.DECLARE, Scope.GATEWAY)
        ],
        initial=[Scope.INGEST.value],
        widget=forms.CheckboxSelectMultiple,
        help_text="Asking for decisions and declaring agents need a team. A gateway with a team carries to that team's servers only.",
    )


class PersonForm(PlainForm):
    """An account and, at once, a role."""

    name = forms.CharField(max_length=200)
    email = forms.EmailField(max_length=254, label="E-mail address")
    job_title = forms.CharField(max_length=120, required=False)
    role = forms.ChoiceField(choices=Role.choices)
    team = forms.ModelChoiceField(
        Team.objects.all(), required=False, empty_label="Everywhere", help_text="Where the role holds."
    )


class RoleForm(PlainForm):
    """One more role of a person."""

    role = forms.ChoiceField(choices=Role.choices)
    team = forms.ModelChoiceField(
        Team.objects.all(), required=False, empty_label="Everywhere", help_text="Where the role holds."
    )


class TeamForm(PlainForm):
    """A team and the team it stands under."""

    name = forms.CharField(max_length=120)
    parent = forms.ModelChoiceField(
        Team.objects.all(),
        required=False,
        empty_label="None",
        label="Part of",
        help_text="The team above it.",
    )


class PasswordForm(PlainForm):
    """One's own password: the one there is, and a new one twice."""

    current = forms.CharField(
        label="Password now",
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    new = forms.CharField(
        label="New password",
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters.",
    )
    again = forms.CharField(
        label="New password again",
        max_length=128,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_again(self) -> str:
        again: str = self.cleaned_data["again"]
        if again != self.cleaned_data.get("new"):
            raise forms.ValidationError("The two new passwords differ.")
        return again
