"""Reading a request's body by its declared shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer, Serializer

UNKNOWN = "There is no such field"
NOT_TEXT = "Send text, in quotation marks"
LISTS = (serializers.ListSerializer, serializers.ListField)


def body_of(request: Request, shape: type[BaseSerializer[Any]], *, partial: bool = False) -> dict[str, Any]:
    """The validated body; ValidationError (rendered as problem details) names each wrong field."""
    return read(shape(data=request.data, partial=partial))


def read(serializer: BaseSerializer[Any]) -> dict[str, Any]:
    """What JSON says, validated.

    A field the shape does not know is an error too, however deep it stands: a misspelt name must not be dropped in
    silence. A number where text is meant is one as well: nobody is called -1.
    """
    faults = dict(_faults(serializer, serializer.initial_data, ""))
    if faults:
        raise ValidationError(faults)
    return validated(serializer)


def validated(serializer: BaseSerializer[Any]) -> dict[str, Any]:
    """The serializer's validated data; a choice that is none is refused with those there are."""
    if not serializer.is_valid():
        raise ValidationError(_naming_choices(serializer.errors, serializer))
    data: dict[str, Any] = serializer.validated_data
    return data


def choices_told(choices: Mapping[Any, Any]) -> str:
    return f"Choose one of {', '.join(str(key) for key in choices if key not in ('', None))}"


def _faults(field: Any, value: Any, path: str) -> Iterator[tuple[str, str]]:
    """(Path, what is wrong) of unknown fields and of numbers in place of text."""
    if isinstance(field, Serializer) and isinstance(value, Mapping):
        for name, item in value.items():
            inner = f"{path}.{name}" if path else str(name)
            if name in field.fields:
                yield from _faults(field.fields[name], item, inner)
            else:
                yield inner, UNKNOWN
    elif isinstance(field, LISTS) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _faults(field.child, item, f"{path}[{index}]")
    elif isinstance(field, serializers.DictField) and isinstance(value, Mapping):
        for name, item in value.items():
            yield from _faults(field.child, item, f"{path}.{name}")
    elif isinstance(field, serializers.CharField) and type(value) in (int, float):
        yield path, NOT_TEXT


def _naming_choices(errors: Any, field: Any) -> Any:
    """The errors as they are, those of choices with what may be chosen."""
    if isinstance(errors, Mapping):
        inner = field.fields if isinstance(field, Serializer) else {}
        child = getattr(field, "child", None)
        return {name: _naming_choices(one, inner.get(name, child)) for name, one in errors.items()}
    if isinstance(errors, list):
        inside = field.child if isinstance(field, serializers.ListSerializer) else field
        return [_naming_choices(one, inside) for one in errors]
    if isinstance(errors, ErrorDetail) and errors.code == "invalid_choice" and hasattr(field, "choices"):
        return ErrorDetail(choices_told(field.choices), errors.code)
    return errors
