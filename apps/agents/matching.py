"""Which findings speak of one agent, and what says that it is on record already. No database.

Findings are one candidate by a strong key: an address or an identifier that exists once, or the name within its
source and framework. Across sources a name alone never joins: it is shown as a likely match.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import orjson

HIGH, MEDIUM = 0.8, 0.6
NO_AGENT = frozenset({"mcp_server"})
# What a repository says of the coding agents that work in it: one candidate for all of it.
OF_CODING_AGENTS = frozenset({"mcp_client_config", "coding_agent_instructions"})
LOCAL = re.compile(
    r"^(localhost|127\.|0\.0\.0\.0|10\.|192\.168\.|\[?::1|.*\.(local|localhost|example|test)$|example\.)"
)
SEPARATORS = re.compile(r"[\s_./:@-]+")


@dataclass(frozen=True)
class Found:
    """One finding as a scan reports it: the shape of `chancery_sdk.scan.Finding`."""

    kind: str
    framework: str
    role: str
    confidence: float
    place: str
    name: str = ""
    model: str = ""
    tools: Sequence[str] = ()
    mcp_servers: Sequence[str] = ()
    description: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def natural_place(self) -> str:
        """The place without its line, and the name found there."""
        path = re.sub(r":\d+$", "", self.place)
        return f"{path}#{self.name}"[:500] if self.name else path[:500]

    @property
    def title(self) -> str:
        """What people read: the name, else the servers, else the file."""
        return (self.name or ", ".join(self.mcp_servers) or self.place)[:200]


def plain_name(name: str) -> str:
    """In lower case without what separates words: `Order Agent`, `order_agent` and `order-agent` are one."""
    return SEPARATORS.sub("", name.lower())


def address_of(found: Found) -> str:
    """The public address an agent says it answers at; '' when it has none or only a local one."""
    url = found.extra.get("url")
    parts = urlsplit(url) if isinstance(url, str) and url.startswith(("http://", "https://")) else None
    host = (parts.hostname or "") if parts else ""
    if not parts or not host or LOCAL.match(host) or found.role in NO_AGENT:
        return ""
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def declared_id_of(found: Found) -> str:
    """The id by which the finding says it is on record: AGT-0412 or a UUID; '' when it says nothing."""
    said = found.extra.get("declared_id")
    return said if isinstance(said, str) else ""


def key_of(found: Found, source: str, team: object) -> str:
    """The key of the candidate this finding belongs to. One team's evidence never joins another's."""
    return sha256("\n".join((str(team), *_identity(found, source))).encode()).hexdigest()


def _identity(found: Found, source: str) -> tuple[str, ...]:
    if declared := declared_id_of(found):
        return ("declared", declared)
    if address := address_of(found):
        return ("address", address)
    if found.kind == "mcp-server-json" and "/" in found.name:
        return ("server", found.name)
    if client := found.extra.get("client_id"):
        return ("account", str(client))
    if found.role in OF_CODING_AGENTS:
        return ("coding agents", source)
    if found.name:
        return ("name", source, found.framework, plain_name(found.name))
    return ("place", source, found.natural_place)


def digest_of(evidence: Iterable[tuple[str, str, str, Mapping[str, Any]]]) -> str:
    """A hash over (source kind, source, place, finding) that changes when what is said changes, not where it stands."""
    said = ("kind", "name", "framework", "model", "tools", "mcp_servers", "description", "role")
    rows = sorted(
        ([kind, source, place, {key: finding.get(key) for key in said}] for kind, source, place, finding in evidence),
        key=lambda row: row[:3],
    )  # fmt: skip
    return sha256(orjson.dumps(rows, option=orjson.OPT_SORT_KEYS)).hexdigest()


def confidence_word(confidence: float) -> str:
    if confidence >= HIGH:
        return "high"
    return "medium" if confidence >= MEDIUM else "low"


SOURCE_KINDS = {
    "a2a-agent-card": "agent_card",
    "mcp-server-json": "mcp_registry",
    "account-list": "accounts",
    "kubernetes-workload": "kubernetes",
    "kagent-crd": "kubernetes",
    "toolhive-mcpserver-crd": "kubernetes",
    "agentregistry-yaml": "kubernetes",
    "agent-crd": "kubernetes",
    "n8n-workflow": "cloud",
    "dify-dsl": "cloud",
    "flowise-json": "cloud",
    "langflow-json": "cloud",
    "bedrock-cloudformation": "cloud",
    "bedrock-terraform": "cloud",
    "terraform": "cloud",
    "m365-declarative-agent": "cloud",
}


def source_kind_of(kind: str) -> str:
    """Where a finding of an uploaded file comes from, by what sort of file it is."""
    return SOURCE_KINDS.get(kind, "repository_scan")
