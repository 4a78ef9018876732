"""Importing a table of agents: which agent a row means, what its cells say, and writing it.

A row names its agent, in this order, by `id`, `number` (AGT-0412), `slug`, repository with name, or a name that
only one agent has. A row that names none becomes a draft where the import may make new ones. What an import
says is an import's word: it fills what nobody said and does not overrule a person, unless the importer makes
it their own word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.agents.fields import CUSTOM, restored, shown, stored
from apps.agents.models import Agent, Claim, CurationItem, CurationJob, Origin
from apps.agents.parsing import Parsed, parse_row
from apps.agents.queries.lookups import people_and_teams
from apps.agents.reconciliation import rank
from apps.agents.services.bulk import Edit, edit_agents
from apps.agents.services.claims import Source, state_claims
from apps.agents.services.registry import create_draft
from apps.agents.services.writing import problems_of, settle_item
from apps.agents.tabular import Row
from apps.identity.access import require_somewhere
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.kit.errors import DomainError, InvalidInput

Item, State = CurationItem, CurationItem.State


@dataclass(frozen=True)
class ImportRequest:
    """How a table is taken in. `source` names where it comes from; `as_own_word` makes it the importer's."""

    source: str
    make_new: bool = True
    as_own_word: bool = False


@transaction.atomic
def plan_import(
    rows: Sequence[Row],
    request: ImportRequest,
    *,
    actor: Principal,
    reason: str = "",
    unread: Sequence[str] = (),
) -> CurationJob:
    """A job in preview with an item a row: what it would change, or why it cannot. Nothing else is written."""
    require_somewhere(actor, Permission.AGENTS_CURATE)
    if not request.source.strip():
        raise InvalidInput("Nothing was planned.", fields={"source": "Name where the table comes from"})
    job = CurationJob.objects.create(
        kind=CurationJob.Kind.IMPORT, actor=actor, reason=reason, total=len(rows),
        title=f"Import of {len(rows):,} rows from {request.source}"[:200],
        request={"source": request.source[:255], "make_new": request.make_new, "as_own_word": request.as_own_word, "unread": list(unread)},
    )  # fmt: skip
    found = _Agents(rows, actor)
    items = [_planned(job, at, row, found, request) for at, row in enumerate(rows, start=1)]
    _refuse_repeated(items)
    Item.objects.bulk_create(items, batch_size=1000)
    job.failed = sum(item.state == State.FAILED for item in items)
    job.save(update_fields=["failed"])
    return job


def import_rows(job: CurationJob, items: Sequence[CurationItem]) -> None:
    """Write these rows; each succeeds or fails by itself. The caller saves the items."""
    for item in items:
        try:
            with transaction.atomic():
                _write(job, item)
        except DomainError as error:
            item.state, item.problems = State.FAILED, problems_of(error)


def _write(job: CurationJob, item: CurationItem) -> None:
    values = {name: restored(name, value) for name, value in item.after.items()}
    if item.agent_id is None:
        agent = create_draft(str(values["name"]), actor=job.actor, team=values.get("team"))
        item.agent, item.before = agent, {}
        agent = _state(
            job, agent, {name: value for name, value in values.items() if name not in ("name", "team")}
        )
        item.state, item.version = State.DONE, agent.version
    elif job.request["as_own_word"]:
        (outcome,) = edit_agents([Edit(item.agent_id, values)], actor=job.actor, reason=job.reason)
        settle_item(item, outcome)
    else:
        agent = Agent.objects.get(pk=item.agent_id)
        before = {name: stored(name, getattr(agent, name)) for name in values}
        agent = _state(job, agent, _said(item, values))
        item.before = {n: v for n, v in before.items() if stored(n, getattr(agent, n)) != v}
        item.state = State.DONE if item.before else State.UNCHANGED
        item.version = agent.version


def _said(item: CurationItem, values: Mapping[str, Any]) -> dict[str, Any]:
    """Of custom fields those that the row changes: of the others it says nothing."""
    custom, before = values.get("custom"), item.before.get("custom") or {}
    changed = {key: one for key, one in (custom or {}).items() if before.get(key) != one}
    return {**values, "custom": changed} if changed else {n: v for n, v in values.items() if n != "custom"}


def _state(job: CurationJob, agent: Agent, values: Mapping[str, Any]) -> Agent:
    if not values:
        return agent
    origin = Origin.PERSON if job.request["as_own_word"] else Origin.IMPORTED
    return state_claims(agent, Source(origin, job.request["source"]), values, actor=job.actor)


def _planned(
    job: CurationJob, position: int, row: Row, found: _Agents, request: ImportRequest
) -> CurationItem:
    parsed = parse_row(row, found.people, found.teams)
    item = Item(job=job, position=position, problems=dict(parsed.problems))
    agent, words = found.agent_of(parsed)
    if words:
        item.problems |= {"": words}
    elif agent is None and not request.make_new:
        item.problems |= {"": "No agent on record is named like this"}
    elif agent is None and not parsed.values.get("name"):
        item.problems |= {"name": "A new agent needs a name"}
    item.agent = agent
    if agent is not None and "custom" in parsed.values:
        parsed.values["custom"] = {**agent.custom, **parsed.values["custom"]}
    if agent is not None:
        item.version = agent.version
        item.before = {
            n: stored(n, getattr(agent, n)) for n, v in parsed.values.items() if _differs(agent, n, v)
        }
        item.after = {name: parsed.values[name] for name in item.before}
        if not request.as_own_word:
            _keep_back(item, agent, found)
        item.after = {n: v for n, v in item.after.items() if n not in item.problems or request.as_own_word}
    else:
        item.after = dict(parsed.values)
    item.state = _state_of(item, parsed, agent)
    return item


def _keep_back(item: CurationItem, agent: Agent, found: _Agents) -> None:
    """Name what something stronger has spoken on; of custom fields only those stay as they are."""
    said = {
        **item.after,
        **{
            f"{CUSTOM}{key}": one
            for key, one in item.after.get("custom", {}).items()
            if agent.custom.get(key) != one
        },
    }
    kept = found.kept_back(agent, said)
    item.problems |= kept
    if "custom" in item.after:
        own = {name: shown(agent, name) for name in kept if name.startswith(CUSTOM)}
        whole = {key: one for key, one in item.after["custom"].items() if f"{CUSTOM}{key}" not in own}
        item.after["custom"] = whole | {
            n.removeprefix(CUSTOM): one for n, one in own.items() if one is not None
        }
        if item.after["custom"] == agent.custom:
            del item.after["custom"], item.before["custom"]


def _state_of(item: CurationItem, parsed: Parsed, agent: Agent | None) -> str:
    if parsed.problems or "" in item.problems or (agent is None and "name" in item.problems):
        return State.FAILED
    return State.WAITING if item.after else State.UNCHANGED


def _differs(agent: Agent, name: str, value: Any) -> bool:
    return bool(stored(name, getattr(agent, name)) != value)


def _refuse_repeated(items: Sequence[CurationItem]) -> None:
    first: dict[UUID, int] = {}
    for item in items:
        if item.agent_id is None or item.state == State.FAILED:
            continue
        if first.setdefault(item.agent_id, item.position) != item.position:
            item.state = State.FAILED
            item.problems = {"": f"Row {first[item.agent_id]} names the same agent"}


class _Agents:
    """What the rows may mean, read in a few queries whatever their number."""

    def __init__(self, rows: Sequence[Row], actor: Principal) -> None:
        visible = Agent.objects.visible_to(actor, Permission.AGENTS_CURATE).on_record().with_people()
        self.people, self.teams = people_and_teams()
        named = [parse_row(row, self.people, self.teams) for row in rows]
        self._by_key: dict[tuple[str, Any], list[Agent]] = {}
        for column, values in _keys(named).items():
            for agent in visible.filter(**{f"{column}__in": values}) if values else ():
                self._by_key.setdefault((column, getattr(agent, column)), []).append(agent)
        ids = {agent.pk for agents in self._by_key.values() for agent in agents}
        self._people_said: dict[tuple[UUID, str], str] = {}
        for claim in Claim.objects.filter(agent_id__in=ids):
            best = self._people_said.get((claim.agent_id, claim.field))
            if best is None or rank(claim.field, claim.origin) < rank(claim.field, best):
                self._people_said[(claim.agent_id, claim.field)] = claim.origin

    def agent_of(self, parsed: Parsed) -> tuple[Agent | None, str]:
        """The agent a row means, and why none can be told although one is named."""
        for column in ("pk", "number", "slug"):
            value = parsed.names.get(column)
            if value is not None:
                found = self._by_key.get((column, value), [])
                return (found[0], "") if found else (None, f"There is no agent {parsed.named_as(column)}")
        same = self._by_key.get(("name", parsed.values.get("name")), [])
        repository = parsed.values.get("repository")
        if len(same) > 1 and repository:
            same = [agent for agent in same if agent.repository == repository]
        if len(same) > 1:
            return None, f"{len(same)} agents have this name; name it by number or id"
        return (same[0] if same else None), ""

    def kept_back(self, agent: Agent, values: Mapping[str, Any]) -> dict[str, str]:
        """Fields on which something stronger than an import has spoken."""
        strong = {
            name: self._people_said.get((agent.pk, name))
            for name in values
            if (agent.pk, name) in self._people_said
            and rank(name, self._people_said[(agent.pk, name)]) < rank(name, Origin.IMPORTED)
        }
        return {
            name: f"Kept back: {Origin(origin).label.lower()} says otherwise"
            for name, origin in strong.items()
            if origin
        }


def _keys(named: Sequence[Parsed]) -> dict[str, set[Any]]:
    keys: dict[str, set[Any]] = {"pk": set(), "number": set(), "slug": set(), "name": set()}
    for parsed in named:
        for column, value in parsed.names.items():
            keys[column].add(value)
        if parsed.values.get("name"):
            keys["name"].add(parsed.values["name"])
    return keys
