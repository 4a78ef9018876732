"""How the list of agents is narrowed; the page and REST use the same."""

from __future__ import annotations

from datetime import timedelta

import django_filters
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.agents.models import Agent, BreakerState, State, agent_id_of
from apps.agents.risk import TIER_NAMES

TIERS = [(number, f"{number} {name}") for number, name in sorted(TIER_NAMES.items(), reverse=True)]
CERTIFICATION = [("active", "Active"), ("due", "Due within 30 days"), ("none", "None")]


class AgentFilter(django_filters.FilterSet):
    """Several values of one filter widen it, several filters narrow each other."""

    q = django_filters.CharFilter(method="by_words", label="Name, purpose or number")
    state = django_filters.MultipleChoiceFilter(choices=State.choices)
    tier = django_filters.MultipleChoiceFilter(choices=TIERS)
    breaker = django_filters.ChoiceFilter(field_name="breaker_state", choices=BreakerState.choices)
    certification = django_filters.ChoiceFilter(choices=CERTIFICATION, method="by_certification")
    team = django_filters.UUIDFilter(field_name="team_id")
    owner = django_filters.UUIDFilter(field_name="owner_id")
    framework = django_filters.CharFilter(lookup_expr="iexact")
    seen_since = django_filters.IsoDateTimeFilter(field_name="last_seen", lookup_expr="gte")
    sort = django_filters.OrderingFilter(
        fields=[
            ("tier", "tier"),
            ("name", "name"),
            ("last_seen", "last_seen"),
            ("certified_until", "certified_until"),
        ]
    )

    class Meta:
        model = Agent
        fields: list[str] = []

    def by_words(self, agents: QuerySet[Agent], name: str, value: str) -> QuerySet[Agent]:
        number = agent_id_of(value)
        if number is not None:
            return agents.filter(number=number)
        return agents.filter(Q(name__icontains=value) | Q(purpose__icontains=value))

    def by_certification(self, agents: QuerySet[Agent], name: str, value: str) -> QuerySet[Agent]:
        now = timezone.now()
        if value == "none":
            return agents.filter(Q(certified_until=None) | Q(certified_until__lte=now))
        held = agents.filter(certified_until__gt=now)
        return held if value == "active" else held.filter(certified_until__lte=now + timedelta(days=30))
