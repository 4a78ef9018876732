"""One agent's risk as people read it: each dimension by answer and by facts, and where they contradict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.agents import risk
from apps.agents.models import ASSETS, Agent, NodeKind, RiskPolicy, facts_of, rules_of
from apps.agents.queries.risk_signs import signs_of
from apps.agents.risk import Dimension, Fact, Sign
from apps.agents.risk.assessment import and_joined
from apps.identity.models import Principal

SHOWN = 6


@dataclass(frozen=True)
class DimensionLine:
    """One dimension. `answer` is a person's, None while nobody gave one; `by_facts` the level the facts amount to, None
    where they say none; `held` what former facts still count for; `level` is what counts for the tier."""

    dimension: Dimension
    answer: int | None
    by_facts: int | None
    held: int | None
    level: int | None
    decides: bool
    facts: Sequence[Fact]

    @property
    def is_contradicted(self) -> bool:
        return self.by_facts is not None and self.answer is not None and self.by_facts > self.answer

    @property
    def meaning(self) -> str:
        return self.dimension.meaning(self.answer) if self.answer else "Not answered"

    @property
    def facts_meaning(self) -> str:
        return self.dimension.meaning(self.by_facts) if self.by_facts else "Says no level"

    @property
    def contradiction(self) -> str:
        """As in: Answered “Internal data”, but: may use Claims, which holds health data."""
        if not self.is_contradicted:
            return ""
        told, starts_named = self.facts[0].words, self.facts[0].template.startswith("{name}")
        return f"Answered “{self.meaning}”, but: {told if starts_named else told[:1].lower() + told[1:]}."

    @property
    def to_lower(self) -> str:
        """What would bring the level of the facts down by one."""
        if not self.by_facts or self.by_facts < 2:
            return ""
        grave = [fact for fact in self.facts if fact.level == self.by_facts]
        named = [fact.name for fact in grave if fact.id]
        listed = [*named[:3], f"{len(named) - 3} more"] if len(named) > 3 else named
        about = and_joined(listed) if named else "what is listed first"
        return f"The facts would say {self.by_facts - 1} at most without {about}."

    @property
    def shown(self) -> Sequence[Fact]:
        return self.facts[:SHOWN]

    @property
    def more(self) -> int:
        return max(len(self.facts) - SHOWN, 0)


@dataclass(frozen=True)
class RiskRecord:
    """All of it, with the policy that wrote the tier; `policy` is None for a tier of before there were policies."""

    assessment: risk.Assessment | None
    lines: Sequence[DimensionLine]
    policy: RiskPolicy | None
    facts_raise: bool

    @property
    def contradictions(self) -> list[DimensionLine]:
        return [line for line in self.lines if line.is_contradicted]

    @property
    def is_held(self) -> bool:
        """True where facts that are gone still hold a level up."""
        return self.facts_raise and any((one.held or 0) > (one.by_facts or 0) for one in self.lines)


def risk_record(agent: Agent, *, actor: Principal) -> RiskRecord:
    """The facts as they are now, of what the actor may know of; a bounded number of queries."""
    return _record(agent, signs_of([agent])[agent.pk], actor)


def kept_risk_record(agent: Agent, *, actor: Principal) -> RiskRecord:
    """The same by the facts as they were last read, without walking the graph."""
    kept = agent.risk_facts.signs if hasattr(agent, "risk_facts") else []
    return _record(agent, [Sign(**one) for one in kept], actor)


def tier_preview(data: Mapping[str, Any], agent: Agent | None = None) -> risk.Assessment | None:
    """The tier that what a form holds so far would give by the policy in force: the four levels, and the EU AI Act
    class where the form has it, that of the agent otherwise."""
    rules = RiskPolicy.objects.get(state=RiskPolicy.State.APPLIED).parsed
    chosen = {name: str(data.get(name, "")) for name in risk.FIELDS}
    levels = {name: int(text) if text in {"1", "2", "3", "4"} else None for name, text in chosen.items()}
    stated = data.get("ai_act_class", agent.ai_act_class if agent else "")
    facts = agent.held_facts if agent and rules.facts_raise else {}
    return risk.assess(levels, rules, ai_act_class=str(stated), facts=facts)


def _record(agent: Agent, signs: list[Sign], actor: Principal) -> RiskRecord:
    rules, assessment = rules_of(agent.risk_policy_id), agent.assessment
    facts = facts_of(agent, signs, rules)
    visible = _visible((fact for told in facts.values() for fact in told), actor)
    levels, held = risk.fact_levels(facts), agent.held_facts if rules.facts_raise else {}
    counted = {reason.dimension.field: reason for reason in assessment.reasons} if assessment else {}
    lines = [
        DimensionLine(
            one, getattr(agent, one.field), levels.get(one.field), held.get(one.field),
            counted[one.field].level if counted else None, bool(counted) and counted[one.field].decides,
            [_told(fact, visible) for fact in facts[one.field]],
        )
        for one in risk.DIMENSIONS
    ]  # fmt: skip
    return RiskRecord(assessment, lines, agent.risk_policy, rules.facts_raise)


def _told(fact: Fact, visible: Mapping[str, set[str]]) -> Fact:
    if not fact.id or fact.id in visible[fact.kind]:
        return fact
    return fact.unnamed(f"{NodeKind(fact.kind).label.lower()} of another team")


def _visible(facts: Iterable[Fact], actor: Principal) -> dict[str, set[str]]:
    """The ids, by kind, of the things the actor may know of; one query for each kind."""
    wanted: dict[str, set[str]] = {}
    for fact in facts:
        if fact.id:
            wanted.setdefault(fact.kind, set()).add(fact.id)
    models: dict[str, Any] = {NodeKind.AGENT.value: Agent, **ASSETS}
    return {
        kind: {
            str(pk)
            for pk in models[kind].objects.visible_to(actor).filter(pk__in=ids).values_list("pk", flat=True)
        }
        for kind, ids in wanted.items()
    }
