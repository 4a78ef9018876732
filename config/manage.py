"""`python -m config.manage ...`: manage.py with the settings of the Chancery that runs here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from config.launch import folder_from
from config.processes import PYTHON, ROOT


def environment_of(folder: Path) -> dict[str, str]:
    """The environment of the running web process, from the supervisor's file."""
    inside, found = False, {}
    for line in (folder / "supervisor.conf").read_text().splitlines():
        inside = line == "[program:web]" if line.startswith("[") else inside
        if inside and line.startswith("environment="):
            for pair in line.removeprefix("environment=").split('",'):
                name, _, value = pair.partition('="')
                found[name] = value.rstrip('"').replace("%%", "%")
    return found


def main(arguments: list[str]) -> int:
    try:
        running = environment_of(folder_from(os.environ))
    except OSError:
        running = {}
    if not running:
        print("No Chancery runs here yet. Start one: make up", file=sys.stderr)
        return 1
    return _manage(arguments, running)


def _manage(arguments: list[str], environment: dict[str, str]) -> int:
    return subprocess.run(
        [PYTHON, ROOT / "manage.py", *arguments], env={**os.environ, **environment}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
