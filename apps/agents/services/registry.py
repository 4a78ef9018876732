"""Curation: registering what is planned, adopting what was discovered, editing the record."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from dataclasses import fields as parts_of
from typing import Any, TypeVar, overload
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.text import slugify

from apps.agents import risk
from apps.agents.access import UNREGISTERED, require_change, require_for, standing_of
from apps.agents.custom import custom_problems
from apps.agents.fields import EDITABLE, FIELDS, stored, words_of
from apps.agents.models import Agent, Claim, Origin, State, number_of
from apps.agents.services.indexing import index_words
from apps.agents.services.risk import TOLD_BY_RECORD, refresh_risk, under_standing_policy
from apps.agents.signals import agent_changed
from apps.identity.access import require
from apps.identity.models import Principal, Team
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, InvalidInput, StaleWrite
from apps.kit.ids import new_id

A = TypeVar("A", bound=Agent)
UNCHECKED = tuple(
    field.name
    for field in Agent._meta.fields
    if field.name not in EDITABLE or FIELDS[field.name].is_relation or field.name in risk.FIELDS
)


@dataclass(frozen=True)
class Adoption:
    """What a curator states when taking an agent into the register."""

    owner: Principal
    deputy: Principal
    purpose: str
    data_sensitivity: int
    decision_authority: int
    blast_radius: int
    regulatory_exposure: int
    name: str = ""
    team: Team | None = None


@transaction.atomic
def create_draft(
    name: str, *, actor: Principal, team: Team | None = None, purpose: str = "", slug: str = ""
) -> Agent:
    """Register an agent before it runs; it starts as a draft."""
    require(actor, Permission.AGENTS_CURATE, team.pk if team else None)
    if not name.strip():
        raise InvalidInput("The agent was not made.", fields={"name": "Enter a name"})
    agent = new_agent(name.strip(), team=team, state=State.DRAFT, purpose=purpose, slug=slug)
    said = {"name": agent.name, "purpose": purpose, "team": team}
    remember_statements(agent, {name: value for name, value in said.items() if value}, actor=actor)
    record_act("agents.agent.drafted", actor=actor, target=("agent", agent.pk), detail={"name": agent.name})
    return agent


def new_agent(name: str, *, team: Team | None, state: str, slug: str = "", **columns: Any) -> Agent:
    """A row of the register with its principal and a slug of its own. The caller checked and records the act."""
    identifier = new_id()
    agent = Agent.objects.create(
        id=identifier,
        principal=Principal.objects.create(kind=Principal.Kind.AGENT, name=name, team=team),
        name=name,
        slug=slug or _free_slug(name, identifier.hex[-6:]),
        team=team,
        state=state,
        **columns,
    )
    index_words([agent])
    return agent


@transaction.atomic
def edit_agent(
    agent: Agent,
    changes: Mapping[str, Any],
    *,
    actor: Principal,
    version: int | None = None,
    reason: str = "",
) -> Agent:
    """Change curated fields. The tier follows the four answers. `version` refuses a stale write."""
    agent = lock_agent(agent, version=version)
    require_for(actor, Permission.AGENTS_CURATE, agent)
    under_standing_policy([agent])
    before = agent.tier
    differences = apply_changes(agent, changes, actor=actor)
    remember_statements(agent, {name: changes[name] for name in differences}, actor=actor)
    if not differences:
        return agent
    save_agent(agent)
    record_act(
        "agents.agent.edited",
        actor=actor,
        target=("agent", agent.pk),
        reason=reason,
        detail={"changes": differences} | tier_change(before, agent),
    )
    follow_record(agent, set(differences), actor=actor)
    return agent


@transaction.atomic
def adopt_agent(agent: Agent, adoption: Adoption, *, actor: Principal, version: int | None = None) -> Agent:
    """Give a discovered or drafted agent its owner, deputy, purpose and risk. The caller moves its state.

    `apps.lifecycle.services.adopt` is the whole act; this is the registry's part of it.
    """
    agent = lock_agent(agent, version=version)
    require_for(actor, Permission.AGENTS_CURATE, agent)
    if agent.state not in (State.DISCOVERED, State.DRAFT):
        raise Conflict(
            f"{agent.name} is {State(agent.state).label.lower()} already; edit its record instead.",
            code="agents.agent.adopted_already",
        )
    under_standing_policy([agent])
    stated = {part.name: getattr(adoption, part.name) for part in parts_of(adoption)}
    stated["name"] = adoption.name.strip() or agent.name
    stated["team"] = adoption.team or agent.team
    differences = apply_changes(agent, stated, actor=actor)
    if not agent.purpose.strip():
        raise InvalidInput(
            "The agent was not adopted.", fields={"purpose": "Say in a sentence what it is for"}
        )
    remember_statements(agent, stated, actor=actor)
    save_agent(agent)
    assessment = agent.assessment
    record_act(
        "agents.agent.adopted",
        actor=actor,
        target=("agent", agent.pk),
        detail={
            "changes": differences,
            "tier": agent.tier,
            "tier_reason": assessment.sentence if assessment else "",
            "policy": number_of(agent.risk_policy_id),
        },
    )
    agent_changed.send(sender=Agent, agent=agent, actor=actor, fields=set(differences))
    refresh_risk([agent], actor=actor)
    return agent


def follow_record(agent: Agent, fields: set[str], *, actor: Principal) -> None:
    """After these fields of a locked agent were written: tell who stands above, read again what they say of risk."""
    agent_changed.send(sender=Agent, agent=agent, actor=actor, fields=fields)
    if fields & TOLD_BY_RECORD:
        refresh_risk([agent], actor=actor)


@overload
def lock_agent(agent: Agent, *, version: int | None = None, off_record_too: bool = False) -> Agent: ...


@overload
def lock_agent(
    agent: Agent, *, version: int | None = None, off_record_too: bool = False, kind: type[A]
) -> A: ...


def lock_agent(
    agent: Agent, *, version: int | None = None, off_record_too: bool = False, kind: type[Agent] = Agent
) -> Agent:
    """The row, locked against other writers, as an instance of `kind` (Agent or a proxy of it). Two queries.

    Raises StaleWrite when the row is past `version`, Conflict when it was merged or withdrawn: only what ends or undoes
    something takes those too.
    """
    locked = next(iter(lock_agents([agent.pk], kind=kind)), None)
    if locked is None:
        raise Agent.DoesNotExist(f"There is no agent {agent.pk}.")
    if not off_record_too:
        require_on_record(locked)
    if version is not None and locked.version != version:
        raise StaleWrite(f"{locked.name} was changed meanwhile; it is at version {locked.version} now.")
    return locked


def require_on_record(agent: Agent) -> None:
    """Raise Conflict for a record that lives on as history only: nothing new becomes of it."""
    if agent.merged_into is not None:
        words = f"{agent.name} was merged into {agent.merged_into.ref}; that one is on record."
        raise Conflict(words, code="agents.agent.off_record")
    if not agent.is_on_record:
        raise Conflict(f"{agent.name} was withdrawn from the register.", code="agents.agent.off_record")


@overload
def lock_agents(ids: Collection[UUID]) -> list[Agent]: ...


@overload
def lock_agents(ids: Collection[UUID], *, kind: type[A]) -> list[A]: ...


def lock_agents(ids: Collection[UUID], *, kind: type[Agent] = Agent) -> list[Any]:
    """These rows, locked in the order of their keys, so that no two lockers wait for each other in a ring.

    Locked first and read after: a statement that waited for a lock sees the locked row as it is then, and what it
    joined to it (the blueprint, the facts) as it was before. Two queries.
    """
    rows = kind._default_manager.filter(pk__in=ids).order_by("pk")
    list(rows.select_for_update(no_key=True).values_list("pk"))
    return list(rows.select_related("owner", "deputy", "team", "blueprint", "risk_facts"))


def save_agent(agent: Agent) -> None:
    """Write a locked agent with its tier, its words for search and the next version."""
    assessment = agent.assessment
    agent.tier = assessment.tier if assessment else None
    agent.version += 1
    agent.save()
    index_words([agent])


def tier_change(before: int | None, agent: Agent) -> dict[str, Any]:
    """What the ledger keeps beside the answers when the tier followed them: {"tier": [before, after], "policy": n}."""
    changed = {"tier": [before, agent.tier], "policy": number_of(agent.risk_policy_id)}
    return {} if before == agent.tier else changed


def apply_changes(agent: Agent, changes: Mapping[str, Any], *, actor: Principal) -> dict[str, list[str]]:
    """Set the fields that differ; returns {field: [before, after]} in words.

    Raises InvalidInput, and NotPermitted where the change asks for more than curating. The caller writes
    the agent; its principal, which bears its name and belongs to its team, is written here.
    """
    differences = set_fields(agent, changes, actor=actor)
    if differences.keys() & {"name", "team"}:
        Principal.objects.filter(pk=agent.principal_id).update(name=agent.name, team=agent.team)
    return differences


def set_fields(agent: Agent, changes: Mapping[str, Any], *, actor: Principal) -> dict[str, list[str]]:
    """As above, on the instance alone: nothing is written."""
    standing = standing_of(agent)
    unknown = sorted(set(changes) - set(EDITABLE))
    if unknown:
        raise InvalidInput(
            "Some fields cannot be edited.",
            fields=dict.fromkeys(unknown, "This is not an editable field"),
        )
    differences = {}
    for name, value in changes.items():
        before = getattr(agent, name)
        if before != value:
            setattr(agent, name, value)
            differences[name] = [words_of(name, before), words_of(name, value)]
    if differences:
        problems = record_problems(agent, set(differences))
        if problems:
            raise InvalidInput("Some fields are not as expected.", fields=problems)
        require_change(agent, standing, actor=actor)
    return differences


def remember_statements(agent: Agent, stated: Mapping[str, Any], *, actor: Principal) -> None:
    """Keep a person's word on each of these fields, so that no weaker source overwrites it. One query."""
    remember_many({agent: stated}, actor=actor)


def remember_many(stated: Mapping[Agent, Mapping[str, Any]], *, actor: Principal) -> None:
    """As above for many agents, in one query.

    What says the same as an instance's definition is no word of its own: it follows the definition there (again).
    """
    own: list[Claim] = []
    same: list[Claim] = []
    for agent, values in stated.items():
        definition = agent.blueprint.defaults if agent.blueprint else {}
        for name, value in values.items():
            said = stored(name, value)
            follows = name in definition and definition[name] == said
            origin = Origin.BLUEPRINT if follows else Origin.PERSON
            claim = Claim(agent=agent, field=name, origin=origin, source="", value=said, stated_by=actor)
            (same if follows else own).append(claim)
    Claim.objects.bulk_create(
        own + same,
        update_conflicts=True,
        unique_fields=["agent", "field", "origin", "source"],
        update_fields=["value", "claimed_at", "stated_by"],
    )
    if same:
        _take_back({(claim.agent.pk, claim.field) for claim in same})


def _take_back(words: set[tuple[UUID, str]]) -> None:
    """Forget what people said on these fields of these agents."""
    held = Claim.objects.filter(
        agent__in={pk for pk, _ in words}, field__in={field for _, field in words}, origin=Origin.PERSON
    )
    pairs = held.values_list("pk", "agent_id", "field")
    Claim.objects.filter(pk__in=[pk for pk, agent, field in pairs if (agent, field) in words]).delete()


def record_problems(agent: Agent, changed: set[str]) -> dict[str, str]:
    """What a record with these changed fields may not be, by field."""
    problems = _column_problems(agent, changed)
    if not agent.name.strip():
        problems["name"] = "Enter a name"
    problems |= _risk_problems(agent, changed)
    for field in changed & {"owner", "deputy"}:  # somebody who left stays named until replaced
        person = getattr(agent, field)
        if person and (person.kind != Principal.Kind.HUMAN or not person.is_active):
            problems[field] = "Choose an active person"
    if agent.owner_id and agent.owner_id == agent.deputy_id:
        problems["deputy"] = "Choose somebody other than the owner"
    if "custom" in changed:
        problems |= custom_problems(agent.custom, agent.team_id)
    return problems


def _risk_problems(agent: Agent, changed: set[str]) -> dict[str, str]:
    """Levels that are none, and answers taken back of an agent whose risk was settled when it was registered."""
    answers = {field: getattr(agent, field) for field in risk.FIELDS}
    problems = {
        field: "Choose a level from 1 to 4"
        for field, level in answers.items()
        if level not in (None, 1, 2, 3, 4)
    }
    if agent.state not in UNREGISTERED:
        taken_back = [field for field, level in answers.items() if level is None and field in changed]
        problems |= dict.fromkeys(taken_back, "Choose a level: a registered agent's risk stays answered")
    return problems


def _column_problems(agent: Agent, changed: set[str]) -> dict[str, str]:
    """What the columns themselves refuse of what changed: lengths, choices, links."""
    untouched = {field.name for field in Agent._meta.fields} - changed
    try:
        agent.clean_fields(exclude={*UNCHECKED, *untouched})
    except ValidationError as error:
        return {name: " ".join(words) for name, words in error.message_dict.items()}
    return {}


def _free_slug(name: str, ending: str) -> str:
    wanted = slugify(name)[:70] or "agent"
    return f"{wanted}-{ending}" if Agent.objects.filter(slug=wanted).exists() else wanted
