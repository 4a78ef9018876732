"""How the list of agents is narrowed; the page, exports, bulk edits and REST use the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import reduce
from math import isfinite
from operator import or_
from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone

from apps.agents.columns import SORTS
from apps.agents.models import Agent, AiActClass, Bookmark, BreakerState, Environment, State, agent_id_of
from apps.agents.quality import QUEUES, in_queue
from apps.agents.risk import TIER_NAMES
from apps.identity.models import Principal, Team

TIERS = [(number, f"{number} {name}") for number, name in sorted(TIER_NAMES.items(), reverse=True)]
CERTIFICATION = [("active", "Active"), ("due", "Due within 30 days"), ("none", "None")]
KEPT = [("mine", "I answer for it"), ("bookmarked", "Bookmarked")]
CUSTOM = "custom."
OWNED = [("none", "Nobody"), ("left", "Somebody who has left")]


class AgentFilter(django_filters.FilterSet):
    """Several values of one filter widen it, several filters narrow each other.

    `actor` is whose agents and bookmarks `kept` means.
    """

    q = django_filters.CharFilter(method="by_words", label="Name, purpose or number")
    state = django_filters.MultipleChoiceFilter(choices=State.choices)
    tier = django_filters.MultipleChoiceFilter(choices=[*TIERS, ("none", "Not assessed")], method="by_tier")
    breaker = django_filters.MultipleChoiceFilter(field_name="breaker_state", choices=BreakerState.choices)
    certification = django_filters.ChoiceFilter(choices=CERTIFICATION, method="by_certification")
    team = django_filters.ModelMultipleChoiceFilter(queryset=Team.objects.all())
    owner = django_filters.UUIDFilter(field_name="owner_id")
    owned = django_filters.ChoiceFilter(choices=OWNED, method="by_owned")
    environment = django_filters.MultipleChoiceFilter(choices=Environment.choices)
    ai_act_class = django_filters.MultipleChoiceFilter(choices=AiActClass.choices)
    framework = django_filters.CharFilter(lookup_expr="iexact")
    tag = django_filters.CharFilter(method="by_tag", label="Tag")
    queue = django_filters.ChoiceFilter(
        choices=[(queue.key, queue.name) for queue in QUEUES.values()], method="by_queue"
    )
    kept = django_filters.ChoiceFilter(choices=KEPT, method="by_kept")
    blueprint = django_filters.UUIDFilter(field_name="blueprint_id")
    seen_since = django_filters.IsoDateTimeFilter(field_name="last_seen", lookup_expr="gte")
    sort = django_filters.ChoiceFilter(
        choices=[(key, key) for name in SORTS for key in (name, f"-{name}")], method="as_it_is"
    )

    class Meta:
        model = Agent
        fields: list[str] = []

    def __init__(self, *args: Any, actor: Principal | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.actor = actor or getattr(self.request, "user", None)

    def filter_queryset(self, queryset: QuerySet[Agent]) -> QuerySet[Agent]:
        """As the declared filters narrow it, and by `custom.<key>`: several values of one key widen it."""
        return custom_filtered(super().filter_queryset(queryset), self.data)

    def by_words(self, agents: QuerySet[Agent], name: str, value: str) -> QuerySet[Agent]:
        number = agent_id_of(value)
        if number is not None:
            return agents.filter(number=number)
        return agents.filter(Q(name__icontains=value) | Q(purpose__icontains=value))

    def by_tier(self, agents: QuerySet[Agent], name: str, value: list[str]) -> QuerySet[Agent]:
        numbers = [int(one) for one in value if one != "none"]
        unassessed = Q(tier=None) if "none" in value else Q(pk=None)
        return agents.filter(Q(tier__in=numbers) | unassessed) if value else agents

    def by_certification(self, agents: QuerySet[Agent], name: str, value: str) -> QuerySet[Agent]:
        now = timezone.now()
        if value == "none":
            return agents.filter(Q(certified_until=None) | Q(certified_until__lte=now))
        held = agents.filter(certified_until__gt=now)
        return held if value == "active" else held.filter(certified_until__lte=now + timedelta(days=30))

    def by_owned(self, agents: QuerySet[Agent], name: str, value: str) -> QuerySet[Agent]:
        return agents.filter(owner=None) if value == "none" else agents.filter(owner__is_active=False)

    def by_tag(self, agents: QuerySet[Agent], name: str, value: str) -> QuerySet[Agent]:
        return agents.filter(tags__contains=[value])

    def by_queue(self, agents: QuerySet[Agent], name: str, value: str) -> QuerySet[Agent]:
        return in_queue(agents, value)

    def by_kept(self, agents: QuerySet[Agent], name: str, value: str) -> QuerySet[Agent]:
        if value == "mine":
            return agents.filter(Q(owner=self.actor) | Q(deputy=self.actor))
        return agents.filter(pk__in=Bookmark.objects.filter(owner=self.actor).values("agent_id"))

    def as_it_is(self, agents: QuerySet[Agent], name: str, value: str) -> QuerySet[Agent]:
        """The order belongs to the paging; here its name is only checked."""
        return agents


def custom_filtered(agents: QuerySet[Agent], asked: Mapping[str, Any]) -> QuerySet[Agent]:
    """Narrowed by every `custom.<key>` among what is asked."""
    for name in asked:
        values = asked.getlist(name) if isinstance(asked, QueryDict) else [asked[name]]
        said = [str(value) for value in values if value not in (None, "") and "\0" not in str(value)]
        if name.startswith(CUSTOM) and said:
            conditions = [
                Q(custom__contains={name.removeprefix(CUSTOM): value})
                for text in said
                for value in _meanings(text)
            ]
            agents = agents.filter(reduce(or_, conditions))
    return agents


def _meanings(text: str) -> list[Any]:
    """A value as it may stand in a record: a text, and where it reads so a number or yes and no."""
    found: list[Any] = [text]
    if text in ("true", "false"):
        found.append(text == "true")
    try:
        number = float(text)
    except ValueError:
        return found
    return [*found, number] if isfinite(number) else found
