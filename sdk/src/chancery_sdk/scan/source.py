"""One file as the recognisers see it: where it is, what stands in it, and its parsed forms."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, Final

from chancery_sdk.scan.documents import Unreadable, read_front_matter, read_json, read_toml, read_yaml

PLACEHOLDER: Final = re.compile(r"\{\{\s*(?:cookiecutter\.)?(\w+)\s*\}\}")


@dataclass(frozen=True)
class Source:
    """A path (with `/`, relative to what is scanned) and a text. Each parsed form is made once, when asked for.

    A form that cannot be had is empty: `documents` [], `json` None, `tree` None.
    """

    path: str
    text: str

    @cached_property
    def pure(self) -> PurePosixPath:
        return PurePosixPath(self.path.replace("\\", "/"))

    @property
    def name(self) -> str:
        """The file's name in lower case."""
        return self.pure.name.lower()

    @property
    def suffix(self) -> str:
        return self.pure.suffix.lower()

    @cached_property
    def folders(self) -> tuple[str, ...]:
        return tuple(part.lower() for part in self.pure.parts[:-1])

    @cached_property
    def documents(self) -> list[Any]:
        """YAML documents (JSON files count as one document); lists of `kind: List` are opened."""
        if self.suffix == ".json":
            return [] if self.json is None else _opened([self.json])
        try:
            return _opened(read_yaml(self.text))
        except Unreadable:
            return []

    @cached_property
    def mappings(self) -> list[dict[str, Any]]:
        return [document for document in self.documents if isinstance(document, dict)]

    @cached_property
    def json(self) -> Any:
        try:
            return read_json(self.text)
        except Unreadable:
            return None

    @cached_property
    def toml(self) -> dict[str, Any]:
        try:
            return read_toml(self.text)
        except Unreadable:
            return {}

    @cached_property
    def front_matter(self) -> dict[str, Any] | None:
        return read_front_matter(self.text)

    @cached_property
    def tree(self) -> ast.Module | None:
        """The syntax tree; nothing of it is ever executed. In a template, placeholders stand for names."""
        text = self.text.removeprefix("\ufeff")
        return _parsed(text) or (_parsed(PLACEHOLDER.sub(r"\1", text)) if "{{" in text else None)

    def at(self, line: int) -> str:
        return f"{self.path}:{max(line, 1)}"

    def line_with(self, *words: str | None) -> int:
        """The first line that holds one of the words; 1 when none does."""
        for word in filter(None, words):
            position = self.text.find(str(word))
            if position >= 0:
                return self.text.count("\n", 0, position) + 1
        return 1


def _parsed(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _opened(documents: list[Any]) -> list[Any]:
    """Kubernetes lists as their items."""
    opened: list[Any] = []
    for document in documents:
        is_list = isinstance(document, dict) and str(document.get("kind", "")).endswith("List")
        items = document.get("items") if is_list else None
        opened.extend(items if isinstance(items, list) else [document])
    return opened
