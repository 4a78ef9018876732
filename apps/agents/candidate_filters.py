"""How the discovery inbox is narrowed; the page and REST use the same."""

from __future__ import annotations

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.agents.matching import HIGH, MEDIUM
from apps.agents.models import Candidate, Evidence, SourceKind
from apps.agents.models.discovery import CandidateQuerySet

CONFIDENCE = [("high", "High"), ("medium", "Medium"), ("low", "Low")]
CANDIDATE_STATES = [("waiting", "Waiting"), ("linked", "On record"), ("ignored", "Ignored")]


class TextsField(forms.MultipleChoiceField):
    """Any texts, at most fifty."""

    def valid_value(self, value: object) -> bool:
        return isinstance(value, str) and "\0" not in value

    def validate(self, value: list[str]) -> None:
        if len(value) > 50:
            raise ValidationError("Choose at most 50 values.")


class ManyTexts(django_filters.Filter):
    """`?kind=a&kind=b`: any of these texts, without a query for which there are."""

    field_class = TextsField

    def filter(self, rows: QuerySet[Candidate], value: list[str]) -> QuerySet[Candidate]:
        return rows.filter(**{f"{self.field_name}__in": value}) if value else rows


class CandidateFilter(django_filters.FilterSet):
    """Several values of one filter widen it, several filters narrow each other."""

    q = django_filters.CharFilter(lookup_expr="icontains", field_name="name", label="Part of its name")
    state = django_filters.ChoiceFilter(choices=CANDIDATE_STATES, method="by_state")
    source_kind = django_filters.MultipleChoiceFilter(choices=SourceKind.choices, method="by_source_kind")
    source = django_filters.CharFilter(method="by_source")
    confidence = django_filters.MultipleChoiceFilter(choices=CONFIDENCE, method="by_confidence")
    kind = ManyTexts()
    framework = ManyTexts()
    team = django_filters.UUIDFilter(field_name="team_id")

    class Meta:
        model = Candidate
        fields: list[str] = []

    def by_state(self, candidates: CandidateQuerySet, name: str, value: str) -> QuerySet[Candidate]:
        """As a curator sees it: an ignored one whose time is over waits again."""
        if value == "linked":
            return candidates.filter(state=Candidate.State.LINKED)
        return candidates.waiting() if value == "waiting" else candidates.ignored()

    def by_source_kind(
        self, candidates: QuerySet[Candidate], name: str, value: list[str]
    ) -> QuerySet[Candidate]:
        evidence = Evidence.objects.filter(candidate=OuterRef("pk"), source_kind__in=value)
        return candidates.filter(Exists(evidence)) if value else candidates

    def by_source(self, candidates: QuerySet[Candidate], name: str, value: str) -> QuerySet[Candidate]:
        return candidates.filter(Exists(Evidence.objects.filter(candidate=OuterRef("pk"), source=value)))

    def by_confidence(
        self, candidates: QuerySet[Candidate], name: str, value: list[str]
    ) -> QuerySet[Candidate]:
        ranges = {"high": Q(confidence__gte=HIGH), "medium": Q(confidence__gte=MEDIUM, confidence__lt=HIGH)}
        condition = Q()
        for word in value:
            condition |= ranges.get(word, Q(confidence__lt=MEDIUM))
        return candidates.filter(condition)
