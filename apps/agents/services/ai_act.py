"""Answering the questions of the EU AI Act about an agent, and putting the outcome on record as a person's word.

Answers gather in a draft, of which an agent has one at most. Concluding it needs every answer that matters, each with a
reason, gives it the next number and sets the class on record, with all that a change of the record asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from apps.agents.access import may
from apps.agents.ai_act import CLASS_OF, OUTCOME_WORDS, Outcome, kept, questionnaire
from apps.agents.models import Agent, AiActClassification
from apps.agents.services.registry import (
    apply_changes,
    follow_record,
    lock_agent,
    remember_statements,
    save_agent,
    tier_change,
)
from apps.agents.services.risk import under_standing_policy
from apps.identity.access import not_permitted
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, InvalidInput, StaleWrite

LONGEST_REASON = 2000


@dataclass(frozen=True)
class Answer:
    """Yes or no to one question, and why."""

    answer: bool
    reason: str


def may_classify(agent: Agent, *, actor: Principal) -> bool:
    """True for whoever curates the agent, its owner among them, and for whoever certifies it."""
    return may(actor, Permission.AGENTS_CURATE, agent) or may(actor, Permission.COMPLIANCE_CERTIFY, agent)


def require_classify(agent: Agent, *, actor: Principal) -> None:
    """Raise NotPermitted unless the actor may classify the agent."""
    if not may_classify(agent, actor=actor):
        raise not_permitted(Permission.AGENTS_CURATE)


@transaction.atomic
def begin_classification(agent: Agent, *, actor: Principal) -> AiActClassification:
    """The draft of the agent, begun where there is none, with the answers of the last one to look at again."""
    agent = _lock(agent, actor)
    draft = AiActClassification.objects.filter(agent=agent, state=AiActClassification.State.DRAFT).first()
    if draft:
        return draft
    last = agent.ai_act_classifications.order_by("-number").first()
    version = questionnaire().version
    answers = last.answers if last and last.questionnaire == version else {}
    draft = AiActClassification.objects.create(
        agent=agent, questionnaire=version, answers=answers, begun_by=actor
    )
    record_act("agents.ai_act.begun", actor=actor, target=("agent", agent.pk))
    return draft


@transaction.atomic
def answer_questions(
    draft: AiActClassification, answers: Mapping[str, Answer], *, actor: Principal, version: int | None = None
) -> AiActClassification:
    """Keep these answers in the draft; one given again replaces the former. `version` refuses a stale write."""
    _lock(draft.agent, actor)
    draft = _draft(draft, version)
    problems = _problems(answers)
    if problems:
        raise InvalidInput("The answers were not kept.", fields=problems)
    for question, one in answers.items():
        said = {"answer": one.answer, "reason": one.reason.strip()}
        before = draft.answers.get(question, {})
        if {key: before.get(key) for key in said} != said:
            draft.answers[question] = said | {"by": actor.name}
    draft.version += 1
    draft.save(update_fields=["answers", "version"])
    return draft


@transaction.atomic
def conclude_classification(draft: AiActClassification, *, actor: Principal) -> AiActClassification:
    """Decide by the answers and set the class on record. Raises InvalidInput naming the questions still open."""
    agent = _lock(draft.agent, actor)
    draft = _draft(draft, None)
    found = draft.walk
    if found.outcome is None:
        missing = {one.id: f"Answer it: {one.ask}" for one in found.open}
        raise InvalidInput("It is not decided yet.", code="agents.ai_act.not_decided", fields=missing)
    highest = agent.ai_act_classifications.aggregate(highest=Max("number"))["highest"] or 0
    draft.answers = {one.id: draft.answers[one.id] for one in found.asked}
    draft.number, draft.state, draft.outcome = highest + 1, AiActClassification.State.CONCLUDED, found.outcome
    draft.roles, draft.duties, draft.path = list(found.roles), list(found.duties), kept(found)
    draft.concluded_by, draft.concluded_at, draft.version = actor, timezone.now(), draft.version + 1
    draft.save()
    _put_on_record(agent, draft, found.outcome, actor)
    return draft


@transaction.atomic
def classify_agent(agent: Agent, answers: Mapping[str, Answer], *, actor: Principal) -> AiActClassification:
    """All of it in one act, from nothing but these answers; a draft that stood is replaced."""
    draft = begin_classification(agent, actor=actor)
    AiActClassification.objects.filter(pk=draft.pk).update(answers={})
    return conclude_classification(answer_questions(draft, answers, actor=actor), actor=actor)


@transaction.atomic
def discard_classification(draft: AiActClassification, *, actor: Principal) -> None:
    """Throw a draft away. What was concluded stays."""
    agent = _lock(draft.agent, actor)
    _draft(draft, None).delete()
    record_act("agents.ai_act.discarded", actor=actor, target=("agent", agent.pk))


def _put_on_record(agent: Agent, concluded: AiActClassification, outcome: Outcome, actor: Principal) -> None:
    under_standing_policy([agent])
    before, stated = agent.tier, {"ai_act_class": CLASS_OF[outcome]}
    differences = apply_changes(agent, stated, actor=actor)
    remember_statements(agent, stated, actor=actor)
    save_agent(agent)
    detail: dict[str, Any] = {
        "classification": str(concluded.pk), "number": concluded.number, "outcome": outcome.value, "words": OUTCOME_WORDS[outcome],
        "questionnaire": concluded.questionnaire, "answers": concluded.answers, "duties": concluded.duties,
        "roles": concluded.roles, "changes": differences,
    }  # fmt: skip
    detail |= tier_change(before, agent)
    record_act("agents.ai_act.classified", actor=actor, target=("agent", agent.pk), detail=detail)
    follow_record(agent, {"ai_act_class"}, actor=actor)


def _lock(agent: Agent, actor: Principal) -> Agent:
    agent = lock_agent(agent)
    require_classify(agent, actor=actor)
    return agent


def _draft(draft: AiActClassification, version: int | None) -> AiActClassification:
    locked = AiActClassification.objects.select_for_update(of=("self",)).filter(pk=draft.pk).first()
    if locked is None or locked.state != AiActClassification.State.DRAFT:
        raise Conflict("It was concluded or discarded; begin anew.", code="agents.ai_act.not_a_draft")
    if version is not None and locked.version != version:
        raise StaleWrite("Somebody answered meanwhile; look at the answers again.")
    return locked


def _problems(answers: Mapping[str, Answer]) -> dict[str, str]:
    problems = {}
    for question, one in answers.items():
        if question not in questionnaire().questions:
            problems[question] = "There is no such question"
        elif not one.reason.strip():
            problems[question] = "Say why"
        elif len(one.reason) > LONGEST_REASON:
            problems[question] = f"Use at most {LONGEST_REASON:,} characters"
    return problems
