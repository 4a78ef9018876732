"""Reads the files below a path, within limits, and asks the recognisers."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chancery_sdk.scan.finding import Finding
from chancery_sdk.scan.recognisers import recognise

LEFT_OUT: Final = frozenset(
    {".git", ".hg", ".svn", "node_modules", "bower_components", ".venv", "venv", "site-packages", "__pycache__", ".tox",
     ".nox", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".terraform", ".next", ".cache", ".idea", "vendor"}
)  # fmt: skip
SUFFIXES: Final = frozenset(
    {".md", ".mdc", ".markdown", ".json", ".jsonc", ".json5", ".yaml", ".yml", ".toml", ".py", ".pyi", ".cs", ".tf",
     ".tofu", ".csv", ".tsv", ".template", ".af", ".ts", ".tsx", ".js", ".mjs", ".cjs", ".mts"}
)  # fmt: skip
NAMES: Final = frozenset({".roomodes", ".cursorrules", ".windsurfrules", ".clinerules", ".goosehints"})
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Limits:
    """Where a scan ends. `bytes_per_file` and `depth` leave single files out, the others end the scan."""

    bytes_per_file: int = 1_000_000
    depth: int = 40
    files: int = 100_000
    findings: int = 20_000
    seconds: float = 600.0


@dataclass
class Scanned:
    """What a scan found. `stopped_by` names the limit that ended it early, "" when everything was read."""

    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    stopped_by: str = ""


def scan_path(root: Path, limits: Limits | None = None, progress: Progress | None = None) -> Scanned:
    """Scan a file or a folder. Links are not followed; places are relative to the root."""
    limits, scanned, began = limits or Limits(), Scanned(), time.monotonic()
    for path in _files(root, limits, scanned):
        if scanned.stopped_by:
            break
        if (text := _text(path, limits, scanned)) is not None:
            relative = path.name if path == root else path.relative_to(root).as_posix()
            scanned.findings.extend(recognise(relative, text))
            scanned.files += 1
            if progress is not None:
                progress(scanned.files, len(scanned.findings), relative)
        scanned.stopped_by = _limit_reached(limits, scanned, time.monotonic() - began)
    return scanned


def _limit_reached(limits: Limits, scanned: Scanned, elapsed_s: float) -> str:
    if scanned.files >= limits.files:
        return "files"
    if len(scanned.findings) >= limits.findings:
        return "findings"
    return "seconds" if elapsed_s > limits.seconds else ""


def _files(root: Path, limits: Limits, scanned: Scanned) -> Iterator[Path]:
    """Readable files of the formats, in the order of their names."""
    if root.is_file():
        yield root
        return
    for folder, folders, files in os.walk(root, followlinks=False):
        at = Path(folder)
        if len(at.relative_to(root).parts) >= limits.depth:
            scanned.left_out["too deep"] += len(folders)
            folders.clear()
        folders[:] = sorted(
            name for name in folders if name not in LEFT_OUT and not _is_environment(at / name)
        )
        for name in sorted(files):
            path = at / name
            if (path.suffix.lower() in SUFFIXES or name.lower() in NAMES) and not path.is_symlink():
                yield path


def _is_environment(folder: Path) -> bool:
    return (folder / "pyvenv.cfg").exists()


def _text(path: Path, limits: Limits, scanned: Scanned) -> str | None:
    try:
        if not path.is_file() or path.stat().st_size > limits.bytes_per_file:
            scanned.left_out["too large"] += 1
            return None
        with path.open("rb") as file:
            raw = file.read(limits.bytes_per_file + 1)
    except OSError:
        scanned.left_out["unreadable"] += 1
        return None
    if b"\0" in raw:
        scanned.left_out["not text"] += 1
        return None
    return raw.decode("utf-8-sig", errors="replace")
