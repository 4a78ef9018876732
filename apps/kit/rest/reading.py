"""Reading a request's body by its declared shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer, Serializer


def body_of(request: Request, shape: type[BaseSerializer[Any]], *, partial: bool = False) -> dict[str, Any]:
    """The validated body; ValidationError (rendered as problem details) names each wrong field.

    A field the shape does not know is an error too: a misspelt name must not be dropped in silence.
    """
    serializer = shape(data=request.data, partial=partial)
    if isinstance(serializer, Serializer) and isinstance(request.data, Mapping):
        unknown = sorted(set(request.data) - set(serializer.fields))
        if unknown:
            raise ValidationError(dict.fromkeys(unknown, "There is no such field"))
    serializer.is_valid(raise_exception=True)
    validated: dict[str, Any] = serializer.validated_data
    return validated
