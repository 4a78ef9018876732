"""Connectors to other registers: set up by administrators, pushed by the worker when agents changed.

What changed is found in the sealed ledger (a cursor over its leaves, as webhooks have), so that a killed worker
leaves out no agent. What was taken before and is the same is not sent. A push that fails is tried again with
growing pauses; each agent's own result is kept.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.agents import servicenow
from apps.agents.models import Connector, PushedItem
from apps.agents.queries.outward import told_agents
from apps.agents.servicenow import ItemResult, Told
from apps.identity.access import require
from apps.identity.models import LedgerLeaf, Principal, Team
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.identity.signing import wait_after
from apps.kit.errors import Conflict, DomainError, InvalidInput, require_reason
from apps.kit.ids import id_or_none, new_id
from apps.kit.outgoing import NotSent, check_address, post
from apps.kit.sealing import seal, unseal

PURPOSE = "connector secret"
BATCH = 100
LEASE = timedelta(minutes=5)
LONGEST_S = 60.0
PLAIN = ("name", "url", "username", "class_name", "data_source", "team", "is_enabled")


@dataclass(frozen=True)
class ConnectorDraft:
    """What a connector is to be. An empty secret keeps the one there is."""

    name: str
    url: str
    secret: str = field(default="", repr=False)
    username: str = ""
    class_name: str = "cmdb_ci_business_app"
    data_source: str = "Chancery"
    team: Team | None = None
    is_enabled: bool = True


@dataclass(frozen=True)
class Preview:
    """What a push would say: which agents are new there or changed, how many are the same; the first body as it would go
    out."""

    new: list[Told]
    changed: list[Told]
    unchanged: int
    body: dict[str, Any]


def create_connector(draft: ConnectorDraft, *, actor: Principal) -> Connector:
    """The address is looked up before anything is written: no network within a transaction."""
    require(actor, Permission.OUTGOING_MANAGE, draft.team.pk if draft.team else None)
    _check(draft)
    with transaction.atomic():
        values = {name: getattr(draft, name) for name in PLAIN}
        connector = Connector.objects.create(**values, secret=seal(draft.secret, PURPOSE), created_by=actor)
        _record("created", connector, actor, {"url": connector.url})
    return connector


def edit_connector(connector: Connector, draft: ConnectorDraft, *, actor: Principal) -> Connector:
    """Change its settings; every agent is compared again at the next push. The ledger keeps no secret."""
    require(actor, Permission.OUTGOING_MANAGE, connector.team_id)
    require(actor, Permission.OUTGOING_MANAGE, draft.team.pk if draft.team else None)
    _check(draft, connector)
    with transaction.atomic():
        connector = (
            Connector.objects.select_for_update(of=("self",)).select_related("team").get(pk=connector.pk)
        )
        changes = {
            name: [str(getattr(connector, name) or ""), str(getattr(draft, name) or "")]
            for name in PLAIN
            if getattr(connector, name) != getattr(draft, name)
        }
        for name in changes:
            setattr(connector, name, getattr(draft, name))
        if draft.secret:
            connector.secret, changes["secret"] = seal(draft.secret, PURPOSE), ["kept", "another"]
        if not changes:
            return connector
        connector.leaves, connector.retry_at = 0, None
        connector.lease, connector.leased_until = (
            None,
            None,
        )  # a push under the former settings stops at its next batch
        connector.save()
        _record("edited", connector, actor, {"changes": changes})
    return connector


@transaction.atomic
def remove_connector(connector: Connector, *, actor: Principal, reason: str) -> None:
    """What it told stays where it was told."""
    require(actor, Permission.OUTGOING_MANAGE, connector.team_id)
    require_reason(reason, "Say why it is removed")
    _record("removed", connector, actor, reason=reason.strip())
    connector.delete()


@transaction.atomic
def request_push(connector: Connector, *, actor: Principal) -> Connector:
    """Compare every agent again and send what differs and what was refused; the worker does it."""
    require(actor, Permission.OUTGOING_MANAGE, connector.team_id)
    if not connector.is_enabled:
        raise Conflict(
            "Enable it first: nothing goes to a disabled connector.", code="agents.connector.disabled"
        )
    connector.items.filter(state=PushedItem.State.REFUSED).update(told="")
    # A push that is going on stops at its next batch; this one compares all, also what that one has left.
    Connector.objects.filter(pk=connector.pk).update(leaves=0, retry_at=None, lease=None, leased_until=None)
    _record("pushed", connector, actor)
    connector.refresh_from_db()
    return connector


def preview_push(connector: Connector, *, actor: Principal) -> Preview:
    """What a push of every agent would say; nothing is sent."""
    require(actor, Permission.OUTGOING_VIEW, connector.team_id)
    agents, known = told_agents(connector), _known(connector)
    pending = _pending(connector, agents, known)
    new = [agent for agent in pending if agent.id not in known]
    changed = [agent for agent in pending if agent.id in known]
    body = _body(connector, pending[:BATCH]) if pending else {"items": [], "relations": []}
    return Preview(new, changed, len(agents) - len(pending), body)


def push_changes(connector: Connector) -> int:
    """Send what changed since the last push; returns how many agents were sent. One worker at a time."""
    now, upto, lease = timezone.now(), _sealed(), new_id()
    free = Connector.objects.filter(
        Q(retry_at=None) | Q(retry_at__lte=now), Q(leased_until=None) | Q(leased_until__lte=now),
        Q(run_at=None) | ~Q(leaves=upto), pk=connector.pk, is_enabled=True,
    )  # fmt: skip
    if not free.update(lease=lease, leased_until=now + LEASE):
        return 0
    held = Connector.objects.filter(pk=connector.pk, lease=lease)
    connector = held.select_related("team").get()
    pending = _pending(connector, told_agents(connector, _changed(connector, upto)), _known(connector))
    try:
        for batch in _batches(pending):
            if not held.update(leased_until=timezone.now() + LEASE):
                return 0  # its settings changed, or it took so long that another push goes on
            _push(connector, batch)
    except (NotSent, DomainError, ValueError) as error:
        _failed(connector, held, str(error))
        return 0
    # Somebody may have asked meanwhile to compare all again: then that is still to be done.
    held.filter(leaves=connector.leaves).update(leaves=upto)
    held.update(run_at=now, run_error="", failures=0, retry_at=None, lease=None, leased_until=None)
    return len(pending)


def _push(connector: Connector, batch: Sequence[Told]) -> None:
    body = _body(connector, batch)
    headers = {"Content-Type": "application/json", "Accept": "application/json", **_credentials(connector)}
    address = servicenow.address(connector.url, connector.data_source)
    answer = post(address, orjson.dumps(body), headers, most_bytes=8_000_000, deadline_s=LONGEST_S)
    if not answer.is_success:
        raise NotSent(f"It answered {answer.status}: {answer.body[:160].decode(errors='replace')}")
    results = servicenow.results(orjson.loads(answer.body), len(body["items"]))
    _keep(connector, batch, results)


@transaction.atomic
def _keep(connector: Connector, batch: Sequence[Told], results: Sequence[ItemResult]) -> None:
    now = timezone.now()
    rows = [
        PushedItem(
            connector=connector, agent_id=UUID(agent.id), pushed_at=now, operation=result.operation, sys_id=result.sys_id,
            told=servicenow.digest(agent, connector.class_name, connector.data_source), error=result.error,
            state=PushedItem.State.REFUSED if result.error else PushedItem.State.TAKEN,
        )
        for agent, result in zip(batch, results, strict=False)  # neighbours follow the batch
    ]  # fmt: skip
    updated = ["told", "state", "operation", "sys_id", "error", "pushed_at"]
    PushedItem.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["connector", "agent"], update_fields=updated
    )


def _body(connector: Connector, batch: Sequence[Told]) -> dict[str, Any]:
    """The batch, and after it the agents it depends on: a relation needs both its ends in the body."""
    own = {agent.id for agent in batch}
    others = {UUID(key) for agent in batch for key in agent.needs if key not in own}
    neighbours = told_agents(connector, others) if others else []
    return servicenow.body(
        [*batch, *neighbours], class_name=connector.class_name, data_source=connector.data_source
    )


def _pending(connector: Connector, agents: Sequence[Told], known: Mapping[str, str]) -> list[Told]:
    return [
        agent
        for agent in agents
        if known.get(agent.id) != servicenow.digest(agent, connector.class_name, connector.data_source)
    ]


def _known(connector: Connector) -> dict[str, str]:
    return {str(agent): told for agent, told in connector.items.values_list("agent_id", "told")}


def _changed(connector: Connector, upto: int) -> set[UUID] | None:
    """The agents that sealed acts since the last push are about; None for all."""
    if not connector.leaves:
        return None
    leaves = LedgerLeaf.objects.filter(
        leaf_index__gte=connector.leaves, leaf_index__lt=upto, entry__target_type="agent"
    )
    keys = leaves.values_list("entry__target_id", flat=True).distinct()
    return {found for key in keys if (found := id_or_none(key))}


def _sealed() -> int:
    last = LedgerLeaf.objects.order_by("-leaf_index").first()
    return last.leaf_index + 1 if last else 0


def _batches(pending: Sequence[Told]) -> Iterator[Sequence[Told]]:
    for start in range(0, len(pending), BATCH):
        yield pending[start : start + BATCH]


def _failed(connector: Connector, held: QuerySet[Connector], words: str) -> None:
    now, failures = timezone.now(), connector.failures + 1
    held.update(
        run_error=words[:300], failures=failures, retry_at=now + wait_after(failures), run_at=now, lease=None,
        leased_until=None,
    )  # fmt: skip


def _credentials(connector: Connector) -> dict[str, str]:
    secret = unseal(connector.secret, PURPOSE)
    if not connector.username:
        return {"Authorization": f"Bearer {secret}"}
    pair = b64encode(f"{connector.username}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def _check(draft: ConnectorDraft, known: Connector | None = None) -> None:
    fields = {
        name: words
        for name, words in (
            ("name", "Enter a name"), ("class_name", "Enter the class of the items"),
            ("data_source", "Enter a choice of discovery_source"),
        )
        if not getattr(draft, name).strip()
    }  # fmt: skip
    if Connector.objects.filter(name=draft.name).exclude(pk__in=[known.pk] if known else []).exists():
        fields["name"] = "There is a connector of this name already"
    if not draft.secret and (known is None or _leads_elsewhere(known, draft)):
        again = "" if known is None else " again: it was kept for another address or user"
        fields |= {"secret": f"Enter the password, or the token{again}"}
    if fields:
        raise InvalidInput("The connector was not saved.", fields=fields)
    check_address(draft.url)


def _record(
    verb: str,
    connector: Connector,
    actor: Principal,
    detail: Mapping[str, Any] | None = None,
    reason: str = "",
) -> None:
    told = {"name": connector.name} | dict(detail or {})
    target = ("connector", connector.pk)
    record_act(f"agents.connector.{verb}", actor=actor, target=target, reason=reason, detail=told)


def _leads_elsewhere(known: Connector, draft: ConnectorDraft) -> bool:
    """A kept secret goes only where whoever entered it sent it."""
    return known.username != draft.username or urlsplit(known.url)[:2] != urlsplit(draft.url)[:2]
