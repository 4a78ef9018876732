"""Minting, checking and revoking API keys."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import transaction
from django.utils import timezone

from apps.identity.access import require
from apps.identity.models import ApiKey, Principal, Team
from apps.identity.roles import Permission, Scope
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, InvalidInput, NotSignedIn, require_reason

MARK = "chy"
LONGEST_LIFE = timedelta(days=366)
SOURCE_SCOPES = frozenset({Scope.INGEST, Scope.DECIDE, Scope.REPORT, Scope.DECLARE, Scope.GATEWAY})
TEAM_SCOPES = {
    Scope.DECIDE: "Choose the team whose agents it asks for",
    Scope.DECLARE: "Choose the team whose agents it declares",
}
LAST_USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class MintedKey:
    """A new key and its token, which exists nowhere else."""

    key: ApiKey
    token: str


@dataclass(frozen=True)
class KeyRequest:
    """What a new key is for. `expires_at` None means in 90 days."""

    name: str
    scopes: list[str]
    expires_at: datetime | None = None


@transaction.atomic
def mint_key(principal: Principal, request: KeyRequest, *, actor: Principal) -> MintedKey:
    """Make a key for `principal`; the token is in the answer and nowhere else."""
    require(actor, Permission.KEYS_MANAGE, principal.team_id)
    _require_unsuspended(principal)
    expires_at = request.expires_at or timezone.now() + timedelta(days=90)
    _check(request, principal, expires_at)
    return new_key(principal, request.name.strip(), request.scopes, expires_at, actor=actor)


def new_key(
    principal: Principal, name: str, scopes: list[str], expires_at: datetime, *, actor: Principal
) -> MintedKey:
    """A step of the act that calls it, which checked who may and what may stand in it."""
    prefix, secret = secrets.token_hex(5), secrets.token_urlsafe(32)
    token = f"{MARK}_{prefix}_{secret}"
    key = ApiKey.objects.create(
        principal=principal,
        name=name,
        prefix=prefix,
        secret_hash=hash_of(token),
        scopes=sorted(set(scopes)),
        created_by=actor,
        expires_at=expires_at,
    )
    record_act(
        "identity.api_key.minted",
        actor=actor,
        target=("api_key", key.pk),
        detail={"name": key.name, "principal": principal.pk, "scopes": key.scopes, "expires_at": expires_at},
    )
    return MintedKey(key, token)


@transaction.atomic
def mint_source_key(request: KeyRequest, *, team: Team | None, actor: Principal) -> MintedKey:
    """Make a source (a service principal named as its key) and a key with which it reports, asks for decisions, or both.

    A key that asks or declares needs a team: it does so for the agents of that team and no others.
    """
    require(actor, Permission.KEYS_MANAGE, team.pk if team else None)
    _check_source(request, team)
    source = Principal.objects.create(kind=Principal.Kind.SERVICE, name=request.name.strip(), team=team)
    record_act(
        "identity.source.created",
        actor=actor,
        target=("principal", source.pk),
        detail={"name": source.name, "team": team.pk if team else None},
    )
    return mint_key(source, request, actor=actor)


@transaction.atomic
def revoke_key(key: ApiKey, *, actor: Principal, reason: str) -> ApiKey:
    """Close a key for good. Ingest forgets it within five seconds, everything else at once."""
    key = ApiKey.objects.select_for_update(of=("self",)).select_related("principal").get(pk=key.pk)
    require(actor, Permission.KEYS_MANAGE, key.principal.team_id)
    require_reason(reason, "Say why the key is closed")
    if key.revoked_at:
        raise Conflict("This key is revoked already.", code="identity.key.revoked")
    key.revoked_at = timezone.now()
    key.save(update_fields=["revoked_at"])
    record_act("identity.api_key.revoked", actor=actor, target=("api_key", key.pk), reason=reason.strip())
    return key


def authenticate_key(token: str) -> ApiKey:
    """The live key of this token, with its principal; NotSignedIn otherwise, without saying why."""
    parts = token.split("_", 2)
    refused = NotSignedIn("This API key is not known, expired or revoked.", code="auth.key_refused")
    if len(parts) != 3 or parts[0] != MARK:
        raise refused
    key = ApiKey.objects.select_related("principal").filter(prefix=parts[1]).first()
    matches = hmac.compare_digest(bytes(key.secret_hash) if key else b"", hash_of(token))
    if key is None or not matches or not key.is_live or not key.principal.is_active:
        raise refused
    _touch(key)
    return key


def hash_of(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _require_unsuspended(principal: Principal) -> None:
    """Read anew and shared with whoever suspends: no key may be made while that goes on."""
    known = Principal.objects.select_for_update(of=("self",), no_key=True).get(pk=principal.pk)
    if known.suspended_at is not None:
        raise Conflict(f"{known.name} is stopped; its keys are suspended.", code="identity.key.suspended")


def _touch(key: ApiKey) -> None:
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > LAST_USED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)


def _check_source(request: KeyRequest, team: Team | None) -> None:
    fields = {}
    if not request.name.strip():
        fields["name"] = "Enter a name, such as the system that reports"
    if not request.scopes or not set(request.scopes) <= SOURCE_SCOPES:
        fields["scopes"] = f"Choose one or more of {', '.join(sorted(SOURCE_SCOPES))}"
    if fields:
        raise InvalidInput("The key was not made.", fields=fields)


def _check(request: KeyRequest, principal: Principal, expires_at: datetime) -> None:
    fields = {}
    if not request.name.strip():
        fields["name"] = "Enter a name that says what the key is for"
    if not request.scopes or not set(request.scopes) <= set(Scope.values):
        fields["scopes"] = f"Choose one or more of {', '.join(Scope.values)}"
    teamless = principal.kind == Principal.Kind.SERVICE and principal.team_id is None
    for scope in TEAM_SCOPES.keys() & set(request.scopes) if teamless else ():
        fields["team"] = TEAM_SCOPES[scope]
    if not timezone.now() < expires_at <= timezone.now() + LONGEST_LIFE:
        fields["expires_at"] = "Choose a time within the next 366 days"
    if fields:
        raise InvalidInput("The key was not made.", fields=fields)
