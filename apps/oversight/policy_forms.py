"""The forms that write policies: one for each kind, and one for Cedar by hand."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.agents.models import Agent, Tool
from apps.identity.access import access_of
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.kit.ui.forms import PlainForm
from apps.oversight.cedar.kinds import KINDS, Field
from apps.oversight.models import PolicyVersion
from apps.oversight.services.policy_versions import NewPolicy, Wording

OUTCOMES = (("deny", "Refuse it"), ("ask", "Ask a person"), ("notify", "Let it go on and tell people"))
LINES = {"texts", "tools"}


class PolicyForm(PlainForm):
    """What the policy is called and for whom, then the questions of its kind. `of` gives the answers to begin from."""

    def __init__(
        self, *args: Any, kind: str, of: PolicyVersion | None, actor: Principal, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.kind, self._is_new = kind, of is None
        self.title = KINDS[kind].label if kind in KINDS else "In Cedar"
        self.help = KINDS[kind].help if kind in KINDS else "Exactly one permit or forbid."
        if self._is_new:
            self._add_names(actor)
        if kind in KINDS:
            self._add_questions(actor, of)
        else:
            self.fields["text"] = forms.CharField(
                label="Policy", max_length=20_000, initial=of.text if of else STARTS_WITH,
                widget=forms.Textarea(attrs={"rows": 12, "class": "input mono", "spellcheck": "false"}),
            )  # fmt: skip

    def question_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields]

    def wording(self) -> Wording:
        said = self.cleaned_data
        if self.kind not in KINDS:
            return Wording(text=said["text"])
        names = [one.name for one in KINDS[self.kind].fields]
        answers = {name: _answer(KINDS[self.kind].fields, name, said.get(f"q_{name}")) for name in names}
        whom = {name: said[name] for name in ("agent", "principal_team") if said.get(name)}
        answers |= {"team" if name == "principal_team" else name: value for name, value in whom.items()}
        return Wording(
            kind=self.kind,
            answers={name: value for name, value in answers.items() if value not in (None, "", [])},
            outcome=said.get("outcome") or "deny",
            words=said.get("words", ""),
        )

    def new_policy(self) -> NewPolicy:
        said = self.cleaned_data
        return NewPolicy(said["name"], self.wording(), said["team"], said["description"])

    def _add_names(self, actor: Principal) -> None:
        access = access_of(actor)
        everywhere = access.allows(Permission.POLICY_EDIT)
        teams = Team.objects.all()
        if not everywhere:
            teams = teams.filter(pk__in=access.teams_with(Permission.POLICY_EDIT))
        self.fields["name"] = forms.CharField(label="Name", max_length=120)
        self.fields["description"] = forms.CharField(
            label="What for", max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 2})
        )
        self.fields["team"] = forms.ModelChoiceField(
            teams, required=not everywhere, label="For", empty_label="The whole fleet" if everywhere else None
        )

    def _add_questions(self, actor: Principal, of: PolicyVersion | None) -> None:
        said = (of.form or {}) if of else {}
        answers = said.get("answers", {})
        for one in KINDS[self.kind].fields:
            self.fields[f"q_{one.name}"] = _field(one, answers.get(one.name))
        self.fields["agent"] = forms.CharField(
            label="Only this agent", required=False, max_length=80, initial=answers.get("agent", ""),
            help_text="Its short name, such as refund-agent. Empty: every one it is for.",
        )  # fmt: skip
        if self.kind not in ("allow_list", "person"):
            self.fields["outcome"] = forms.ChoiceField(
                label="Otherwise", choices=OUTCOMES, initial=said.get("outcome", "deny")
            )
        self.fields["words"] = forms.CharField(
            label="Reason that agent and people read",
            max_length=500,
            required=False,
            initial=said.get("words", ""),
        )
        tools = Tool.objects.visible_to(actor).order_by("server", "name")[:2000]
        self.tool_names = [str(tool) for tool in tools]
        self.agent_names = list(
            Agent.objects.visible_to(actor).on_record().values_list("slug", flat=True)[:2000]
        )


STARTS_WITH = """@words("Refunds above 500 are looked at by a person.")
@outcome("ask")
forbid (principal, action, resource == Tool::"payments/refund")
when { context.arguments has amount && context.arguments.amount.greaterThan(decimal("500.0")) };
"""


def _field(one: Field, value: Any) -> forms.Field:
    told: dict[str, Any] = {"label": one.label, "required": one.is_required, "help_text": one.help}
    if one.kind == "choice":
        choices = [(name, name.capitalize()) for name in one.choices]
        return forms.ChoiceField(choices=choices, initial=value, **told)
    if one.kind in LINES:
        told["help_text"] = one.help or "One a line."
        initial = "\n".join(value) if isinstance(value, list) else ""
        return forms.CharField(
            max_length=20_000, initial=initial, widget=forms.Textarea(attrs={"rows": 4}), **told
        )
    if one.kind == "number":
        return forms.DecimalField(initial=value, max_digits=20, decimal_places=4, **told)
    if one.kind == "whole":
        return forms.IntegerField(initial=value, min_value=0, **told)
    attrs = {"list": "tools"} if one.kind == "tool" else {}
    return forms.CharField(max_length=520, initial=value, widget=forms.TextInput(attrs=attrs), **told)


def _answer(fields: tuple[Field, ...], name: str, value: Any) -> Any:
    kind = next(one.kind for one in fields if one.name == name)
    if kind in LINES:
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]
    return str(value) if kind == "number" and value is not None else value
