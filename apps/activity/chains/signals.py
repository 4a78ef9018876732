"""The signals by which a step is suspected: named figures of each step, none of which is its place in the run.

Each looks at what the step says, asks for and gets back, against what was known before it and what is done with it
afterwards. Nothing here counts from the beginning or to the end: a long run and a short one are read alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import log1p

from apps.activity.chains.acts import Act, is_slight, specifics_of, terms_of

NEAR = 12
LAST = 3
ASSUMES = re.compile(
    r"\bassum\w+|placeholder|hypothetical|simulat\w+|\bmock|dummy|sample data|for (?:demonstration|illustration)"
    r"|approximat\w+|let'?s say|presum\w+|suppose|example (?:data|value|list|file|url)|your[_ ]?(?:api[_ ]?key|file|path)"
    r"|\bpath/to|estimated?\b|likely|might be|may be|should be\b|typically|generally|known (?:facts|data|information)"
    r"|(?:common|general|my) knowledge",
    re.I,
)
CLAIMS = re.compile(
    r"\bverified\b|\bconfirm(?:ed|s)?\b|\baccurate(?:ly)?\b|\bcorrect(?:ly)?\b|thorough|consistent with|aligns?\b|validated"
    r"|conclude|final (?:answer|result|output)|therefore|the answer is",
    re.I,
)
PLANS = re.compile(
    r"\b(?:plan|step[- ]by[- ]step|steps?:|first,|task description|to (?:solve|proceed|begin|start|achieve)"
    r"|let'?s (?:start|begin|proceed|break))",
    re.I,
)
BY_HAND = re.compile(
    r"manual(?:ly)?|visit(?:ing)?|check(?:ing)? the website|navigat|browse|I (?:will|'ll) (?:use|search|check)",
    re.I,
)
LACKS = re.compile(
    r"(?:do|does|did) not (?:have|provide|contain|include)|unable|cannot|can't|no (?:results?|information|data)\b"
    r"|not (?:available|provided|specified|found)|missing|without (?:access|the)|please (?:provide|share|upload)|could you",
    re.I,
)
NAMES = (
    "report", "slight", "acts", "act_fails", "act_empty", "assumes", "claims", "plans", "by_hand", "lacks",
    "reach_final", "from_results", "covers_request", "after_result", "takes_over", "repeats",
)  # fmt: skip
Signals = Mapping[str, float]


def signals_of(acts: Sequence[Act], request: str) -> list[Signals]:
    """The figures of every step; linear in the length of the run."""
    news = _new_values(acts, request)
    final = frozenset().union(*(act.specifics for act in acts[-LAST:])) if acts else frozenset()
    known: set[str] = set()
    asked, found, used = terms_of(request), [], _used_later(acts)
    for at, act in enumerate(acts):
        found.append(
            _of_words(act)
            | _of_doing(act, is_used=used[at])
            | _of_place(acts, at)
            | {
                "reach_final": log1p(len(news[at] & final)) if at < len(acts) - LAST else 0.0,
                "from_results": len(act.specifics & known) / max(1, len(act.specifics)),
                "covers_request": len(asked & act.terms) / max(1, len(asked)),
            }
        )
        known |= act.result_specifics
    return [_of_decision(figures, act) for figures, act in zip(found, acts, strict=True)]


def _of_decision(figures: dict[str, float], act: Act) -> Signals:
    """Of a report nothing counts but that it is one: it decided nothing."""
    return {name: 0.0 if act.is_report and name != "report" else float(figures[name]) for name in NAMES}


def _of_words(act: Act) -> dict[str, float]:
    return {
        "report": act.is_report,
        "slight": is_slight(act),
        "assumes": min(3, len(ASSUMES.findall(act.words))),
        "claims": min(4, len(CLAIMS.findall(act.prose))),
        "plans": min(4, len(PLANS.findall(act.prose))),
        "by_hand": min(3, len(BY_HAND.findall(act.prose))),
        "lacks": min(3, len(LACKS.findall(act.prose))),
    }


def _of_doing(act: Act, *, is_used: bool) -> dict[str, float]:
    """However little came back: what a later step uses was not nothing."""
    return {
        "acts": act.acts,
        "act_fails": act.acts and act.failed,
        "act_empty": act.acts and not act.failed and not is_used and 0 < len(act.came_back) < 70,
    }


def _of_place(acts: Sequence[Act], at: int) -> dict[str, float]:
    """How a step stands to its neighbours: what it answers, whom it follows, whether it says the same again."""
    act, before = acts[at], acts[at - 1] if at else None
    return {
        "after_result": before is not None and (before.is_report or bool(before.came_back)),
        "takes_over": before is not None and before.agent != act.agent,
        "repeats": max((_alike(act, other) for other in acts[max(0, at - NEAR) : at]), default=0.0),
    }


def _alike(one: Act, other: Act) -> float:
    """Jaccard index of the words of two steps."""
    both = len(one.terms & other.terms)
    return both / (len(one.terms) + len(other.terms) - both) if both else 0.0


def _used_later(acts: Sequence[Act]) -> list[bool]:
    """Whether any step afterwards names a value that this one brought back."""
    later: set[str] = set()
    found = []
    for act in reversed(acts):
        found.append(not later.isdisjoint(act.result_specifics))
        later |= act.specifics
    return found[::-1]


def _new_values(acts: Sequence[Act], request: str) -> list[frozenset[str]]:
    """What each step says that neither the request nor any step or result before it had said."""
    seen = set(specifics_of(request))
    found = []
    for act in acts:
        found.append(frozenset() if act.is_report else act.specifics - seen)
        seen |= act.specifics | act.result_specifics
    return found
