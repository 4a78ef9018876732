"""How calls are narrowed; pages, REST and the live feed use the same names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import QueryDict

from apps.activity.models import Effect, Outcome, ToolCall
from apps.activity.words.finding import with_words
from apps.activity.words.matching import matcher


class CallFilter(django_filters.FilterSet):
    """Several outcomes or effects widen, everything else narrows. `q` is read as on a search engine, over 30 days."""

    q = django_filters.CharFilter(method="narrow_by_words", max_length=200)
    outcome = django_filters.MultipleChoiceFilter(choices=Outcome.choices)
    effect = django_filters.MultipleChoiceFilter(choices=Effect.choices)
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

    def narrow_by_words(self, calls: QuerySet[ToolCall], name: str, words: str) -> QuerySet[ToolCall]:
        return with_words(calls, words)


# The same, for calls that were read already: the feed reads once for all who watch.
HOLDS: Mapping[str, Callable[[ToolCall, Any], bool]] = {
    "q": lambda call, fits: fits(call),
    "outcome": lambda call, chosen: call.outcome in chosen,
    "effect": lambda call, chosen: call.effect in chosen,
    "agent": lambda call, pk: call.agent_id == pk,
    "tool": lambda call, name: call.tool_name == name,
    "conversation": lambda call, name: call.conversation_id == name,
    "call_id": lambda call, name: call.call_id == name,
    "since": lambda call, moment: call.started_at >= moment,
    "until": lambda call, moment: call.started_at < moment,
    "after": lambda call, position: call.position > position,
    "status": lambda call, status: call.status == status,
}


def holds_for(given: QueryDict) -> Callable[[ToolCall], bool]:
    """Whether a call fits these filters, as CallFilter would say. What is not understood narrows nothing."""
    form = CallFilter(given, ToolCall.objects.none()).form
    form.is_valid()
    chosen = {name: value for name, value in form.cleaned_data.items() if value not in (None, "", [])}
    if "q" in chosen:
        chosen["q"] = matcher(chosen["q"])
    return lambda call: all(HOLDS[name](call, value) for name, value in chosen.items())
