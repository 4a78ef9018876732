"""Guessing passwords is slow, also from many addresses and over many accounts; nobody is locked out by it.

Beside the limit for one account from one address (django-axes): an address that fails often over all accounts
waits, and an account that is failed often from everywhere is looked at less and less often, down to once a
minute. A browser in which somebody signed in before carries a signed cookie and is exempt from the second, so
that an attack on an account does not keep its owner out (the device cookies of OWASP).
"""

from __future__ import annotations

from hashlib import sha256

from django.core.cache import cache
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse

from apps.identity.addresses import address_of
from apps.identity.models import Person
from apps.kit.errors import TooMany

WINDOW_S = 15 * 60
ADDRESS_LIMIT = 50
ACCOUNT_FREE = 10
LONGEST_GAP_S = 60
COOKIE = "chancery_device"
COOKIE_AGE_S = 180 * 24 * 3600


def require_slot(request: HttpRequest, account: str) -> None:
    """Raise TooMany when this address, or this account from browsers nobody knows, must wait."""
    if cache.get(_key("address", address_of(request)), 0) >= ADDRESS_LIMIT:
        raise _wait(WINDOW_S)
    gap = _gap(cache.get(_key("account", account), 0))
    if gap and not _is_known(request, account) and not cache.add(_key("slot", account), 1, gap):
        raise _wait(gap)


def note_failure(request: HttpRequest, account: str) -> None:
    for key in (_key("address", address_of(request)), _key("account", account)):
        cache.add(key, 0, WINDOW_S)
        cache.incr(key)


def remember_device(response: HttpResponse, person: Person, *, secure: bool) -> None:
    """Let this browser be known for the account from now on."""
    response.set_signed_cookie(
        COOKIE,
        _account(person.email),
        salt=COOKIE,
        max_age=COOKIE_AGE_S,
        httponly=True,
        samesite="Lax",
        secure=secure,
    )


def _is_known(request: HttpRequest, account: str) -> bool:
    try:
        known = request.get_signed_cookie(COOKIE, default="", salt=COOKIE, max_age=COOKIE_AGE_S)
    except BadSignature:
        return False
    return known == _account(account)


def _gap(failures: int) -> int:
    """Seconds between two attempts that are looked at: none at first, then doubling."""
    over = failures - ACCOUNT_FREE
    return 0 if over < 0 else min(2 ** min(over, 10), LONGEST_GAP_S)


def _account(name: str) -> str:
    return sha256(name.strip().lower().encode()).hexdigest()


def _key(kind: str, name: str) -> str:
    return f"signin:{kind}:{_account(name)}"


def _wait(seconds: int) -> TooMany:
    return TooMany("There were too many attempts to sign in.", retry_after_s=seconds)
