"""A run and its ranking, kept for a minute in this process: a page asks for it again with every step opened.

What is kept belongs to one actor and to exactly the calls that actor may see now: the database is asked for these each
time, so that access that ended or a call that changed finds nothing kept.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from time import monotonic
from uuid import UUID

from django.db.models import Count, Max, Sum

from apps.activity.chains.blame import Ranking, rank
from apps.activity.chains.reading import Run, calls_of, read_run
from apps.activity.models import ToolCall
from apps.identity.models import Principal

MOST_KEPT, MOST_LOOKED_AT = 8, 10_000
KEPT_S = 60.0
Key = tuple[UUID, str, bytes]


@dataclass(frozen=True)
class Judged:
    """A run as one actor sees it, with its steps by suspicion."""

    run: Run
    ranking: Ranking

    @property
    def has_failed(self) -> bool:
        """Whether anything failed or was judged unusual: only then is there a mistake to look for. What was refused was
        kept from happening, and is none by itself."""
        return any(step.is_failed or step.outcome in ("violation", "anomaly") for step in self.run.steps)


_kept: OrderedDict[Key, tuple[float, Judged]] = OrderedDict()


def judged_run(conversation: str, *, actor: Principal) -> Judged:
    """The run of a conversation; NotFound when the actor may see no call of it."""
    key = (actor.pk, conversation, _fingerprint(conversation, actor))
    at, found = _kept.get(key, (0.0, None))
    if found is None or monotonic() - at > KEPT_S:
        run = read_run(conversation, actor=actor)
        found = Judged(run, rank(run.chain, run.request))
        _kept[key] = (monotonic(), found)
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    return found


def _fingerprint(conversation: str, actor: Principal) -> bytes:
    """Changes with every call of the run, and with what of it the actor may see; three queries at most. Of a run
    beyond any bound, its newest calls tell."""
    digest = blake2b(digest_size=16)
    for calls in (calls_of(conversation, actor=actor), ToolCall.objects.filter(conversation_id=conversation)):
        newest = calls.order_by("-pk").only("pk", "position")[:MOST_LOOKED_AT]
        digest.update(repr(newest.aggregate(Count("pk"), Sum("position"), Max("position"))).encode())
    return digest.digest()
