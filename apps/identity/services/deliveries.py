"""Delivering events: from sealed leaves to rows, from rows to attempts, again on request.

What is due is leased before it is sent and sent outside of any transaction: a process killed in between leaves a
lease that runs out, and the event goes out again under the same id. At least once, never not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.identity.access import require
from apps.identity.mentions import known_to_team, naming_strangers, veiled
from apps.identity.models import (
    LedgerEntry,
    LedgerLeaf,
    Principal,
    WebhookAttempt,
    WebhookCursor,
    WebhookDelivery,
    WebhookEndpoint,
)
from apps.identity.naming import names_of, slugs_of
from apps.identity.roles import Permission
from apps.identity.scoping import teams_of
from apps.identity.services.ledger import record_act, system_principal
from apps.identity.services.webhooks import PURPOSE
from apps.identity.signing import GIVE_UP_AFTER, signed_headers, wait_after
from apps.kit.errors import Conflict, DomainError, InvalidInput
from apps.kit.ids import new_id
from apps.kit.outgoing import Answer, NotSent, post
from apps.kit.sealing import unseal

STEP = 500
EACH, AT_ONCE = 4, 8
A_ROUND = (
    2 * AT_ONCE
)  # two turns of 15 seconds at most: the lease cannot run out while something is on its way
LEASE = timedelta(seconds=90)
DISABLE_AFTER = timedelta(days=5)
MOST_REPLAYED = 10_000
KEPT_FOR = timedelta(days=30)
FIRST_BYTES = 1024
GONE = 410
TEST = "webhook.test"
State, Cause = WebhookDelivery.State, WebhookDelivery.Cause


@dataclass(frozen=True)
class Names:
    """What the targets of entries are called, and the slugs of those that have one, by type and id; of each team the
    entries that name an agent it does not know of."""

    names: Mapping[tuple[str, str], str]
    slugs: Mapping[tuple[str, str], str]
    strangers: Mapping[UUID, set[int]]

    def is_veiled(self, entry: LedgerEntry, endpoint: WebhookEndpoint) -> bool:
        return endpoint.team_id is not None and entry.pk in self.strangers[endpoint.team_id]


@dataclass(frozen=True)
class Sending:
    """A leased delivery with all that sending takes: no database is asked while it is on its way."""

    delivery: WebhookDelivery
    url: str
    body: bytes
    headers: dict[str, str]


@transaction.atomic
def fan_out() -> int:
    """Turn the next sealed leaves into deliveries; returns how many leaves. The cursor's row makes it one at a time."""
    WebhookCursor.objects.get_or_create(pk=1)
    cursor = WebhookCursor.objects.select_for_update().get(pk=1)
    leaves = LedgerLeaf.objects.filter(leaf_index__gte=cursor.leaves).order_by("leaf_index")
    entries = [leaf.entry for leaf in leaves.select_related("entry")[:STEP]]
    teams = teams_of(entries)
    for endpoint in WebhookEndpoint.objects.filter(is_enabled=True):
        meant = [
            entry for entry in entries if entry.at >= endpoint.created_at and _is_for(endpoint, entry, teams)
        ]
        WebhookDelivery.objects.bulk_create(
            [_delivery(endpoint, entry, Cause.EVENT) for entry in meant], ignore_conflicts=True
        )
    cursor.leaves += len(entries)
    cursor.save(update_fields=["leaves"])
    return len(entries)


def send_due() -> int:
    """Send what is due, some of each endpoint; returns how many attempts were made."""
    sendings = _leased()
    if not sendings:
        return 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(_sent, sendings))
    for sending, outcome in zip(sendings, outcomes, strict=True):
        _settle(sending.delivery, outcome)
    return len(sendings)


@transaction.atomic
def send_test(endpoint: WebhookEndpoint, *, actor: Principal) -> WebhookDelivery:
    """A delivery that says it is a test; tried once."""
    require(actor, Permission.OUTGOING_MANAGE, endpoint.team_id)
    if not endpoint.is_enabled:
        raise Conflict(
            "Enable it first: nothing goes to a disabled webhook.", code="identity.webhook.disabled"
        )
    return WebhookDelivery.objects.create(
        endpoint=endpoint, action=TEST, message_id=f"msg_{new_id().hex}", cause=Cause.TEST
    )


@transaction.atomic
def replay_delivery(delivery: WebhookDelivery, *, actor: Principal) -> WebhookDelivery:
    """Send one event again, under its id: a receiver that had it will see that."""
    endpoint = delivery.endpoint
    require(actor, Permission.OUTGOING_MANAGE, endpoint.team_id)
    if delivery.state == State.WAITING:
        raise Conflict("It still waits to be delivered.", code="identity.webhook.waiting")
    if delivery.entry is None:
        return send_test(endpoint, actor=actor)
    again = _delivery(endpoint, delivery.entry, Cause.REPLAY)
    again.save(force_insert=True)
    _record_replay(endpoint, 1, actor, {})
    return again


@transaction.atomic
def replay_range(endpoint: WebhookEndpoint, since: datetime, until: datetime, *, actor: Principal) -> int:
    """Send every event of a span of time again, delivered before or not; returns how many. At most 10,000."""
    require(actor, Permission.OUTGOING_MANAGE, endpoint.team_id)
    if since >= until:
        raise InvalidInput("Nothing was replayed.", fields={"until": "Choose a later end than the beginning"})
    entries = LedgerEntry.objects.filter(
        _named(endpoint.events), at__gte=since, at__lt=until, leaf__isnull=False
    )
    found = list(entries.order_by("id")[: MOST_REPLAYED + 1])
    if len(found) > MOST_REPLAYED:
        raise InvalidInput(
            "Nothing was replayed.", fields={"until": f"Choose a span of at most {MOST_REPLAYED:,} events"}
        )
    teams = teams_of(found)
    again = [_delivery(endpoint, entry, Cause.REPLAY) for entry in found if _is_for(endpoint, entry, teams)]
    WebhookDelivery.objects.bulk_create(again, batch_size=1000)
    _record_replay(endpoint, len(again), actor, {"since": since, "until": until})
    return len(again)


def forget_deliveries() -> int:
    """Give up what has waited too long for a disabled endpoint; drop the log of what was settled more than 30 days ago.
    Returns how many deliveries were dropped."""
    now = timezone.now()
    left = WebhookDelivery.objects.filter(state=State.WAITING, endpoint__is_enabled=False)
    left.filter(created_at__lt=now - GIVE_UP_AFTER).update(state=State.GIVEN_UP, settled_at=now)
    old = WebhookDelivery.objects.filter(settled_at__lt=now - KEPT_FOR)
    WebhookAttempt.objects.filter(delivery__in=old).delete()
    return old.delete()[1].get("identity.WebhookDelivery", 0)


def _named(events: Iterable[str]) -> Q:
    condition = Q()
    for one in events:
        condition |= Q(action__startswith=one[:-1]) if one.endswith("*") else Q(action=one)
    return condition


def _is_for(endpoint: WebhookEndpoint, entry: LedgerEntry, teams: Mapping[tuple[str, str], object]) -> bool:
    if not endpoint.wants(entry.action):
        return False
    return endpoint.team_id is None or teams.get((entry.target_type, entry.target_id)) == endpoint.team_id


def _delivery(endpoint: WebhookEndpoint, entry: LedgerEntry, cause: str) -> WebhookDelivery:
    key = orjson.loads(bytes(entry.body))["id"].replace("-", "")
    return WebhookDelivery(
        endpoint=endpoint, entry=entry, action=entry.action, message_id=f"msg_{key}", cause=cause
    )


def _record_replay(
    endpoint: WebhookEndpoint, count: int, actor: Principal, span: dict[str, datetime]
) -> None:
    detail = {"name": endpoint.name, "deliveries": count, **span}
    record_act("identity.webhook.replayed", actor=actor, target=("webhook", endpoint.pk), detail=detail)


@transaction.atomic
def _leased() -> list[Sending]:
    now = timezone.now()
    turns: list[tuple[int, datetime, WebhookDelivery]] = []
    for endpoint in WebhookEndpoint.objects.filter(is_enabled=True):
        waiting = WebhookDelivery.objects.filter(endpoint=endpoint, state=State.WAITING, due_at__lte=now)
        rows = waiting.select_for_update(skip_locked=True).order_by("due_at", "id")[:EACH]
        turns += [(turn, one.due_at, _with(endpoint, one)) for turn, one in enumerate(rows)]
    turns.sort(key=lambda turn: turn[:2])  # the first of each endpoint before the second of any
    due = [one for _, _, one in turns[:A_ROUND]]
    for one in due:
        one.attempts += 1
        one.due_at = now + LEASE
    WebhookDelivery.objects.bulk_update(due, ["attempts", "due_at"])
    return _sendings(due, now)


def _with(endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> WebhookDelivery:
    delivery.endpoint = endpoint
    return delivery


def _sendings(due: Sequence[WebhookDelivery], now: datetime) -> list[Sending]:
    entries = LedgerEntry.objects.in_bulk({one.entry_id for one in due if one.entry_id})
    names = _names(entries.values(), {one.endpoint.team_id for one in due if one.endpoint.team_id})
    found = []
    for one in due:
        body = payload(entries.get(one.entry_id or 0), one.endpoint, names, now)
        try:
            keys = _keys(one.endpoint)
        except DomainError as error:
            _settle(one, NotSent(error.message))
            continue
        headers = {"Content-Type": "application/json"} | signed_headers(one.message_id, now, body, keys)
        found.append(Sending(one, one.endpoint.url, body, headers))
    return found


def _names(entries: Collection[LedgerEntry], teams: Iterable[UUID]) -> Names:
    strangers = {team: naming_strangers(entries, known_to_team(team)) for team in teams}
    return Names(names_of(entries), slugs_of(entries), strangers)


def payload(entry: LedgerEntry | None, endpoint: WebhookEndpoint, names: Names, now: datetime) -> bytes:
    """The body as Standard Webhooks has it: type, timestamp, data. The data is what the ledger holds of the act; a
    team's webhook is not told which agent of another team it mentions."""
    if entry is None:
        return orjson.dumps(
            {"type": TEST, "timestamp": now.isoformat(), "data": {"message": "A test from Chancery."}}
        )
    told = orjson.loads(bytes(entry.body))
    target = (entry.target_type, entry.target_id)
    told["target"]["name"] = names.names.get(target, "")
    if target in names.slugs:
        told["target"]["slug"] = names.slugs[target]
    if names.is_veiled(entry, endpoint):
        told["detail"] = veiled(entry.action, told["detail"])
    data = {key: told[key] for key in ("id", "actor", "target", "reason", "request_id", "detail")}
    return orjson.dumps({"type": entry.action, "timestamp": told["at"], "data": data | {"entry": entry.pk}})


def _keys(endpoint: WebhookEndpoint) -> list[str]:
    former = [endpoint.former_secret] if endpoint.has_former_secret and endpoint.former_secret else []
    return [unseal(one, PURPOSE) for one in (endpoint.secret, *former)]


def _sent(sending: Sending) -> Answer | NotSent:
    try:
        return post(sending.url, sending.body, sending.headers, most_bytes=FIRST_BYTES)
    except NotSent as error:
        return error


@transaction.atomic
def _settle(delivery: WebhookDelivery, outcome: Answer | NotSent) -> None:
    now = timezone.now()
    answer = outcome if isinstance(outcome, Answer) else None
    WebhookAttempt.objects.create(
        delivery=delivery, at=now, status=answer.status if answer else None,
        duration_ms=answer.duration_ms if answer else 0, error="" if answer else str(outcome)[:300],
        answer=answer.body.decode(errors="replace").replace("\0", "") if answer else "",
    )  # fmt: skip
    waiting = WebhookDelivery.objects.filter(pk=delivery.pk, state=State.WAITING)
    ours = waiting.filter(attempts=delivery.attempts)  # a failure told late says nothing of a later attempt
    if answer is not None and answer.is_success:
        waiting.update(state=State.DELIVERED, settled_at=now)
    elif delivery.cause == Cause.TEST or now - delivery.created_at > GIVE_UP_AFTER:
        ours.update(state=State.GIVEN_UP, settled_at=now)
    else:
        ours.update(due_at=now + wait_after(delivery.attempts))
    _mark(delivery.endpoint_id, answer, now)


def _mark(endpoint_id: UUID, answer: Answer | None, now: datetime) -> None:
    """What an attempt says of the endpoint: it works, it fails since, it has failed for too long."""
    endpoint = WebhookEndpoint.objects.select_for_update().filter(pk=endpoint_id).first()
    if endpoint is None:
        return
    if answer is not None and answer.is_success:
        endpoint.failing_since = None
    else:
        endpoint.failing_since = endpoint.failing_since or now
        is_gone = answer is not None and answer.status == GONE
        if endpoint.is_enabled and (is_gone or now - endpoint.failing_since > DISABLE_AFTER):
            words = (
                "It answered 410, Gone." if is_gone else f"Nothing was taken for {DISABLE_AFTER.days} days."
            )
            endpoint.is_enabled, endpoint.disabled_at, endpoint.disabled_reason = False, now, words
            record_act(
                "identity.webhook.disabled", actor=system_principal(), target=("webhook", endpoint.pk), reason=words,
                detail={"name": endpoint.name},
            )  # fmt: skip
    endpoint.save(update_fields=["failing_since", "is_enabled", "disabled_at", "disabled_reason"])


def deliveries_of(endpoint: WebhookEndpoint) -> QuerySet[WebhookDelivery]:
    """Its log, newest first; the caller has passed the endpoint's own door."""
    return endpoint.deliveries.prefetch_related("tries")
