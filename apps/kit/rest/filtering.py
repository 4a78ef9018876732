"""Filters of a list: a value that is none of the choices is refused with those there are."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.kit.rest.reading import choices_told


class FilterBackend(DjangoFilterBackend):
    """As the library's, with the choices named. Things to choose from (a team, an agent) are not listed."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        filterset = self.get_filterset(request, queryset, view)
        if filterset is None:
            return queryset
        if not filterset.is_valid():
            raise ValidationError(_problems(filterset.form))
        found: QuerySet[Any] = filterset.qs
        return found


def _problems(form: forms.BaseForm) -> dict[str, list[str]]:
    return {
        name: [_words(form.fields.get(name), one) for one in errors.as_data()]
        for name, errors in form.errors.items()
    }


def _words(field: Any, error: Any) -> str:
    is_listed = isinstance(field, forms.ChoiceField) and not isinstance(field, forms.ModelChoiceField)
    if is_listed and error.code in ("invalid_choice", "invalid_list"):
        return choices_told(dict(field.choices))
    return " ".join(error.messages)
