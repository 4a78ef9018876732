"""Finding agents in files: what is found, by what name, and how fast.

    python bench/discovery.py            all files of open/discovery, five times over for speed
    python bench/discovery.py --quick    the same files, once

Each file is given to the recognisers alone, with the path it had. Keys: `precision`, `recall` (is there an agent,
a server or a client here), `name_accuracy` (of the declared entries that have a name, those found by it or by an
accepted other one), `model_accuracy`, `description_accuracy`, `role_accuracy` (of entries found), `tools_f1`,
`servers_f1` (names of tools and MCP servers, all entries together), `surplus` (entries found beyond the declared
ones), `by_kind` (files found of files there are; `neg:` kinds: false alarms of files), `files_per_s`, `slowest_ms`.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "sdk" / "src")]

from chancery_sdk.scan import Finding, recognise

from bench.rig import arguments, data_folder, result, say

FOLDER = "open/discovery"


@dataclass
class Score:
    """Counts over all files."""

    kinds: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    counts: Counter[str] = field(default_factory=Counter)

    def take(self, case: dict[str, Any], found: list[Finding]) -> None:
        self.kinds[case["kind"]]["files"] += 1
        self.kinds[case["kind"]]["found"] += bool(found)
        self.counts["found"] += bool(found)
        self.counts["true"] += case["is_agent_evidence"]
        self.counts["both"] += case["is_agent_evidence"] and bool(found)
        self._entries(case["agents"], list(found))

    def _entries(self, declared: list[dict[str, Any]], left: list[Finding]) -> None:
        for entry in declared:
            match = _match(entry, left)
            self.counts["named"] += entry["name"] is not None
            self.counts["entries"] += match is not None
            if match is None:
                self._sets(entry, None)
                continue
            left.remove(match)
            self.counts["name"] += entry["name"] is not None and match.name in _names(entry)
            self.counts["model"] += match.model == entry["model"] or match.model in entry.get("models", [])
            self.counts["description"] += bool(match.description) == entry["description_present"]
            self.counts["role"] += match.role == entry["role"]
            self._sets(entry, match)
        self.counts["surplus"] += len(left)

    def _sets(self, entry: dict[str, Any], match: Finding | None) -> None:
        for key in ("tools", "mcp_servers"):
            true, said = set(entry[key]), set(getattr(match, key)) if match else set()
            self.counts[f"{key} true"] += len(true)
            self.counts[f"{key} said"] += len(said)
            self.counts[f"{key} both"] += len(true & said)

    def figures(self) -> dict[str, Any]:
        counts = self.counts
        return {
            "precision": _share(counts["both"], counts["found"]),
            "recall": _share(counts["both"], counts["true"]),
            "name_accuracy": _share(counts["name"], counts["named"]),
            "tools_f1": _share(2 * counts["tools both"], counts["tools true"] + counts["tools said"]),
            "servers_f1": _share(
                2 * counts["mcp_servers both"], counts["mcp_servers true"] + counts["mcp_servers said"]
            ),
            **{
                f"{key}_accuracy": _share(counts[key], counts["entries"])
                for key in ("model", "description", "role")
            },
            "surplus": counts["surplus"],
            "by_kind": {
                kind: f"{count['found']} of {count['files']}" for kind, count in sorted(self.kinds.items())
            },
        }


def _names(entry: dict[str, Any]) -> set[str | None]:
    return {entry["name"], entry.get("logical_id"), *entry.get("alt_names", [])} - {None}


def _match(entry: dict[str, Any], found: list[Finding]) -> Finding | None:
    """The finding of this entry: by an accepted name, or any when the entry has none."""
    accepted = _names(entry)
    named = [one for one in found if one.name in accepted or one.extra.get("logical_id") in accepted]
    return next(iter(named or (found if entry["name"] is None else [])), None)


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _speed(cases: list[tuple[str, str]], times: int) -> dict[str, float]:
    taken = []
    for at in range(times):
        say(f"reading {len(cases)} files, round {at + 1} of {times}")
        for path, text in cases:
            begun = time.perf_counter()
            recognise(path, text)
            taken.append(time.perf_counter() - begun)
    return {"files_per_s": round(len(taken) / sum(taken), 1), "slowest_ms": round(max(taken) * 1000, 1)}


def main() -> int:
    given = arguments(__doc__ or "").parse_args()
    folder = data_folder()
    if folder is None or not (folder / FOLDER / "index.jsonl").exists():
        say(f"no {FOLDER} in CHANCERY_DATA or beside the project: nothing is measured")
        result()
        return 0
    lines = (folder / FOLDER / "index.jsonl").read_text().splitlines()
    cases = [json.loads(line) for line in lines]
    texts = [(case["original_path"], (folder / FOLDER / case["file"]).read_text()) for case in cases]
    score = Score()
    for case, (path, text) in zip(cases, texts, strict=True):
        score.take(case, recognise(path, text))
    result(**score.figures(), **_speed(texts, 1 if given.quick else 5))
    return 0


if __name__ == "__main__":
    sys.exit(main())
