"""What a step says, asks for and gets back, as plain text: the same for calls with arguments and for agents that talk.

A step whose text only reports what came back (an execution result, a trace back) is no decision of anybody: it counts
as the result of the step before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from apps.activity.chains.steps import Kind, Step
from apps.activity.chains.values import text_of

LONGEST = 12_000
LONGEST_STATUS = 60
REPORT = re.compile(
    r"^\s*(exit ?code\b|execution (result|output)|code output|traceback|stdout|stderr|there is no code|tool (result|output))",
    re.I,
)
FAILURE = re.compile(
    r"exit ?code: ?[1-9]|execution failed|traceback|\b\w*Error\b:|\bexception\b|not found|\b404\b|\b403\b|timed? ?out"
    r"|denied|there is no code",
    re.I,
)
CODE = re.compile(r"```|^\s*(?:import|from) \w+", re.M)
FENCED = re.compile(r"```.*?(?:```|$)", re.S)
NUMBER = re.compile(r"\d[\d,.]*\d")
NAME = re.compile(
    r"https?://\S+|[A-Z][a-z]+(?:\s[A-Z][a-z]+)+|\b[A-Z][a-z]{3,}\b|\b[A-Za-z]*\d[\w-]*[A-Za-z][\w-]*\b"
)
WORD = re.compile(r"[a-z][a-z0-9]{3,}")
PLAIN = frozenset(
    [
        "that",
        "this",
        "with",
        "from",
        "have",
        "will",
        "been",
        "were",
        "what",
        "which",
        "their",
        "they",
        "there",
        "then",
        "than",
        "them",
        "your",
        "into",
        "also",
        "each",
        "more",
        "most",
        "only",
        "some",
        "such",
        "task",
        "please",
        "solve",
        "carefully",
        "using",
        "used",
        "user",
        "make",
        "step",
        "steps",
        "plan",
        "would",
        "could",
        "should",
        "based",
        "where",
        "when",
        "while",
        "about",
        "following",
        "need",
        "find",
        "answer",
        "information",
        "data",
        "provided",
        "results",
        "output",
        "result",
        "code",
        "first",
        "next",
    ]
)


@dataclass(frozen=True)
class Act:
    """One step as text. `is_report`: it only tells what came back. `acts`: it calls a tool or runs code."""

    agent: str
    words: str
    prose: str
    came_back: str
    is_report: bool
    acts: bool
    failed: bool
    specifics: frozenset[str]
    result_specifics: frozenset[str]
    terms: frozenset[str]


def acts_of(steps: Sequence[Step]) -> list[Act]:
    """Each step with what came back to it: its own result, or the report that follows it."""
    texts = [_words(step) for step in steps]
    reports = [_is_report(step, text) for step, text in zip(steps, texts, strict=True)]
    found = []
    for at, (step, text) in enumerate(zip(steps, texts, strict=True)):
        follows = at + 1 < len(steps) and reports[at + 1] and not reports[at]
        back = text_of(step.produced)[:LONGEST] if step.tool else texts[at + 1] if follows else ""
        acts = not reports[at] and (bool(step.tool) or bool(CODE.search(text)))
        # Errors of a service are told by its status; text alone can only be read.
        failed = step.is_failed or (not step.tool and bool(FAILURE.search(back)))
        prose = FENCED.sub(" ", text)
        own, told = specifics_of(text), specifics_of(back if step.tool else text if reports[at] else "")
        found.append(Act(step.agent, text, prose, back, reports[at], acts, failed, own, told, terms_of(text)))
    return found


def _words(step: Step) -> str:
    if step.is_hidden:
        return ""
    parts = (
        (step.said, text_of(step.given)[:LONGEST])
        if step.kind != Kind.HANDOVER
        else (step.said, step.title, text_of(step.given)[:LONGEST])
    )
    return "\n".join(part for part in parts if part)[:LONGEST]


def _is_report(step: Step, text: str) -> bool:
    return step.is_hidden or (not step.tool and bool(REPORT.match(text)))


def specifics_of(text: str) -> frozenset[str]:
    """What has to come from somewhere: numbers of two digits or more, names, addresses, identifiers."""
    numbers = {found.rstrip(".,").replace(",", "") for found in NUMBER.findall(text)}
    return frozenset(numbers | {found.rstrip(".,;:)") for found in NAME.findall(text)})


def terms_of(text: str) -> frozenset[str]:
    """The words of a text that say what it is about."""
    return frozenset(WORD.findall(text.lower())) - PLAIN


def is_slight(act: Act) -> bool:
    """True for a word of closing, which decides nothing."""
    return len(act.words) < LONGEST_STATUS and not act.acts
