"""`python -m config.manage ...`: manage.py with the settings of the Chancery that runs here."""

from __future__ import annotations

import os
import subprocess
import sys

from config.launch import is_up
from config.processes import PYTHON, ROOT, environment_of, folder_from


def main(arguments: list[str]) -> int:
    folder = folder_from(os.environ)
    if not is_up(folder):
        print("Chancery does not run here. Start it: make up", file=sys.stderr)
        return 1
    return _manage(arguments, environment_of(folder))


def _manage(arguments: list[str], environment: dict[str, str]) -> int:
    return subprocess.run(
        [PYTHON, ROOT / "manage.py", *arguments], env={**os.environ, **environment}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
