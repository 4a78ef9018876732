"""What must hold before an agent may move: small questions that answer in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from django.utils import timezone

from apps.agents.models import Agent, AiActClass, BreakerState
from apps.agents.risk import needs_certification, tier_words
from apps.compliance.models import Certification

Outcome = Literal["pass", "fail", "not_applicable"]


@dataclass(frozen=True)
class GateResult:
    """The answer of one gate. `remedy` names the page part that mends it: record or certification or breaker."""

    gate: str
    title: str
    outcome: Outcome
    words: str
    remedy: str = ""


@dataclass(frozen=True)
class Gate:
    """A named question about an agent."""

    name: str
    title: str
    remedy: str
    ask: Callable[[Agent], tuple[Outcome, str]]

    def look(self, agent: Agent) -> GateResult:
        outcome, words = self.ask(agent)
        return GateResult(self.name, self.title, outcome, words, self.remedy)


def _people(agent: Agent) -> tuple[Outcome, str]:
    for role, person in (("owner", agent.owner), ("deputy", agent.deputy)):
        if person is None:
            return "fail", f"It has no {role}."
        if not person.is_active:
            return "fail", f"Its {role}, {person.name}, is no longer active."
    return "pass", f"{agent.owner} answers for it, {agent.deputy} stands in."


def _purpose(agent: Agent) -> tuple[Outcome, str]:
    return (
        ("pass", "Its purpose is stated.")
        if agent.purpose.strip()
        else ("fail", "Its purpose is not stated.")
    )


def _risk(agent: Agent) -> tuple[Outcome, str]:
    assessment = agent.assessment
    return (
        ("pass", assessment.sentence)
        if assessment
        else ("fail", "Its four risk questions are not all answered.")
    )


def _practice(agent: Agent) -> tuple[Outcome, str]:
    if agent.ai_act_class == AiActClass.PROHIBITED:
        return "fail", "Its EU AI Act class is a practice that Article 5 bans."
    return "pass", "It is not classed as a practice that Article 5 bans."


def _certification(agent: Agent) -> tuple[Outcome, str]:
    held = Certification.objects.covering(agent, timezone.now())
    certification = held.select_related("framework").order_by("-expires_at").first()
    if certification:
        return (
            "pass",
            f"{certification.framework.name} certification holds until {certification.expires_at:%-d %B %Y}.",
        )
    if not needs_certification(agent.tier):
        return "not_applicable", f"Tier {agent.tier} may go to production without a certification."
    return "fail", f"It is {tier_words(agent.tier)} and holds no active certification that covers it."


def _breaker(agent: Agent) -> tuple[Outcome, str]:
    if agent.is_tripped:
        return "fail", f"Its breaker is tripped: {agent.breaker_reason}"
    return "pass", f"Its breaker is {BreakerState(agent.breaker_state).label.lower()}."


GATES: dict[str, Gate] = {
    gate.name: gate
    for gate in (
        Gate("people", "Owner and deputy", "record", _people),
        Gate("purpose", "Purpose", "record", _purpose),
        Gate("risk", "Risk assessed", "record", _risk),
        Gate("practice", "No banned practice", "record", _practice),
        Gate("certification", "Active certification", "certification", _certification),
        Gate("breaker", "Breaker armed", "breaker", _breaker),
    )
}
