"""What is asked, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

ENFORCE: Final = "enforce"
SEVERITY: Final = {"allow": 0, "notify": 1, "ask": 2, "deny": 3}


@dataclass(frozen=True)
class Question:
    """May this call be made? `tool` is written `server/tool`; ids are the caller's own, '' where it has none.

    `data_classes` are what the caller says the arguments hold, beside those of the tool; `provenance` says for a path in the
    arguments where its value came from: request, result or nowhere.
    """

    tool: str
    operation: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    call_id: str = ""
    conversation_id: str = ""
    data_classes: tuple[str, ...] = ()
    purpose: str = ""
    on_behalf_of: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Session:
    """What went before in the same session, over all agents of its chain; `succeeded` are tools that were reported to have
    worked, `own` those that the asking agent called itself. Tools are written as `server/tool`, agents by slug."""

    calls: int = 0
    called: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    succeeded: frozenset[str] = frozenset()
    data_classes: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Past:
    """What counted before the call: the session, and by counter of which policy how much."""

    session: Session = field(default_factory=Session)
    counted: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """One thing that speaks about a call. `mode` shadow: it is noted and changes nothing; warn: the call goes on and
    people are told. `policy` is its id, '' for a rule that is no policy."""

    outcome: str
    code: str
    reason: str
    mode: str = ENFORCE
    policy: str = ""
    version: int | None = None
    obligations: tuple[Mapping[str, Any], ...] = ()

    @property
    def effective(self) -> str:
        """What it comes to in its mode."""
        if self.mode == ENFORCE or self.outcome == "allow":
            return self.outcome
        return "notify" if self.mode == "warn" else "allow"


@dataclass(frozen=True)
class Verdict:
    """The answer: `outcome` allow, notify, ask or deny, for the gravest of the findings. `shadow` is the finding that would
    have decided if every mode were enforce, None where it would be the same. `counted` is what the call adds to counters,
    should it be allowed."""

    outcome: str
    code: str
    reason: str
    findings: tuple[Finding, ...] = ()
    obligations: tuple[Mapping[str, Any], ...] = ()
    shadow: Finding | None = None
    counted: Mapping[str, Decimal] = field(default_factory=dict)
