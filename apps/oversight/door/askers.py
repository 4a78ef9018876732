"""Who asks, remembered: the rights of a key as they were read, and the number that says whether they still are.

Nothing here decides how long a memory holds. Where a decision is written, the database compares the number in the same
statement; a key that was revoked a moment ago opens nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from django.http import Http404
from django.utils import timezone

from apps.agents.models import Agent
from apps.identity.access import access_of, act_through, not_permitted
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.keys import authenticate_key
from apps.kit.errors import InvalidInput, NotSignedIn
from apps.oversight.bundles import stamps_of
from apps.oversight.holding import Held

MOST = 4096
MOST_NAMES = 10_000
LOOK_AGAIN_S = 60.0


@dataclass
class Asker:
    """One key. `agents` are the ids of agents it may ask for, by the name it gives them, each with the agent as it was."""

    principal: Principal
    key: str
    number: int
    expires_at: datetime | None
    read_at: datetime
    agents: dict[str, tuple[UUID, datetime]] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Run out, or not looked at for a minute: its last use is noted then."""
        now = timezone.now()
        return (self.expires_at is not None and self.expires_at <= now) or (
            now - self.read_at
        ).total_seconds() > LOOK_AGAIN_S

    @property
    def mark(self) -> tuple[str, int]:
        return self.key, self.number

    def told(self) -> dict[str, str]:
        one = self.principal
        return {"id": str(one.pk), "kind": one.kind, "name": one.name}

    def agent_of(self, name: str, held: Held | None) -> bool:
        """Whether the name still means the agent that is held, as it was when the right was looked at."""
        return held is not None and self.agents.get(name) == (held.agent_id, held.updated_at)


_askers: OrderedDict[bytes, Asker] = OrderedDict()


def remembered(authorization: str) -> Asker | None:
    """From memory alone."""
    found = _askers.get(_digest(authorization))
    return found if found is not None and not found.is_over else None


def asker_of(authorization: str) -> Asker:
    """Read anew, and remembered. Raises NotSignedIn, NotPermitted. Number first: what is read after it may be newer."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotSignedIn("Send an API key: Authorization: Bearer chy_...", code="auth.required")
    key = authenticate_key(token.strip())
    mark = f"principal:{key.principal_id}"
    number = stamps_of([mark])[mark]
    key = authenticate_key(token.strip())
    principal = act_through(key.principal, key)
    if not access_of(principal).allows_somewhere(Permission.DECISIONS_ASK):
        raise not_permitted(Permission.DECISIONS_ASK)
    found = Asker(principal, mark, number, key.expires_at, timezone.now())
    _askers[_digest(authorization)] = found
    while len(_askers) > MOST:
        _askers.popitem(last=False)
    return found


def forget(authorization: str) -> None:
    _askers.pop(_digest(authorization), None)


def agent_asked_about(asker: Asker, name: str) -> Agent:
    """The agent of this id, number or slug that the asker may ask about; '' an agent itself. Raises Http404, InvalidInput."""
    visible = Agent.objects.visible_to(asker.principal, Permission.DECISIONS_ASK)
    if not name and asker.principal.kind != Principal.Kind.AGENT:
        raise InvalidInput("Nothing was decided.", fields={"agent": "Name the agent you ask about"})
    rows = visible.filter(principal=asker.principal) if not name else visible.called(name)
    found = rows.first()
    if found is None:
        raise Http404
    return found


def note(asker: Asker, name: str, held: Held) -> None:
    if len(asker.agents) >= MOST_NAMES:
        asker.agents.clear()
    asker.agents[name] = (held.agent_id, held.updated_at)


def _digest(authorization: str) -> bytes:
    return sha256(authorization.encode("latin-1", "replace")).digest()
