"""What may be kept of a value that an address showed: as much as the content policy lets of the call it is about."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from apps.activity.effects.judging import short
from apps.activity.effects.paths import Nothing
from apps.activity.models import ToolCall
from apps.activity.recording.applying import treatment
from apps.activity.recording.current import current_policy
from apps.activity.recording.policy import Subject
from apps.agents.models import Tool
from apps.identity.models import Principal


def kept_value(call: ToolCall, value: Any) -> str:
    """The value in at most 200 characters; '' where nothing may be kept or there is none. Three queries at most."""
    if isinstance(value, Nothing) or value is None:
        return ""
    policy = current_policy()
    mode = policy.default if not policy.rules else policy.mode_for(_subject(call))
    treated = treatment(mode, settings.CONTENT_KEY)(value)
    return "" if treated is None else short(treated)


def _subject(call: ToolCall) -> Subject:
    teams = {str(call.agent.team_id)} if call.agent and call.agent.team_id else set()
    source = Principal.objects.filter(pk=call.source_id).exclude(team=None).values_list("team_id", flat=True)
    classes = {
        name
        for some in Tool.objects.filter(name=call.tool_name).values_list("data_classes", flat=True)
        for name in some
    }
    teams |= {str(team) for team in source}
    return Subject(frozenset(teams), call.agent.tier if call.agent else None, frozenset(classes))
