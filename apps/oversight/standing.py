"""The kill switches as this process holds them: asked on every decision, so read at most four times a second.

A database that does not answer changes nothing: what stood goes on standing. A process that never read them cannot
decide, and says so by its error.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from datetime import timedelta
from threading import Lock
from uuid import UUID

from django.db import DatabaseError, InterfaceError
from django.db.models import Q
from django.utils import timezone

from apps.identity.models import Team
from apps.oversight.kill_switches import Switch
from apps.oversight.models import KillSwitch

logger = logging.getLogger(__name__)
FRESH_S = 0.25
REMEMBERED = timedelta(days=1)  # released ones, for calls that are told late


class Standing:
    """Switches pulled now or within the last day. One query where the last look is too old."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.forget()

    def forget(self) -> None:
        """What is known is read again at the next question."""
        self._looked_at, self._known = -FRESH_S, getattr(self, "_known", None)

    def clear(self) -> None:
        """As after a start."""
        self._looked_at, self._known = -FRESH_S, None

    def switches(self) -> tuple[Switch, ...]:
        if time.monotonic() - self._looked_at < FRESH_S and self._known is not None:
            return self._known
        with self._lock:
            looked_at = time.monotonic()
            try:
                self._known, self._looked_at = read_switches(), looked_at
            except (DatabaseError, InterfaceError):
                if self._known is None:
                    raise
                logger.warning("kill switches stay as they were last read: the database does not answer")
            return self._known


def read_switches() -> tuple[Switch, ...]:
    """Those pulled now or within the last day. A query, two where a team is stopped."""
    lately = Q(released_at=None) | Q(released_at__gt=timezone.now() - REMEMBERED)
    rows = list(KillSwitch.objects.filter(lately).select_related("team").order_by("pulled_at"))
    below = _teams_below({row.team_id for row in rows if row.team_id})
    return tuple(
        Switch(
            row.scope, below.get(row.team_id, frozenset()) if row.team_id else frozenset(), row.target, row.words, row.reason,
            row.pulled_at, row.released_at,
        )
        for row in rows
    )  # fmt: skip


def _teams_below(roots: set[UUID]) -> dict[UUID, frozenset[UUID]]:
    """Each of these teams with all below it; a query only where there is one."""
    if not roots:
        return {}
    children: dict[UUID, set[UUID]] = defaultdict(set)
    for team, parent in Team.objects.exclude(parent=None).values_list("pk", "parent_id"):
        children[parent].add(team)  # type: ignore[index]
    return {root: frozenset(_reached(root, children)) for root in roots}


def _reached(root: UUID, children: dict[UUID, set[UUID]]) -> set[UUID]:
    found, asking = {root}, [root]
    while asking:
        fresh = children[asking.pop()] - found
        found |= fresh
        asking += fresh
    return found


STANDING = Standing()
