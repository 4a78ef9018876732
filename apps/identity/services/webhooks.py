"""Webhook endpoints: made, changed, given a new secret, switched on and off, removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.identity.access import require
from apps.identity.models import Principal, Team, WebhookEndpoint
from apps.identity.models.webhooks import fits
from apps.identity.narrative import SENTENCES
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.identity.signing import new_secret
from apps.kit.errors import Conflict, InvalidInput, require_reason
from apps.kit.outgoing import check_address
from apps.kit.sealing import seal

PURPOSE = "webhook secret"
OVERLAP = timedelta(hours=24)
MOST_EVENTS = 50


@dataclass(frozen=True)
class EndpointDraft:
    """What an endpoint is to be. Without a team it is told of everything that its events name."""

    name: str
    url: str
    events: list[str]
    team: Team | None = None


@dataclass(frozen=True)
class MadeEndpoint:
    """An endpoint and its secret, which is shown this once."""

    endpoint: WebhookEndpoint
    secret: str


def create_endpoint(draft: EndpointDraft, *, actor: Principal) -> MadeEndpoint:
    """The name of the address is looked up before anything is written: no network within a transaction."""
    require(actor, Permission.OUTGOING_MANAGE, draft.team.pk if draft.team else None)
    _check(draft)
    secret = new_secret()
    with transaction.atomic():
        endpoint = WebhookEndpoint.objects.create(
            name=draft.name.strip(), url=draft.url.strip(), events=sorted(set(draft.events)), team=draft.team,
            secret=seal(secret, PURPOSE), created_by=actor,
        )  # fmt: skip
        _record("created", endpoint, actor, detail={"url": endpoint.url, "events": endpoint.events})
    return MadeEndpoint(endpoint, secret)


def edit_endpoint(endpoint: WebhookEndpoint, draft: EndpointDraft, *, actor: Principal) -> WebhookEndpoint:
    """Change where it is or what it is told of. Moving it between teams asks for leave in both."""
    require(actor, Permission.OUTGOING_MANAGE, endpoint.team_id)
    require(actor, Permission.OUTGOING_MANAGE, draft.team.pk if draft.team else None)
    _check(draft, endpoint)
    wanted = {
        "name": draft.name.strip(), "url": draft.url.strip(), "events": sorted(set(draft.events)), "team": draft.team,
    }  # fmt: skip
    with transaction.atomic():
        endpoint = _locked(endpoint)
        changes = {
            name: [_words(getattr(endpoint, name)), _words(value)]
            for name, value in wanted.items()
            if getattr(endpoint, name) != value
        }
        if not changes:
            return endpoint
        for name in changes:
            setattr(endpoint, name, wanted[name])
        endpoint.save(update_fields=list(changes))
        _record("edited", endpoint, actor, detail={"changes": changes})
    return endpoint


@transaction.atomic
def rotate_secret(endpoint: WebhookEndpoint, *, actor: Principal) -> MadeEndpoint:
    """A new secret; for a day the former one signs too, so that the receiver can change over without losing any."""
    require(actor, Permission.OUTGOING_MANAGE, endpoint.team_id)
    endpoint, secret = _locked(endpoint), new_secret()
    endpoint.former_secret, endpoint.former_until = endpoint.secret, timezone.now() + OVERLAP
    endpoint.secret = seal(secret, PURPOSE)
    endpoint.save(update_fields=["secret", "former_secret", "former_until"])
    _record("rotated", endpoint, actor)
    return MadeEndpoint(endpoint, secret)


@transaction.atomic
def enable_endpoint(endpoint: WebhookEndpoint, *, actor: Principal) -> WebhookEndpoint:
    """What waits for it goes out again; what happened meanwhile can be replayed."""
    require(actor, Permission.OUTGOING_MANAGE, endpoint.team_id)
    endpoint = _locked(endpoint)
    if endpoint.is_enabled:
        raise Conflict("It is enabled already.", code="identity.webhook.enabled")
    endpoint.is_enabled, endpoint.disabled_at, endpoint.disabled_reason = True, None, ""
    endpoint.failing_since = None
    endpoint.save(update_fields=["is_enabled", "disabled_at", "disabled_reason", "failing_since"])
    _record("enabled", endpoint, actor)
    return endpoint


@transaction.atomic
def disable_endpoint(endpoint: WebhookEndpoint, *, actor: Principal, reason: str = "") -> WebhookEndpoint:
    require(actor, Permission.OUTGOING_MANAGE, endpoint.team_id)
    endpoint = _locked(endpoint)
    if not endpoint.is_enabled:
        raise Conflict("It is disabled already.", code="identity.webhook.disabled")
    endpoint.is_enabled, endpoint.disabled_at = False, timezone.now()
    endpoint.save(update_fields=["is_enabled", "disabled_at"])
    _record("disabled", endpoint, actor, reason=reason)
    return endpoint


@transaction.atomic
def remove_endpoint(endpoint: WebhookEndpoint, *, actor: Principal, reason: str) -> None:
    """Its log goes with it; the ledger keeps that it was."""
    require(actor, Permission.OUTGOING_MANAGE, endpoint.team_id)
    require_reason(reason, "Say why it is removed")
    endpoint = _locked(endpoint)
    _record("removed", endpoint, actor, reason=reason.strip())
    endpoint.delete()


def _check(draft: EndpointDraft, known: WebhookEndpoint | None = None) -> None:
    fields = {}
    if not draft.name.strip():
        fields["name"] = "Enter a name that says who is told"
    elif (
        WebhookEndpoint.objects.filter(name=draft.name.strip())
        .exclude(pk__in=[known.pk] if known else [])
        .exists()
    ):
        fields["name"] = "There is a webhook of this name already"
    unknown = [one for one in draft.events if not any(fits(one, code) for code in SENTENCES)]
    if not 0 < len(draft.events) <= MOST_EVENTS:
        fields["events"] = f"Choose 1 to {MOST_EVENTS} kinds of events"
    elif unknown:
        fields["events"] = f"No act is called {', '.join(unknown)}"
    if fields:
        raise InvalidInput("The webhook was not saved.", fields=fields)
    check_address(draft.url.strip())


def _locked(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    return WebhookEndpoint.objects.select_for_update(of=("self",)).select_related("team").get(pk=endpoint.pk)


def _record(
    verb: str,
    endpoint: WebhookEndpoint,
    actor: Principal,
    *,
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    told = {"name": endpoint.name} | dict(detail or {})
    target = ("webhook", endpoint.pk)
    record_act(f"identity.webhook.{verb}", actor=actor, target=target, reason=reason, detail=told)


def _words(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value or "")
