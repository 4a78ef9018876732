"""The key of the gateway that runs beside this server: made when it starts, renewed in time, in a file of its own."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from apps.identity.models import ApiKey, Principal
from apps.identity.roles import Scope
from apps.identity.services.keys import MintedKey, authenticate_key, new_key
from apps.identity.services.ledger import record_act
from apps.kit.errors import NotSignedIn

NAME = "MCP gateway"
LIFE, RENEWED_BEFORE = timedelta(days=365), timedelta(days=60)


@transaction.atomic
def keep_gateway_key(path: Path, *, actor: Principal) -> bool:
    """See that the file holds a key that opens something for long enough; True when a new one was made.

    The former key stays valid until it expires: a gateway elsewhere may still use it.
    """
    if _is_good(path):
        return False
    gateway, is_new = Principal.objects.get_or_create(
        kind=Principal.Kind.SERVICE, name=NAME, team=None, defaults={"is_active": True}
    )
    if is_new:
        detail = {"name": NAME, "team": None}
        record_act("identity.source.created", actor=actor, target=("principal", gateway.pk), detail=detail)
    _write(path, new_key(gateway, NAME, [Scope.GATEWAY], timezone.now() + LIFE, actor=actor))
    return True


def _is_good(path: Path) -> bool:
    try:
        key: ApiKey = authenticate_key(path.read_text().strip())
    except (FileNotFoundError, NotSignedIn):
        return False
    return Scope.GATEWAY in key.scopes and key.expires_at - timezone.now() > RENEWED_BEFORE


def _write(path: Path, minted: MintedKey) -> None:
    """Readable by its owner only; put in place whole."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(minted.token)
    fresh.replace(path)
