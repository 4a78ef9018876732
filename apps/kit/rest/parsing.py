"""JSON bodies, refused where they are nested so deeply, or hold such characters, that keeping them would fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

DEEPEST = 64


class BoundedJSONParser(JSONParser):
    """As the framework's, to a depth of 64."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        refused = ParseError(f"The body is nested deeper than {DEEPEST} levels.")
        try:
            body: dict[str, Any] = super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise refused from error
        level: list[Any] = [body]
        for _ in range(DEEPEST + 1):
            _require_whole(level)
            level = [item for one in level for item in _inside(one)]
            if not level:
                return body
        raise refused


def _require_whole(level: list[Any]) -> None:
    """JSON can write half of a surrogate pair, which no text in UTF-8 can hold."""
    try:
        for text in _texts(level):
            text.encode()
    except UnicodeEncodeError as error:
        raise ParseError(
            f"A text holds half of a character: \\u{ord(error.object[error.start]):04x}."
        ) from error


def _texts(level: list[Any]) -> Iterator[str]:
    for one in level:
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            yield from one
            yield from (item for item in one.values() if isinstance(item, str))
        elif isinstance(one, list):
            yield from (item for item in one if isinstance(item, str))


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [item for item in value.values() if isinstance(item, (dict, list))]
    return [item for item in value if isinstance(item, (dict, list))] if isinstance(value, list) else []
