"""The client side of Chancery: what runs beside agents and in pipelines. It knows nothing of Django."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chancery_sdk.client import AsyncClient, Client
    from chancery_sdk.telling import Call, Outcome, Verdict

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Call", "Client", "Outcome", "Verdict"]
# Read when they are asked for: `chancery hook` runs before every tool call and must not load an HTTP library.
_HOMES = {
    "AsyncClient": "chancery_sdk.client",
    "Client": "chancery_sdk.client",
    "Call": "chancery_sdk.telling",
    "Outcome": "chancery_sdk.telling",
    "Verdict": "chancery_sdk.telling",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
