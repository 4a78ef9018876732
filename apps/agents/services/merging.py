"""Merging records that are one agent, and taking a merge back.

What the duplicate is recognised by, what it was seen to use, what depends on it and the candidates linked to it
follow to the kept record. Its calls, certifications and ledger entries stay under its own key, which lives on as
history. Its grants end: nobody gains leave to do more by a merge. `AgentMerge.moved` holds what followed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.agents.access import require_for
from apps.agents.models import (
    Agent,
    AgentAlias,
    AgentMerge,
    Candidate,
    Dependency,
    ObservedModel,
    ObservedTool,
)
from apps.agents.services.grants import end_grants
from apps.agents.services.indexing import index_words
from apps.agents.services.merge_guard import require_nothing_escapes
from apps.agents.services.registry import lock_agents, require_on_record
from apps.agents.services.risk import hold_policy, move_under, refresh_risk
from apps.agents.signals import agent_changed
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, InvalidInput

UNDO_FOR = timedelta(days=1)
EDGE_KEY = ("source_id", "target_id", "relation", "origin")
EDGE_REST = ("source_kind", "target_kind", "stated_by_id", "calls", "first_seen", "last_seen")
USES: dict[str, tuple[type[ObservedTool] | type[ObservedModel], tuple[str, ...]]] = {
    "tools": (ObservedTool, ("tool_name", "mcp_server")),
    "models": (ObservedModel, ("provider", "model")),
}


@transaction.atomic
def merge_agents(kept: Agent, merged: Agent, *, actor: Principal, reason: str) -> AgentMerge:
    """Make `merged` part of `kept`. Raises InvalidInput without a reason, Conflict when either is merged already."""
    locked = {agent.pk: agent for agent in lock_agents([kept.pk, merged.pk])}
    kept, merged = locked[kept.pk], locked[merged.pk]
    for agent in (kept, merged):
        require_for(actor, Permission.AGENTS_CURATE, agent)
    _require_mergeable(kept, merged, reason)
    require_nothing_escapes(kept, merged, actor=actor)
    moved = {
        "aliases": _follow(AgentAlias, merged, kept),
        "candidates": _follow(Candidate, merged, kept),
        "dependencies": _move_edges(merged, kept),
        **{name: _add_uses(name, merged, kept) for name in USES},
    }
    if merged.grants.active().exists():
        require_for(actor, Permission.POLICY_EDIT, merged)
    end_grants(merged, reason=f"Merged into {kept.ref}: {reason}", actor=actor)
    merged.merged_into = kept
    _save(merged, "merged_into")
    _take_times(kept, merged)
    merge = AgentMerge.objects.create(kept=kept, merged=merged, actor=actor, reason=reason, moved=moved)
    for agent, other, action in ((kept, merged, "absorbed"), (merged, kept, "merged")):
        detail = {"ref": other.ref, "name": other.name}
        record_act(
            f"agents.agent.{action}", actor=actor, target=("agent", agent.pk), reason=reason, detail=detail
        )
    index_words([kept])
    refresh_risk([kept], actor=actor)
    agent_changed.send(sender=Agent, agent=kept, actor=actor, fields={"merged_from"})
    return merge


@transaction.atomic
def undo_merge(merge: AgentMerge, *, actor: Principal) -> AgentMerge:
    """Give the duplicate back what followed to the kept record. Possible for a day; grants stay ended."""
    merge = AgentMerge.objects.select_for_update().get(pk=merge.pk)
    locked = {agent.pk: agent for agent in lock_agents([merge.kept_id, merge.merged_id])}
    kept, merged = locked[merge.kept_id], locked[merge.merged_id]
    for agent in (kept, merged):
        require_for(actor, Permission.AGENTS_CURATE, agent)
    if not may_undo_merge(merge):
        raise Conflict("This merge can no longer be undone.", code="agents.merge.cannot_be_undone")
    AgentAlias.objects.filter(pk__in=merge.moved.get("aliases", ())).update(agent=merged)
    Candidate.objects.filter(pk__in=merge.moved.get("candidates", ())).update(agent=merged)
    for name in USES:
        _take_uses_back(name, merge.moved.get(name, []), kept)
    _move_edges_back(merge.moved.get("dependencies", []))
    merged.merged_into = None
    _save(merged, "merged_into")
    merge.undone_at, merge.undone_by = timezone.now(), actor
    merge.save(update_fields=["undone_at", "undone_by"])
    for agent, other in ((kept, merged), (merged, kept)):
        detail = {"ref": other.ref, "name": other.name}
        record_act("agents.agent.unmerged", actor=actor, target=("agent", agent.pk), detail=detail)
    index_words([kept, merged])
    _judge_again(kept, merged, actor)
    agent_changed.send(sender=Agent, agent=merged, actor=actor, fields={"merged_into"})
    return merge


def _judge_again(kept: Agent, merged: Agent, actor: Principal) -> None:
    """By what each of them shows now; the duplicate by the policy that came to stand while it was off the record too."""
    policy = hold_policy()
    if merged.risk_policy_id != policy.pk:
        move_under([merged], policy, actor=actor)
    refresh_risk(sorted((kept, merged), key=lambda agent: agent.pk), actor=actor)


def may_undo_merge(merge: AgentMerge) -> bool:
    return merge.undone_at is None and timezone.now() - merge.merged_at < UNDO_FOR


def _require_mergeable(kept: Agent, merged: Agent, reason: str) -> None:
    if kept.pk == merged.pk:
        raise InvalidInput("Nothing was merged.", fields={"merged": "Choose two different agents"})
    if not reason.strip():
        raise InvalidInput("Nothing was merged.", fields={"reason": "Say why these are one agent"})
    for agent in (kept, merged):
        if agent.merged_into_id:
            raise Conflict(f"{agent.name} was merged already.", code="agents.agent.merged_already")
        require_on_record(agent)
    if merged.merges.filter(undone_at=None).exists():
        raise Conflict(
            f"Others were merged into {merged.name}. Merge {kept.name} into it instead.",
            code="agents.agent.holds_merged",
        )


def _follow(model: type[AgentAlias] | type[Candidate], merged: Agent, kept: Agent) -> list[Any]:
    rows = model._default_manager.filter(agent=merged)
    ids = [pk if isinstance(pk, int) else str(pk) for pk in rows.values_list("pk", flat=True)]
    rows.update(agent=kept)
    return ids


def _add_uses(name: str, merged: Agent, kept: Agent) -> list[dict[str, Any]]:
    """Count the duplicate's uses with the kept one's, so that no tool it used counts as never seen."""
    model, keys = USES[name]
    told = []
    for use in model._default_manager.filter(agent=merged).order_by("pk"):
        key = {column: getattr(use, column) for column in keys}
        own, created = model._default_manager.get_or_create(
            agent=kept, **key, defaults={"calls": 0, "first_seen": use.first_seen, "last_seen": use.last_seen}
        )
        model._default_manager.filter(pk=own.pk).update(
            calls=F("calls") + use.calls,
            first_seen=min(own.first_seen, use.first_seen),
            last_seen=max(own.last_seen, use.last_seen),
        )
        told.append({**key, "calls": use.calls, "created": created})
    return told


def _take_uses_back(name: str, told: list[dict[str, Any]], kept: Agent) -> None:
    model, keys = USES[name]
    for one in told:
        rows = model._default_manager.filter(agent=kept, **{column: one[column] for column in keys})
        rows.update(calls=F("calls") - one["calls"])
        if one["created"]:
            rows.filter(calls__lte=0).delete()


def _move_edges(merged: Agent, kept: Agent) -> list[dict[str, Any]]:
    """The duplicate's edges become the kept one's; where it has the same edge, their calls are added."""
    told = []
    for end in ("source_id", "target_id"):
        for edge in Dependency.objects.filter(**{end: merged.pk}).order_by("pk"):
            row = _row(edge)
            edge.delete()
            setattr(edge, end, kept.pk)
            row["became"] = _add_edge(edge) if edge.source_id != edge.target_id else None
            told.append(row)
    return told


def _add_edge(edge: Dependency) -> dict[str, Any]:
    """Add the edge, or its calls to the same edge there is; returns its key and whether it is new."""
    key = {name: getattr(edge, name) for name in EDGE_KEY}
    rest = {name: getattr(edge, name) for name in EDGE_REST}
    own, created = Dependency.objects.get_or_create(**key, defaults=rest)
    if not created:
        Dependency.objects.filter(pk=own.pk).update(
            calls=F("calls") + edge.calls,
            first_seen=min(own.first_seen, edge.first_seen),
            last_seen=max(own.last_seen, edge.last_seen),
        )
    return {name: str(value) for name, value in key.items()} | {"created": created}


def _move_edges_back(told: list[dict[str, Any]]) -> None:
    for row in told:
        became = row["became"]
        if became:
            rows = Dependency.objects.filter(**{name: became[name] for name in EDGE_KEY})
            rows.update(calls=F("calls") - row["calls"])
            if became["created"]:
                rows.filter(calls__lte=0).delete()
        times = {name: datetime.fromisoformat(row[name]) for name in ("first_seen", "last_seen")}
        rest = {name: row[name] for name in EDGE_REST if name not in times} | times
        Dependency.objects.get_or_create(**{name: row[name] for name in EDGE_KEY}, defaults=rest)


def _row(edge: Dependency) -> dict[str, Any]:
    return {
        "source_kind": edge.source_kind,
        "source_id": str(edge.source_id),
        "target_kind": edge.target_kind,
        "target_id": str(edge.target_id),
        "relation": edge.relation,
        "origin": edge.origin,
        "stated_by_id": str(edge.stated_by_id) if edge.stated_by_id else None,
        "calls": edge.calls,
        "first_seen": edge.first_seen.isoformat(),
        "last_seen": edge.last_seen.isoformat(),
    }


def _take_times(kept: Agent, merged: Agent) -> None:
    """The kept one was seen when the duplicate was."""
    firsts = [one for one in (kept.first_seen, merged.first_seen) if one]
    lasts = [one for one in (kept.last_seen, merged.last_seen) if one]
    kept.first_seen, kept.last_seen = min(firsts, default=None), max(lasts, default=None)
    _save(kept, "first_seen", "last_seen")


def _save(agent: Agent, *columns: str) -> None:
    agent.version += 1
    agent.save(update_fields=[*columns, "version", "updated_at"])
