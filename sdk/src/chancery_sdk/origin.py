"""Where files come from, as git's own files tell it. Nothing is run."""

from __future__ import annotations

import re
from pathlib import Path


def source_of(path: Path) -> str:
    """The address of the repository the path lies in, without credentials; else the path's own name."""
    folder = path.resolve()
    for place in (folder, *folder.parents):
        config = place / ".git" / "config"
        if config.is_file():
            found = re.search(
                r'\[remote "origin"\][^\[]*?url\s*=\s*(\S+)', config.read_text(errors="replace")
            )
            return re.sub(r"(?<=://)[^/@]+@", "", found[1]) if found else place.name
    return folder.name
