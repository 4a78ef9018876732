"""What a recogniser says of a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

# How sure a format makes it. Declared: the format exists for nothing else. Read: from code, by its syntax
# tree. Likely: signs that usually mean an agent. Possible: worth a look.
DECLARED: Final = 0.95
READ: Final = 0.9
LIKELY: Final = 0.65
POSSIBLE: Final = 0.4
LONGEST_TEXT: Final = 2_000
MOST_NAMES: Final = 200


class Role:
    """What the thing found is to its surroundings."""

    AGENT = "agent"
    APP = "llm_app"
    MCP_SERVER = "mcp_server"
    MCP_CLIENT = "mcp_client_config"
    INSTRUCTIONS = "coding_agent_instructions"
    HUMAN_PROXY = "human_proxy"
    ORCHESTRATION = "orchestration_proxy"
    ACCOUNT = "account"


@dataclass(frozen=True)
class Finding:
    """One agent, server or client of servers, as one file declares it.

    `name` is None where the format has none. `model` is the literal this file gives; an expression that only
    another file or the environment resolves is in `extra["model_ref"]`. `place` is path:line. `confidence`
    lies between 0 and 1.
    """

    kind: str
    framework: str
    name: str | None = None
    model: str | None = None
    tools: tuple[str, ...] = ()
    mcp_servers: tuple[str, ...] = ()
    description: str = ""
    role: str = Role.AGENT
    confidence: float = DECLARED
    place: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, as the command prints it and the server takes it."""
        plain = asdict(self)
        plain["confidence"] = round(self.confidence, 2)
        return plain


def text_of(value: object) -> str | None:
    """The value as a short text when it is one, None otherwise."""
    if not isinstance(value, str) or not value.strip():
        return None
    return value.strip()[:LONGEST_TEXT]


def names_of(values: Iterable[object]) -> tuple[str, ...]:
    """The texts among the values, each once, in their order."""
    kept = dict.fromkeys(text for value in values if (text := text_of(value)))
    return tuple(list(kept)[:MOST_NAMES])
