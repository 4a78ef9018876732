"""Forms of the discovery inbox: uploading an export, deciding about candidates."""

from __future__ import annotations

from typing import Any, cast

from django import forms

from apps.agents.models import Agent, agent_id_of
from apps.agents.services.candidate_decisions import IGNORED_FOR_DAYS, LONGEST_IGNORED_DAYS, Verdict
from apps.identity.access import access_of
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.kit.ui.forms import PlainForm

LARGEST_UPLOAD_BYTES = 2 * 1024 * 1024
UPLOADED = (".json", ".yaml", ".yml", ".tf", ".csv", ".tsv", ".toml", ".md", ".template")


class UploadForm(PlainForm):
    """An export to look for agents in."""

    file = forms.FileField(
        help_text="A Kubernetes list, CloudFormation or Terraform, an export of n8n, Dify or Flowise, an A2A card, "
        "or a CSV of service accounts; at most 2 MB.",
        widget=forms.ClearableFileInput(attrs={"accept": ",".join(UPLOADED)}),
        max_length=200,
    )
    source = forms.CharField(
        max_length=255,
        required=False,
        help_text="What it was exported from, such as cluster-prod. Else the file's name.",
    )
    team = forms.ModelChoiceField(Team.objects.none(), required=False, empty_label="No team")

    def __init__(self, *args: Any, actor: Principal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        access = access_of(actor)
        teams = Team.objects.all()
        if not access.allows(Permission.DISCOVERIES_REPORT):
            teams = teams.filter(pk__in=access.teams_with(Permission.DISCOVERIES_REPORT))
            self.fields["team"].required = True
        cast(forms.ModelChoiceField, self.fields["team"]).queryset = teams

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > LARGEST_UPLOAD_BYTES:
            raise forms.ValidationError("Choose a file of at most 2 MB.")
        if not str(file.name).lower().endswith(UPLOADED):
            raise forms.ValidationError(f"Choose a file ending in {', '.join(UPLOADED)}.")
        return file


class DecisionForm(PlainForm):
    """What a decision about candidates needs: a reason and a time to ignore, an agent to link."""

    agent = forms.CharField(max_length=40, required=False, help_text="Its number, like AGT-0412.")
    reason = forms.CharField(max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 2}))
    days = forms.IntegerField(
        min_value=1, max_value=LONGEST_IGNORED_DAYS, initial=IGNORED_FOR_DAYS, required=False,
        help_text="It comes back after this, or when its evidence changes.",
    )  # fmt: skip

    def __init__(self, *args: Any, act: str, actor: Principal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.act, self.actor = act, actor
        for name in {"agent", "reason", "days"} - ASKED.get(act, set()):
            del self.fields[name]
        for field in self.fields.values():
            field.required = True

    def clean_agent(self) -> Agent:
        number = agent_id_of(self.cleaned_data["agent"])
        agent = (
            Agent.objects.visible_to(self.actor).filter(number=number).first() if number is not None else None
        )
        if agent is None:
            raise forms.ValidationError("Enter the number of an agent on record, like AGT-0412.")
        return agent

    def verdict(self) -> Verdict:
        """The decision as the service takes it; the form must be valid."""
        stated = self.cleaned_data
        days = stated.get("days", IGNORED_FOR_DAYS)
        return Verdict(self.act, stated.get("agent"), stated.get("reason", ""), days)


ASKED = {"ignore": {"reason", "days"}, "link": {"agent"}}
