"""When a certification may be given, how long it lasts, what counts as drift. Pure rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

VALIDITY = {
    4: timedelta(days=90),
    3: timedelta(days=180),
    2: timedelta(days=365),
    1: timedelta(days=365),
}
# What a judgement of a definition rests on: an instance that says otherwise here is another agent than the certified one.
CERTIFIED = (
    "purpose", "environment", "framework", "users_served", "countries", "retention_days", "sub_processors",
    "oversight_level", "ai_act_class", "data_sensitivity", "decision_authority", "blast_radius", "regulatory_exposure",
)  # fmt: skip
BLOCKING = frozenset({"critical", "high"})


@dataclass(frozen=True)
class Judged:
    """One control's code and severity, and the result given (None when none was)."""

    code: str
    severity: str
    result: str | None
    note: str = ""


def what_stands_in_the_way(controls: Iterable[Judged]) -> dict[str, str]:
    """{control code: what is missing}; empty when the certification may be given.

    Every control needs a result. A failing critical or high control blocks; a framework in which nothing
    applies is out of scope and cannot be certified.
    """
    judged = list(controls)
    if not judged:
        return {"controls": "This framework has no controls yet: there is nothing to certify against"}
    problems = {
        c.code: "Judge this control: pass, fail or not_applicable" for c in judged if c.result is None
    }
    problems |= {
        c.code: f"It fails, and its severity is {c.severity}"
        for c in judged
        if c.result == "fail" and c.severity in BLOCKING
    }
    problems |= {
        c.code: "Say in a note why it does not apply"
        for c in judged
        if c.result == "not_applicable" and not c.note.strip()
    }
    if all(c.result == "not_applicable" for c in judged):
        problems["controls"] = "At least one control must apply"
    return problems


@dataclass(frozen=True)
class Drift:
    """One departure from the certified baseline: its kind, its subject, severity and words."""

    kind: str
    subject: str
    severity: str
    title: str
    detail: str


def drift_from(
    baseline: Mapping[str, Iterable[str]], tools: Mapping[str, int], models: Mapping[str, int]
) -> list[Drift]:
    """Departures of what was seen since certification ({name: calls}) from the baseline."""
    known_tools, known_models = set(baseline.get("tools", ())), set(baseline.get("models", ()))
    found = [
        Drift(
            "drift.new_tool",
            name,
            "high",
            f"{name} was never called before certification",
            f"{name} was called {calls} times since; the certified baseline has {len(known_tools)} tools.",
        )
        for name, calls in sorted(tools.items())
        if name not in known_tools
    ]
    before = ", ".join(sorted(known_models)) or "no model"
    return found + [
        Drift(
            "drift.model_changed",
            name,
            "high",
            f"{name} answers now; {before} was certified",
            f"{name} answered {calls} times since certification, which rests on {before}.",
        )
        for name, calls in sorted(models.items())
        if name not in known_models
    ]
