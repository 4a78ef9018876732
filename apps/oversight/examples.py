"""Trying a policy on calls that somebody wrote down, with the engine that decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any

from chancery_sdk.policy.bundle import AgentFacts, Bundle, LevelRule
from chancery_sdk.policy.deciding import Engine
from chancery_sdk.policy.question import Past, Question, Session, Verdict
from django.utils import timezone

from apps.kit.errors import InvalidInput
from apps.oversight.bundles import as_in_force, tool_facts
from apps.oversight.models import PolicyExample, PolicyMode, PolicyVersion

SESSION = frozenset(one.name for one in fields(Session))


def tried(version: PolicyVersion) -> list[tuple[PolicyExample, Verdict]]:
    """Every example of the policy, with what this version alone makes of it."""
    return [(one, try_question(version, one.question)) for one in version.policy.examples.all()]


def try_question(version: PolicyVersion, told: Mapping[str, Any]) -> Verdict:
    """`told` holds tool, and any of operation, arguments, data_classes, purpose, on_behalf_of, agent (slug), tier, team,
    session (as `Session` has it) and counted ({counter: amount before the call}). Raises InvalidInput."""
    if not isinstance(told.get("tool"), str) or not isinstance(told.get("arguments", {}), Mapping):
        raise InvalidInput(
            "The example cannot be tried.", fields={"question": "An object with tool and arguments"}
        )
    name = told["tool"]
    policy = as_in_force(version.policy, version)
    enforced = type(policy)(**{**policy.__dict__, "mode": PolicyMode.ENFORCE.value})
    agent = AgentFacts(
        id="example",
        slug=str(told.get("agent") or version.agent or "example"),
        name=str(told.get("agent") or "The agent"),
        tier=int(told.get("tier", 1)),
        team=str(told.get("team") or version.team_name or ""),
    )
    bundle = Bundle(
        agent=agent,
        version="example",
        issued_at=timezone.now(),
        tools={name: tool_facts(name)},
        allowed_tools=frozenset({name}),
        levels=(LevelRule("autonomous"),),
        policies=(enforced,),
    )
    question = Question(
        tool=name,
        operation=str(told.get("operation", "")),
        arguments=told.get("arguments", {}),
        conversation_id="example",
        data_classes=tuple(told.get("data_classes", ())),
        purpose=str(told.get("purpose", "")),
        on_behalf_of=str(told.get("on_behalf_of", "")),
    )
    return Engine(bundle).decide(question, _past(told, version.policy.slug), timezone.now())


def _past(told: Mapping[str, Any], policy: str) -> Past:
    session: dict[str, Any] = {
        key: value if key == "calls" else frozenset(value)
        for key, value in dict(told.get("session", {})).items()
        if key in SESSION
    }
    counted = {f"{policy}:{key}": Decimal(str(value)) for key, value in dict(told.get("counted", {})).items()}
    return Past(Session(**session), counted)
