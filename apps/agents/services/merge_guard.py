"""A merge frees nobody: of a stop, of a state that forbids work, of graver risk, of a tool policy."""

from __future__ import annotations

from apps.agents.access import GRAVITY, may_lower, standing_of
from apps.agents.models import Agent, State
from apps.agents.signals import merge_asked
from apps.identity.models import Principal
from apps.kit.errors import Conflict, NotPermitted

HELD = frozenset({State.SUSPENDED, State.QUARANTINED})


def require_nothing_escapes(kept: Agent, merged: Agent, *, actor: Principal) -> None:
    """Whoever asks about `merged` is answered as `kept` afterwards: that must not be the milder answer. Raises Conflict,
    or NotPermitted where somebody who may lower risk has to do it."""
    objection = _standing(kept, merged)
    for _, words in [] if objection else merge_asked.send(sender=Agent, kept=kept, merged=merged):
        objection = objection or words or ""
    if objection:
        advice = f"Keep {merged.name} and merge {kept.name} into it, or settle that first."
        raise Conflict(f"{objection} {advice}", code="agents.merge.frees")
    if _is_graver(merged, kept) and not may_lower(merged, standing_of(merged), actor=actor):
        raise NotPermitted(
            f"{merged.name} is of graver risk than {kept.name}: a curator or compliance officer who neither owns nor "
            "deputises it merges it, or keep it and merge the other into it.",
            code="agents.risk.lowered_by_owner",
        )


def _standing(kept: Agent, merged: Agent) -> str:
    if merged.is_tripped and not kept.is_tripped:
        return f"{merged.name} is stopped."
    if merged.state in HELD and kept.state not in HELD:
        return f"{merged.name} is {State(merged.state).label.lower()}."
    return ""


def _is_graver(merged: Agent, kept: Agent) -> bool:
    """Risk that nobody stated counts as high already."""
    by_class = GRAVITY.get(merged.ai_act_class, 0) > GRAVITY.get(kept.ai_act_class, 0)
    return by_class or (kept.tier is not None and (merged.tier or 0) > kept.tier)
