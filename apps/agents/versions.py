"""What an agent is made of, as a fingerprint, and what changed between two versions, in words. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any


@dataclass(frozen=True)
class Makeup:
    """The parts of one version. `tools` maps each tool to the hash of its schema ('' where unknown)."""

    prompt_hash: str = ""
    model: str = ""
    model_snapshot: str = ""
    tools: Mapping[str, str] = field(default_factory=dict)
    framework_version: str = ""
    configuration_hash: str = ""
    commit: str = ""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all parts but the commit: the same agent built twice is the same version."""
        parts = {key: value for key, value in asdict(self).items() if key != "commit"}
        return sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def hash_of(value: Any) -> str:
    """SHA-256 of a schema, prompt or configuration, whatever the order of its keys."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def changes_between(before: Makeup, after: Makeup) -> list[str]:
    """What changed, one sentence each, the gravest first; empty when only the commit differs."""
    said = []
    if before.model != after.model:
        said.append(f"The model changed from {before.model or 'unknown'} to {after.model or 'unknown'}.")
    elif before.model_snapshot != after.model_snapshot:
        said.append(
            f"The snapshot of {after.model or 'the model'} changed from {before.model_snapshot or 'unknown'} "
            f"to {after.model_snapshot or 'unknown'}."
        )
    said += _tool_changes(before.tools, after.tools)
    if before.prompt_hash != after.prompt_hash:
        said.append("The prompt changed.")
    if before.configuration_hash != after.configuration_hash:
        said.append("The configuration changed.")
    if before.framework_version != after.framework_version:
        said.append(
            f"The framework went from {before.framework_version or 'unknown'} to {after.framework_version or 'unknown'}."
        )
    return said


def _tool_changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    added, gone = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
    altered = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    return [
        f"{_count(names)} {verb}: {', '.join(names)}."
        for names, verb in ((added, "added"), (gone, "removed"), (altered, "with another schema"))
        if names
    ]


def _count(names: list[str]) -> str:
    return "1 tool" if len(names) == 1 else f"{len(names)} tools"
