"""Who django-auditlog names: the person behind whoever acts, and the principal itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from auditlog.context import auditlog_value, set_extra_data
from auditlog.middleware import AuditlogMiddleware
from django.http import HttpRequest

from apps.identity.addresses import address_of
from apps.identity.models import Person, Principal
from apps.identity.services.ledger import system_principal
from apps.kit.request_id import current_request_id


class AuditMiddleware(AuditlogMiddleware):
    """As django-auditlog's, with the address that may be believed."""

    @staticmethod
    def _get_remote_addr(request: HttpRequest) -> str | None:
        return address_of(request) or None

    def get_extra_data(self, request: HttpRequest) -> dict[str, Any]:
        actor: Principal | None = getattr(request, "actor", None)
        return super().get_extra_data(request) | (entry_values(actor) if actor else {})


def name_actor(actor: Principal) -> None:
    """From here on this request's entries name `actor`: who asks is known only once a key was read."""
    context: dict[str, Any] | None = auditlog_value.get(None)
    if context is not None:
        context |= entry_values(actor)
        auditlog_value.set(context)


@contextmanager
def acting(actor: Principal) -> Iterator[None]:
    """Outside a request: the entries written within name `actor`."""
    with set_extra_data(entry_values(actor)):
        yield


@contextmanager
def acting_by_itself() -> Iterator[None]:
    """What Chancery does without being asked: by the clock, or because telemetry told it so."""
    with acting(system_principal()):
        yield


def entry_values(actor: Principal) -> dict[str, Any]:
    """What an entry of `actor` holds, for entries that are written in bulk too."""
    person = Person.objects.filter(principal=actor).first() if actor.kind == Principal.Kind.HUMAN else None
    principal = {"id": str(actor.pk), "kind": actor.kind, "name": actor.name}
    return {"actor": person, "additional_data": {"principal": principal}, "cid": current_request_id() or None}
