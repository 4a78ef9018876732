"""Forms of outcomes: what happened outside, and what may be derived of an agent's runs."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone

from apps.activity.models import OutcomeRules
from apps.activity.models.outcomes import DAYS, HOURS
from apps.agents.models import Agent, ObservedTool
from apps.kit.ui.forms import PlainForm

MOST_TOOLS = 200


class EventForm(PlainForm):
    """Something outside that may explain what outcomes do."""

    label = forms.CharField(
        label="What happened", max_length=80, help_text="In a few words: Black Friday, price list 2027."
    )
    on = forms.DateField(
        label="On",
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        help_text="The day it began.",
    )
    reason = forms.CharField(
        label="What it has to do with this agent", max_length=2000, widget=forms.Textarea(attrs={"rows": 2})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, initial={"on": timezone.localdate()}, **kwargs)


class RulesForm(PlainForm):
    """Which tools hand over to a person, and after how long a run counts as repeated or abandoned."""

    handover_tools = forms.MultipleChoiceField(
        label="Tools that hand over to a person", required=False, widget=forms.CheckboxSelectMultiple,
        help_text="A call of one of them that succeeds means escalated.",
    )  # fmt: skip
    repeat_days = forms.IntegerField(
        label="Days within which coming back counts as repeat contact", min_value=1, max_value=365
    )
    abandoned_hours = forms.IntegerField(
        label="Hours without an end after which a run counts as abandoned", min_value=1, max_value=24 * 90
    )
    reason = forms.CharField(label="Reason", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, *args: Any, agent: Agent, rules: OutcomeRules | None, **kwargs: Any) -> None:
        initial = {
            "handover_tools": rules.handover_tools if rules else [],
            "repeat_days": rules.repeat_days if rules else DAYS,
            "abandoned_hours": rules.abandoned_hours if rules else HOURS,
        }
        super().__init__(*args, initial=initial, **kwargs)
        field = self.fields["handover_tools"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(name, name) for name in _tools(agent, initial["handover_tools"])]


def _tools(agent: Agent, chosen: Any) -> list[str]:
    """Tools the agent was seen to call, and those chosen before."""
    seen = ObservedTool.objects.filter(agent=agent).order_by("-calls").values_list("mcp_server", "tool_name")
    names = {f"{server}/{tool}" if server else tool for server, tool in seen[:MOST_TOOLS]}
    return sorted({*names, *chosen})
