"""Reads a `chancery.yaml` into plain values and remembers the line of each part. No tag makes an object.

Bounds: 1 MB a file, 50,000 values with each use of an alias counted, 40 levels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

HEAD: Final = frozenset({"version", "repository", "agents"})  # and `x-`: what anchors stand in
NAMES: Final = ("chancery.yaml", "chancery.yml")
LARGEST: Final = 1_000_000
MOST_VALUES: Final = 50_000
DEEPEST: Final = 40
LEFT_OUT: Final = frozenset({".git", "node_modules", ".venv", "venv", "vendor", "__pycache__", ".tox"})
_COMMIT: Final = re.compile(r"[0-9a-f]{40,64}")


@dataclass(frozen=True)
class Fault:
    """What is wrong at a line of the file (1 where it is the whole); `field` is a pointer such as `agents/0/owner`."""

    line: int
    field: str
    message: str


class Unreadable(Exception):
    """The file is no YAML, or beyond the bounds; `fault` says where."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclass
class DeclarationFile:
    """`agents` as they stand in the file; `lines` maps pointers of the whole file to lines."""

    path: Path
    repository: str = ""
    agents: list[dict[str, Any]] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line_of(self, pointer: str) -> int:
        """The line of a part; of the nearest part around it where it does not stand in the file."""
        while pointer and pointer not in self.lines:
            pointer = pointer.rpartition("/")[0]
        return self.lines.get(pointer, 1)

    def lines_of(self, at: int) -> dict[str, int]:
        """Lines of the agent at this index, by pointer within it ('' is the agent's own)."""
        start = f"agents/{at}"
        return {
            pointer[len(start) :].lstrip("/"): line
            for pointer, line in self.lines.items()
            if pointer == start or pointer.startswith(f"{start}/")
        }


class _Texts(yaml.SafeLoader):
    """As PyYAML's, but dates stay the text that stands there."""


_Texts.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:timestamp"]
    for letter, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def find_files(path: Path) -> list[Path]:
    """The file itself, or every `chancery.yaml` below a folder, in order."""
    if path.is_file():
        return [path]
    found = (file for name in NAMES for file in path.rglob(name) if file.is_file())
    return sorted(file for file in found if not LEFT_OUT & set(file.relative_to(path).parts))


def read_file(path: Path) -> DeclarationFile:
    """Raises Unreadable; what is readable and not as expected stands in `faults`."""
    if path.stat().st_size > LARGEST:
        raise Unreadable(Fault(1, "", f"The file is larger than {LARGEST:,} bytes"))
    reader = _Reader()
    try:
        value = reader.read(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Unreadable(Fault(line, "", f"This is no YAML: {error.problem}")) from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Unreadable(Fault(1, "", f"This is no YAML: {error}")) from error
    return _checked(DeclarationFile(path, lines=reader.lines, faults=reader.faults), value)


def _checked(file: DeclarationFile, value: Any) -> DeclarationFile:
    """The head of the file; what stands in each agent is the server's to judge."""
    if not isinstance(value, dict) or not isinstance(value.get("agents"), list) or not value["agents"]:
        file.faults.append(Fault(file.line_of("agents"), "agents", "List at least one agent under agents:"))
        return file
    for name in sorted(key for key in value.keys() - HEAD if not key.startswith("x-")):
        file.faults.append(Fault(file.line_of(name), name, "There is no such field"))
    if value.get("version", 1) != 1:
        file.faults.append(Fault(file.line_of("version"), "version", "This client reads version 1"))
    for at, agent in enumerate(value["agents"]):
        if isinstance(agent, dict):
            file.agents.append(agent)
        else:
            file.faults.append(Fault(file.line_of(f"agents/{at}"), f"agents/{at}", "Enter a mapping"))
    file.repository = str(value.get("repository") or "")
    return file


class _Reader:
    """Builds values from YAML nodes, counting them and keeping their lines."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self.faults: list[Fault] = []
        self._values = 0

    def read(self, text: str) -> Any:
        loader = _Texts(text)
        try:
            node = loader.get_single_node()
            return self._value(loader, node, "", 0) if node is not None else None
        finally:
            loader.dispose()

    def _value(self, loader: _Texts, node: yaml.Node, pointer: str, depth: int) -> Any:
        self._values += 1
        line = node.start_mark.line + 1
        if self._values > MOST_VALUES or depth > DEEPEST:
            raise Unreadable(Fault(line, pointer, "The file holds too many values, or is nested too deeply"))
        self.lines.setdefault(pointer, line)
        if isinstance(node, yaml.MappingNode):
            self._refuse_doubles(node, pointer)
            loader.flatten_mapping(
                node
            )  # `<<` first, so that what stands in the mapping itself comes last and wins
            pairs = self._pairs(node, pointer)
            return {key: self._value(loader, item, self._at(pointer, key), depth + 1) for key, item in pairs}
        if isinstance(node, yaml.SequenceNode):
            items = enumerate(node.value)
            return [self._value(loader, item, self._at(pointer, at), depth + 1) for at, item in items]
        if node.tag not in yaml.SafeLoader.yaml_constructors:
            raise Unreadable(Fault(line, pointer, f"The tag {node.tag} means nothing here"))
        if any("\ud800" <= character <= "\udfff" for character in node.value):
            raise Unreadable(Fault(line, pointer, "The text holds half of a character"))
        return loader.construct_object(node)  # type: ignore[no-untyped-call]

    def _refuse_doubles(self, node: yaml.MappingNode, pointer: str) -> None:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in seen:
                self.faults.append(
                    Fault(key_node.start_mark.line + 1, self._at(pointer, key), "It stands here twice")
                )
            seen.add(key)

    def _pairs(self, node: yaml.MappingNode, pointer: str) -> Iterator[tuple[str, yaml.Node]]:
        for key_node, item in node.value:
            key = str(key_node.value)
            self.lines[self._at(pointer, key)] = key_node.start_mark.line + 1
            yield key, item

    @staticmethod
    def _at(pointer: str, key: object) -> str:
        return f"{pointer}/{key}" if pointer else str(key)


def commit_of(root: Path) -> str:
    """The commit checked out at the repository's root, read from its files; '' where it cannot be told."""
    git = root / ".git"
    try:
        if git.is_file():  # a worktree or submodule: a line that says where
            git = (root / git.read_text().partition(":")[2].strip()).resolve()
        head = (git / "HEAD").read_text().strip()
        name = head.removeprefix("ref: ")
        common = git / (git / "commondir").read_text().strip() if (git / "commondir").is_file() else git
        if name == head:
            return head if _COMMIT.fullmatch(head) else ""
        for folder in (git, common):
            if (folder / name).is_file():
                return (folder / name).read_text().strip()
        packed = (common / "packed-refs").read_text()
    except OSError:
        return ""
    found = re.search(rf"^([0-9a-f]{{40,64}}) {re.escape(name)}$", packed, re.MULTILINE)
    return found[1] if found else ""


def root_of(path: Path) -> Path:
    """The root of the repository the path lies in; the path's own folder where there is none."""
    start = path.resolve()
    folder = start if start.is_dir() else start.parent
    return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), folder)
