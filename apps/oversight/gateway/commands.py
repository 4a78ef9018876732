"""Which programs a gateway may start, and in what surroundings. Pure.

The machine's administrator lists commands in CHANCERY_GATEWAY_COMMANDS; a command may be started when a listed one is how it
begins, word for word: `mcp-server-git --repository /srv/docs` allows more arguments behind it and nothing else.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence

VARIABLE = re.compile(r"^[A-Z][A-Z0-9_]{1,59}$")
# Variables by which somebody could have another program run than the listed one.
STEERING = ("LD_", "DYLD_", "PYTHON", "NODE_", "PERL", "RUBY", "BASH_", "JAVA_", "GIT_", "CHANCERY_")
ALSO_STEERING = frozenset({"PATH", "HOME", "SHELL", "IFS", "ENV", "TMPDIR"})
INHERITED = ("PATH", "LANG", "LC_ALL", "TZ")


def is_allowed_command(command: Sequence[str], listed: Collection[str]) -> bool:
    """True when a listed command is the beginning of this one."""
    beginnings = [shlex.split(entry) for entry in listed]
    return any(begin and list(command[: len(begin)]) == begin for begin in beginnings)


def is_allowed_variable(name: str) -> bool:
    """True for a name that only the program itself reads."""
    return bool(VARIABLE.fullmatch(name)) and not name.startswith(STEERING) and name not in ALSO_STEERING


def environment_for(ours: Mapping[str, str], home: str, given: Mapping[str, str]) -> dict[str, str]:
    """What a started program sees: where programs are, the language, a home of its own, what it was given. None of our secrets."""
    return {name: ours[name] for name in INHERITED if name in ours} | {"HOME": home} | dict(given)
