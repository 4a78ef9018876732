"""The console script `chancery`: to the hook without loading the scanner, for it runs before every tool call."""

from __future__ import annotations

import sys
from importlib import import_module


def main() -> int:
    if sys.argv[1:2] == ["hook"]:
        hook = import_module("chancery_sdk.hook.command")
        hook.leave(hook.main(sys.argv[2:]))
    return int(import_module("chancery_sdk.command").main())


if __name__ == "__main__":
    sys.exit(main())
