"""How lists of identity are narrowed."""

from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.identity.models import ApiKey, LedgerEntry


class LedgerFilter(django_filters.FilterSet):
    """By act, actor, target and time."""

    action = django_filters.CharFilter(lookup_expr="startswith")
    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    until = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")

    class Meta:
        model = LedgerEntry
        fields = ["action", "actor_id", "target_type", "target_id", "request_id"]


class ApiKeyFilter(django_filters.FilterSet):
    live = django_filters.BooleanFilter(method="by_life")

    class Meta:
        model = ApiKey
        fields = ["principal"]

    def by_life(self, keys: QuerySet[ApiKey], name: str, value: Any) -> QuerySet[ApiKey]:
        live = Q(revoked_at=None, expires_at__gt=timezone.now())
        return keys.filter(live) if value else keys.exclude(live)
