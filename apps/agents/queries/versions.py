"""Two versions of an agent beside each other."""

from __future__ import annotations

from dataclasses import dataclass

from apps.agents.models import AgentVersion
from apps.agents.services.versions import makeup_of
from apps.agents.versions import changes_between

PARTS = (
    ("Model", "model"),
    ("Snapshot", "model_snapshot"),
    ("Framework version", "framework_version"),
    ("Prompt", "prompt_hash"),
    ("Configuration", "configuration_hash"),
    ("Commit", "commit"),
)


@dataclass(frozen=True)
class Part:
    """One part of both, or one tool by the hash of its schema; '' where unknown, None where the tool is not there."""

    label: str
    before: str | None
    after: str | None
    is_tool: bool = False

    @property
    def is_changed(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True)
class Comparison:
    sentences: list[str]
    parts: list[Part]


def compared_versions(before: AgentVersion, after: AgentVersion) -> Comparison:
    """What changed in words, and every part of both."""
    parts = [Part(label, getattr(before, name), getattr(after, name)) for label, name in PARTS]
    names = sorted({*before.tools, *after.tools})
    tools = [Part(name, before.tools.get(name), after.tools.get(name), is_tool=True) for name in names]
    return Comparison(changes_between(makeup_of(before), makeup_of(after)), parts + tools)
