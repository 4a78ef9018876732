"""What a chain is made of: steps, and edges that say what led to what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from apps.activity.chains.values import Value


class Kind(StrEnum):
    """What a step is."""

    DECISION = "decision"
    TOOL = "tool"
    HANDOVER = "handover"
    APPROVAL = "approval"
    LLM = "llm"
    OUTCOME = "outcome"


class Link(StrEnum):
    """Why one step leads to another."""

    PARENT = "parent"
    FLOW = "flow"
    HANDOVER = "handover"
    RETRY = "retry"
    HUMAN = "human"


@dataclass(frozen=True)
class Step:
    """One thing an agent did. `clock` names whose clock its times come from; ids are W3C ids, empty when unknown.

    `given` and `produced` are a call's arguments and result; `prompt` and `said` are texts of a model or an agent.
    `foreign` names the team of a step whose agent is another team's than the run began with; '' of all others.
    A hidden step belongs to an agent the reader may not know of: it keeps its place and nothing else.
    """

    key: str
    kind: Kind
    agent: str
    title: str
    started_at: datetime
    ended_at: datetime | None = None
    agent_id: UUID | None = None
    clock: str = ""
    trace: str = ""
    span: str = ""
    parents: tuple[str, ...] = ()
    given: Any = None
    produced: Any = None
    prompt: str = ""
    said: str = ""
    tool: str = ""
    error: str = ""
    status: str = "unset"
    outcome: str = ""
    reason: str = ""
    code: str = ""
    model: str = ""
    is_hidden: bool = False
    foreign: str = ""

    @property
    def is_failed(self) -> bool:
        """It ran and did not do it. What was refused never ran, whatever it says of why."""
        return not self.is_refused and (bool(self.error) or self.status == "error")

    @property
    def is_refused(self) -> bool:
        return self.status == "denied"

    @property
    def duration_ms(self) -> float | None:
        if self.ended_at is None:
            return None
        return max(0.0, (self.ended_at - self.started_at).total_seconds() * 1000)


@dataclass(frozen=True)
class Edge:
    """From one step to a later one, by their places in the chain. Of a flow: which value, how it matched, in words."""

    kind: Link
    source: int
    target: int
    words: str
    how: str = ""
    value: str = ""
    source_value: str = ""
    source_path: str = ""
    target_path: str = ""

    @property
    def source_number(self) -> int:
        return self.source + 1

    @property
    def target_number(self) -> int:
        return self.target + 1


@dataclass(frozen=True)
class Used:
    """The values of one run: what each step was given, what it brought in, and what is too common to count."""

    given: Sequence[list[Value]]
    produced: Sequence[list[Value]]
    common: frozenset[str]


@dataclass(frozen=True)
class Chain:
    """Steps in causal order, the edges between them, and how deep each stands in the tree.

    `begins` are the starts after clocks were brought together, `shifts` by how many seconds each clock was moved.
    """

    steps: Sequence[Step]
    edges: Sequence[Edge]
    depths: Sequence[int]
    begins: Sequence[datetime]
    shifts: dict[str, float] = field(default_factory=dict)
    loops: dict[int, str] = field(default_factory=dict)
    used: Used = Used((), (), frozenset())

    def into(self, at: int, kind: Link | None = None) -> list[Edge]:
        """Edges that end at this step."""
        return [edge for edge in self.edges if edge.target == at and kind in (None, edge.kind)]

    def out_of(self, at: int, kind: Link | None = None) -> list[Edge]:
        """Edges that begin at this step."""
        return [edge for edge in self.edges if edge.source == at and kind in (None, edge.kind)]

    @property
    def agents(self) -> list[str]:
        """Those who act, in the order of their first step."""
        return list(dict.fromkeys(step.agent for step in self.steps))

    @property
    def duration_s(self) -> float:
        ends = [
            begin.timestamp() + (step.duration_ms or 0) / 1000
            for step, begin in zip(self.steps, self.begins, strict=True)
        ]
        return max(ends) - min(begin.timestamp() for begin in self.begins) if ends else 0.0
