"""Planning a bulk edit and writing its items: what each agent has before and after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from apps.agents.access import may
from apps.agents.fields import FIELDS, restored, stored, words_of
from apps.agents.models import Agent, CurationItem, CurationJob
from apps.agents.operations import VERBS, Operation, applied, check
from apps.agents.services.bulk import Edit, Outcome, edit_agents
from apps.agents.services.registry import set_fields
from apps.agents.services.withdrawing import withdraw_draft
from apps.identity.access import require_somewhere
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.kit.errors import DomainError, InvalidInput

Item, State = CurationItem, CurationItem.State
AT_MOST = 20_000


@transaction.atomic
def plan_bulk_edit(
    agents: QuerySet[Agent], operations: Sequence[Operation], *, actor: Principal, reason: str = ""
) -> CurationJob:
    """A job in preview: every agent's values before and after, and why some cannot be changed.

    Raises InvalidInput for operations that no agent can take, and for none or too many agents.
    """
    require_somewhere(actor, Permission.AGENTS_CURATE)
    check(operations)
    total = agents.order_by().count()
    if not 0 < total <= AT_MOST:
        words = "No agent is chosen" if not total else f"Narrow it down to at most {AT_MOST:,} agents"
        raise InvalidInput("Nothing was planned.", fields={"pick": words})
    job = CurationJob.objects.create(
        kind=CurationJob.Kind.BULK_EDIT, actor=actor, title=_title(operations, total), reason=reason, total=total,
        request={"operations": [one.as_json() for one in operations]},
    )  # fmt: skip
    values = _Values()
    rows = agents.order_by("name", "pk").select_related("owner", "deputy", "team", "blueprint", "risk_facts")
    items = [
        _planned(job, position, agent, operations, values, actor)
        for position, agent in enumerate(rows.iterator(chunk_size=1000), start=1)
    ]
    Item.objects.bulk_create(items, batch_size=1000)
    job.failed = sum(item.state == State.FAILED for item in items)
    job.save(update_fields=["failed"])
    return job


def write_edits(job: CurationJob, items: Sequence[CurationItem]) -> None:
    """Write these items of a bulk edit or an undo; the caller saves the items."""
    values = _Values()
    undoing = job.kind == CurationJob.Kind.UNDO
    made = [item for item in items if undoing and not item.after]
    for item in made:
        _withdraw(job, item)
    items = [item for item in items if item not in made]
    edits = [
        Edit(
            item.agent_id,  # type: ignore[arg-type]
            {name: values.restored(name, value) for name, value in item.after.items()},
            version=None if undoing else item.version,
            only_where=item.before if undoing else None,
        )
        for item in items
    ]
    for item, outcome in zip(items, edit_agents(edits, actor=job.actor, reason=job.reason), strict=True):
        settle_item(item, outcome)


def _withdraw(job: CurationJob, item: CurationItem) -> None:
    """Take back a draft that an import made; where it stays, the item says why."""
    assert item.agent is not None
    try:
        with transaction.atomic():
            withdraw_draft(item.agent, actor=job.actor, reason=job.reason, untouched_since=item.version)
    except DomainError as error:
        item.state, item.problems = State.FAILED, problems_of(error)
    else:
        item.state = State.DONE


def settle_item(item: CurationItem, outcome: Outcome) -> None:
    """Write an outcome down in its item."""
    if outcome.error is not None:
        item.state, item.problems = State.FAILED, problems_of(outcome.error)
    elif outcome.agent is not None:
        item.state = State.DONE if outcome.differences else State.UNCHANGED
        item.before, item.version = outcome.before, outcome.agent.version
        item.after = {name: stored(name, getattr(outcome.agent, name)) for name in outcome.before}


def problems_of(error: DomainError) -> dict[str, str]:
    """{field: words}, or {'': sentence} when no field is at fault."""
    return error.fields or {"": error.message}


class _Values:
    """Stored values as what they name, each looked up once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Any] = {}

    def restored(self, name: str, value: Any) -> Any:
        if not FIELDS[name].is_relation or value is None:
            return value
        key = (name, str(value))
        if key not in self._known:
            self._known[key] = restored(name, value)
        return self._known[key]


def _planned(
    job: CurationJob,
    position: int,
    agent: Agent,
    operations: Iterable[Operation],
    values: _Values,
    actor: Principal,
) -> CurationItem:
    item = Item(job=job, position=position, agent=agent, version=agent.version)
    before = {one.field: stored(one.field, getattr(agent, one.field)) for one in operations}
    after = {one.field: applied(one, before[one.field]) for one in operations}
    item.before = {name: value for name, value in before.items() if value != after[name]}
    item.after = {name: after[name] for name in item.before}
    try:
        changes = {name: values.restored(name, value) for name, value in item.after.items()}
        if not may(actor, Permission.AGENTS_CURATE, agent):
            raise InvalidInput("You may see this agent, not edit it.")
        set_fields(agent, changes, actor=actor)
        item.state = State.WAITING if item.after else State.UNCHANGED
    except DomainError as error:
        item.state, item.problems = State.FAILED, problems_of(error)
    return item


def _title(operations: Sequence[Operation], total: int) -> str:
    said = ", ".join(f"{VERBS[one.verb].lower()} {FIELDS[one.field].label.lower()}" for one in operations)
    return f"{said.capitalize()} of {total:,} agent{'' if total == 1 else 's'}"[:200]


def words_before_and_after(item: CurationItem, names: dict[str, str]) -> dict[str, tuple[str, str]]:
    """{label: (before, after)} as people read it; `names` gives the names of relations by id."""
    return {
        FIELDS[name].label: (_said(name, item.before.get(name), names), _said(name, value, names))
        for name, value in item.after.items()
        if name in FIELDS
    }


def _said(name: str, value: Any, names: dict[str, str]) -> str:
    return names.get(str(value), "") if FIELDS[name].is_relation else words_of(name, value)
