"""Taking in what repositories declare of agents.

A file is the whole of what its place declares: each agent in it is made or brought to what it says, field by
field, as the word of a repository (`apps.agents.reconciliation`); where a stronger source said otherwise the
value is kept back and told. What the file names no longer is told too and never deleted. An agent is declared
in one place. A file is applied whole or not at all; applying it again changes nothing.

A rehearsal is the same work, rolled back: its answer is what applying would do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from apps.agents.access import may, require_for
from apps.agents.declarations import MOST_AGENTS, Fault, faults_in, repository_address
from apps.agents.models import Agent, Claim, Declaration, Origin, State
from apps.agents.services.declared_record import Line, Values, state_record, values_in
from apps.agents.services.declared_things import state_things
from apps.agents.services.registry import lock_agents, new_agent
from apps.identity.access import require, require_somewhere
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, DomainError, InvalidInput

LOCK = 7_140  # the first key of the advisory locks of repositories; the second is made of the address
_rehearsed = count(1)


@dataclass(frozen=True)
class Place:
    """The file that declares: its repository's address, its path there, the commit."""

    repository: str
    path: str
    commit: str = ""


@dataclass(frozen=True)
class Stated:
    """One agent as the file has it, and the lines of its parts by pointer ('' is the agent's own)."""

    agent: Mapping[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def key(self) -> str:
        slug = self.agent.get("slug")
        return f"slug:{slug}" if slug else f"name:{self.agent.get('name', '')}"


@dataclass
class Result:
    """`status`: created, changed, unchanged, failed (then with `faults`), left (named no longer)."""

    key: str
    status: str
    agent: Agent | None = None
    lines: list[Line] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


@transaction.atomic
def apply_declarations(
    stated: Sequence[Stated], place: Place, *, actor: Principal, dry_run: bool = False
) -> list[Result]:
    """Results in the order of `stated`, then those the file names no longer. One that failed: nothing was written."""
    require_somewhere(actor, Permission.AGENTS_DECLARE)
    place = _checked(place, len(stated))
    _lock(stated, place, actor)
    now = timezone.now()
    results = [_attempt(one, place, actor, now, dry_run) for one in stated]
    _refuse_repeated(stated, results)
    for one, result in zip(stated, results, strict=True):  # only now: they may name each other
        if result.agent is not None and result.status != "failed":
            _settle(one, place, result, actor, now)
    has_failed = any(result.status == "failed" for result in results)
    if not has_failed:
        results += _named_no_longer({one.key for one in stated}, place, actor, now)
    if dry_run or has_failed:
        transaction.set_rollback(True)
    return results


def _lock(stated: Sequence[Stated], place: Place, actor: Principal) -> None:
    """One file of a repository at a time, so that two pipelines do not make one agent twice; then the agents on record, in
    the order of their keys, as who edits many of them at once does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCK, place.repository])
    named = Q(declaration__repository=place.repository, declaration__path=place.path)
    named |= Q(slug__in=[one.agent["slug"] for one in stated if isinstance(one.agent.get("slug"), str)])
    names = [one.agent["name"] for one in stated if isinstance(one.agent.get("name"), str)]
    named |= Q(repository=place.repository, name__in=names)
    agents = Agent.objects.visible_to(actor, Permission.AGENTS_DECLARE).filter(named)
    pairs = agents.values_list("pk", "merged_into_id")
    lock_agents({pk for pair in pairs for pk in pair if pk is not None})


def _checked(place: Place, agents: int) -> Place:
    fields = {}
    repository = repository_address(place.repository)
    if not repository or len(repository) > 200:
        fields["repository"] = "Enter the repository's address, such as https://git.example.org/orders"
    if not place.path.strip() or len(place.path) > 300:
        fields["path"] = "Enter the file's path in the repository"
    if not 0 < agents <= MOST_AGENTS:
        fields["items"] = f"Declare 1 to {MOST_AGENTS} agents in a file"
    if fields:
        raise InvalidInput("Nothing was declared.", fields=fields)
    return Place(repository, place.path.strip(), place.commit.strip()[:64])


def _attempt(one: Stated, place: Place, actor: Principal, now: datetime, dry_run: bool) -> Result:
    faults = faults_in(one.agent)
    values = Values()
    if not faults:
        values = values_in(one.agent, place.repository)
        faults = values.faults
    if faults:
        return Result(one.key, "failed", faults=faults)
    try:
        with transaction.atomic():
            agent, is_new = _found(one, place, values, actor, dry_run)
            lines = state_record(agent, values, place.repository, actor=actor)
            agent.refresh_from_db()
            _remember(agent, one, place, actor, now)
    except DomainError as error:
        return Result(one.key, "failed", faults=_faults_of(error))
    return Result(one.key, "created" if is_new else "unchanged", agent, lines)


def _settle(one: Stated, place: Place, result: Result, actor: Principal, now: datetime) -> None:
    """The things of a stated agent, then what became of it as a whole."""
    assert result.agent is not None
    try:
        with transaction.atomic():
            result.lines += state_things(result.agent, one.agent, place, now, actor=actor)
    except DomainError as error:
        result.status, result.faults = "failed", _faults_of(error)
        return
    if result.status == "unchanged" and any(line.status == "set" for line in result.lines):
        result.status = "changed"
    if result.status != "unchanged":
        detail = {"place": f"{place.path} of {place.repository}", "commit": place.commit}
        record_act("agents.agent.declared", actor=actor, target=("agent", result.agent.pk), detail=detail)


def _found(one: Stated, place: Place, values: Values, actor: Principal, dry_run: bool) -> tuple[Agent, bool]:
    """The agent an item means: as its file named it before, by its slug, or by repository and name; else a new draft."""
    visible = Agent.objects.visible_to(actor, Permission.AGENTS_DECLARE).select_related("merged_into")
    slug, name = one.agent.get("slug"), one.agent["name"]
    before = visible.filter(
        declaration__repository=place.repository, declaration__path=place.path, declaration__key=one.key
    )
    named = {"slug": slug} if slug else {"repository": place.repository, "name": name}
    agents = list(before) or list(visible.filter(**named, withdrawn_at=None)[:2])
    if len(agents) > 1:
        words = "Several agents of this repository have this name: name it by its slug"
        raise InvalidInput("The agent is not clear.", fields={"slug": words})
    if agents:
        agent = agents[0].merged_into or agents[0]
        _require_not_withdrawn(agent, "slug" if slug else "name")
        require_for(actor, Permission.AGENTS_DECLARE, agent)
        _require_one_place(agent, place)
        return agent, False
    if slug and Agent.objects.filter(slug=slug).exists():
        raise InvalidInput(
            "The slug is taken.", fields={"slug": "It names an agent that you may not declare"}
        )
    return _drafted(one, values, actor, dry_run), True


def _drafted(one: Stated, values: Values, actor: Principal, dry_run: bool) -> Agent:
    team = values.stated.get("team") or actor.team
    require(actor, Permission.AGENTS_DECLARE, team.pk if team else None)
    # A rehearsal takes no number that people would miss: sequences do not roll back.
    number = {"number": -next(_rehearsed)} if dry_run else {}
    name, slug = one.agent["name"], one.agent.get("slug", "")
    agent = new_agent(name, team=team, state=State.DRAFT, slug=slug, **number)
    record_act("agents.agent.drafted", actor=actor, target=("agent", agent.pk), detail={"name": agent.name})
    return agent


def _require_not_withdrawn(agent: Agent, key: str) -> None:
    """Somebody took the draft off the register: a file does not put it back, under its key, without their knowing."""
    if agent.withdrawn_at:
        words = (
            f"It was withdrawn from the register: take it out of the file, or declare it under another {key}"
        )
        raise InvalidInput("The agent was withdrawn.", fields={key: words})


def _require_one_place(agent: Agent, place: Place) -> None:
    known = Declaration.objects.filter(agent=agent, withdrawn_at=None).first()
    if known and (known.repository, known.path) != (place.repository, place.path):
        raise Conflict(
            f"It is declared in {known.place} of {known.repository}; take it out there first.",
            code="agents.declaration.elsewhere",
        )


def _remember(agent: Agent, one: Stated, place: Place, actor: Principal, now: datetime) -> None:
    known = Declaration.objects.filter(agent=agent).first()
    if known and known.repository != place.repository:  # it moved: the former place says nothing any more
        Claim.objects.filter(agent=agent, origin=Origin.DECLARED, source=known.repository).delete()
    Declaration.objects.filter(repository=place.repository, path=place.path, key=one.key).exclude(
        agent=agent
    ).delete()  # it named a record that was merged since
    lines = {pointer: line for pointer, line in one.lines.items() if pointer}
    Declaration.objects.update_or_create(
        agent=agent,
        defaults={
            "repository": place.repository, "path": place.path, "commit": place.commit, "key": one.key,
            "line": one.lines.get(""), "lines": lines, "body": dict(one.agent), "declared_by": actor,
            "applied_at": now, "withdrawn_at": None,
        },
        create_defaults={
            "repository": place.repository, "path": place.path, "commit": place.commit, "key": one.key,
            "line": one.lines.get(""), "lines": lines, "body": dict(one.agent), "declared_by": actor,
            "declared_at": now, "applied_at": now,
        },
    )  # fmt: skip


def _named_no_longer(keys: set[str], place: Place, actor: Principal, now: datetime) -> list[Result]:
    gone = Declaration.objects.filter(repository=place.repository, path=place.path, withdrawn_at=None)
    results = []
    for declaration in gone.exclude(key__in=keys).select_related("agent"):
        if not may(actor, Permission.AGENTS_DECLARE, declaration.agent):
            continue
        declaration.withdrawn_at = now
        declaration.save(update_fields=["withdrawn_at"])
        detail = {"place": f"{place.path} of {place.repository}", "commit": place.commit}
        record_act(
            "agents.agent.undeclared", actor=actor, target=("agent", declaration.agent_id), detail=detail
        )
        results.append(Result(declaration.key, "left", declaration.agent))
    return results


def _refuse_repeated(stated: Sequence[Stated], results: Sequence[Result]) -> None:
    first: dict[Any, int] = {}
    for at, (one, result) in enumerate(zip(stated, results, strict=True)):
        earlier = first.setdefault(result.agent.pk if result.agent else one.key, at)
        if earlier != at:
            result.status = "failed"
            result.faults = [
                Fault("slug" if "slug" in one.agent else "name", "The file names this agent twice")
            ]


def _faults_of(error: DomainError) -> list[Fault]:
    pointers = {name.replace(".", "/"): words for name, words in error.fields.items()}
    return [Fault(name, words) for name, words in pointers.items()] or [Fault("", error.message)]
