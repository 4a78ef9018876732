"""How calls are narrowed; pages, REST and the live feed use the same names."""

from __future__ import annotations

import django_filters

from apps.activity.models import Outcome, ToolCall


class CallFilter(django_filters.FilterSet):
    """Several outcomes widen, everything else narrows."""

    outcome = django_filters.MultipleChoiceFilter(choices=Outcome.choices)
    agent = django_filters.UUIDFilter(field_name="agent_id")
    tool = django_filters.CharFilter(field_name="tool_name")
    conversation = django_filters.CharFilter(field_name="conversation_id")
    call_id = django_filters.CharFilter()
    since = django_filters.IsoDateTimeFilter(field_name="started_at", lookup_expr="gte")
    until = django_filters.IsoDateTimeFilter(field_name="started_at", lookup_expr="lt")
    after = django_filters.NumberFilter(field_name="position", lookup_expr="gt")

    class Meta:
        model = ToolCall
        fields = ["status"]
