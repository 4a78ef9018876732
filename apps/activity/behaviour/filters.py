"""How alerts are narrowed; pages and REST use the same names."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet

from apps.activity.behaviour.detectors import DETECTORS
from apps.activity.models import Alert, Severity
from apps.activity.models.behaviour import AlertQuerySet


class AlertFilter(django_filters.FilterSet):
    """`waiting` true: open, or snoozed until a time that is over. Several states, detectors or severities widen."""

    agent = django_filters.UUIDFilter(field_name="agent_id")
    state = django_filters.MultipleChoiceFilter(choices=Alert.State.choices)
    detector = django_filters.MultipleChoiceFilter(choices=[(one.name, one.title) for one in DETECTORS])
    severity = django_filters.MultipleChoiceFilter(choices=Severity.choices)
    waiting = django_filters.BooleanFilter(method="narrow_to_waiting")
    since = django_filters.IsoDateTimeFilter(field_name="last_at", lookup_expr="gte")

    class Meta:
        model = Alert
        fields: list[str] = []

    def narrow_to_waiting(self, rows: AlertQuerySet, _: str, value: bool) -> QuerySet[Alert]:
        return rows.waiting() if value else rows.exclude(pk__in=rows.waiting().values("pk"))
