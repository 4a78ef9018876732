"""Definitions of tools as the gateway sees them: pinned, held back when they change, judged by a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.agents.models import Tool
from apps.agents.versions import hash_of
from apps.identity.access import require
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict, InvalidInput, require_reason
from apps.oversight.gateway.definitions import (
    NotCanonical,
    changed_parts,
    digest_of,
    hides_something,
    pinned_part,
)
from apps.oversight.models import McpUpstream, ToolDefinition
from apps.oversight.signals import definition_held, definition_judged

State = ToolDefinition.State
MOST_TOOLS = 1000
LONGEST_NAME = 255
UNSEEN = "characters that are not seen"


@transaction.atomic
def note_sighting(
    upstream: McpUpstream, tools: Iterable[Mapping[str, Any]], *, actor: Principal
) -> McpUpstream:
    """What a gateway saw a server offer. The first definition of a tool is pinned, one that differs is held back.

    A first one that hides characters is held back as well. One that was replaced or refused is not new: the first is held again,
    the second stays refused. Two queries where nothing is new, and one write.
    """
    require(actor, Permission.GATEWAY_RUN)
    seen = _by_digest(tools)
    upstream = McpUpstream.objects.select_for_update(of=("self",)).get(
        pk=upstream.pk
    )  # one sighting at a time
    rows = ToolDefinition.objects.select_related("tool").filter(upstream=upstream)
    known: dict[str, list[ToolDefinition]] = {}
    for row in rows:
        known.setdefault(row.tool.name, []).append(row)
    now = timezone.now()
    pinned = [
        name for (name, digest), part in seen.items() if _settle(upstream, name, digest, part, known, actor)
    ]
    ids = [row.pk for held in known.values() for row in held if (row.tool.name, row.digest) in seen]
    ToolDefinition.objects.filter(pk__in=ids).update(last_seen_at=now)
    upstream.last_seen_at = now
    upstream.save(update_fields=["last_seen_at"])
    if pinned:
        detail = {"name": upstream.name, "tools": sorted(pinned), "count": len(pinned)}
        _record("pinned", upstream, actor, detail)
    return upstream


@transaction.atomic
def note_failure(upstream: McpUpstream, error: str, *, actor: Principal) -> None:
    """The server did not answer, or not as it should."""
    require(actor, Permission.GATEWAY_RUN)
    now = timezone.now()
    McpUpstream.objects.filter(pk=upstream.pk).update(last_error=error[:300], last_error_at=now)


@transaction.atomic
def approve_definition(definition: ToolDefinition, *, actor: Principal, reason: str) -> ToolDefinition:
    """Let the tool be offered with this definition from now on; the one in force before is replaced."""
    definition = _judged(definition, actor, reason)
    in_force = ToolDefinition.objects.filter(_of(definition), state__in=ToolDefinition.IN_FORCE)
    in_force.update(state=State.CHANGED, changed_at=timezone.now())
    _judge(definition, State.APPROVED, actor, reason)
    Tool.objects.filter(pk=definition.tool_id).update(**_schema_of(definition.definition))
    _record("approved", definition.upstream, actor, _told(definition), reason.strip())
    definition_judged.send(sender=ToolDefinition, definition=definition, actor=actor)
    return definition


@transaction.atomic
def refuse_definition(definition: ToolDefinition, *, actor: Principal, reason: str) -> ToolDefinition:
    """Turn it down: the tool stays held back for as long as the server offers it so."""
    definition = _judged(definition, actor, reason)
    _judge(definition, State.REFUSED, actor, reason)
    _record("refused", definition.upstream, actor, _told(definition), reason.strip())
    definition_judged.send(sender=ToolDefinition, definition=definition, actor=actor)
    return definition


def _judged(definition: ToolDefinition, actor: Principal, reason: str) -> ToolDefinition:
    upstream = McpUpstream.objects.select_for_update(of=("self",)).get(pk=definition.upstream_id)
    require(actor, Permission.POLICY_EDIT, upstream.team_id)
    require_reason(reason, "Say why; it goes into the ledger")
    definition = ToolDefinition.objects.select_related("tool").get(pk=definition.pk)
    definition.upstream = upstream
    if definition.state not in ToolDefinition.IN_THE_WAY:
        raise Conflict("This definition waits for nobody.", code="oversight.definition.not_held")
    return definition


def _judge(definition: ToolDefinition, state: str, actor: Principal, reason: str) -> None:
    now = timezone.now()
    definition.state, definition.changed_at = state, now
    definition.reviewed_by, definition.reviewed_at, definition.review_reason = actor, now, reason.strip()
    definition.save()


def _settle(
    upstream: McpUpstream,
    name: str,
    digest: str,
    part: dict[str, Any],
    known: dict[str, list[ToolDefinition]],
    actor: Principal,
) -> bool:
    """What becomes of one definition that was seen; True when it is pinned now."""
    rows = known.get(name, [])
    same = next((row for row in rows if row.digest == digest), None)
    in_force = next((row for row in rows if row.state in ToolDefinition.IN_FORCE), None)
    if same is in_force and same is not None:
        _forget_refused(rows)
        return False
    if same is not None and same.state in ToolDefinition.IN_THE_WAY:
        return False
    reasons = [UNSEEN] if hides_something(part) else []
    if in_force is not None:
        reasons = changed_parts(in_force.definition, part) + reasons
    row = same or ToolDefinition(upstream=upstream, tool=_tool_of(upstream, name, part), digest=digest)
    row.definition, row.reasons, row.changed_at = part, reasons, timezone.now()
    row.state = State.HELD if reasons or rows else State.PINNED
    row.save()
    if row.state == State.HELD:
        _record("held", upstream, actor, _told(row) | {"why": reasons})
        definition_held.send(sender=ToolDefinition, definition=row)
    return row.state == State.PINNED


def _forget_refused(rows: Sequence[ToolDefinition]) -> None:
    """The server offers what is in force again: what was refused is in nobody's way any longer."""
    ids = [row.pk for row in rows if row.state == State.REFUSED]
    if ids:
        rows_now = ToolDefinition.objects.filter(pk__in=ids)
        rows_now.update(state=State.CHANGED, changed_at=timezone.now())


def _by_digest(tools: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    seen = {}
    for tool in tools:
        try:
            part = pinned_part(tool)
            seen[(part["name"], digest_of(tool))] = part
        except NotCanonical as error:
            words = f"A definition has no canonical form: {error}"
            raise InvalidInput("The sighting was not noted.", fields={"tools": words}) from error
    if len(seen) > MOST_TOOLS or any(not 0 < len(name) <= LONGEST_NAME for name, _ in seen):
        words = f"At most {MOST_TOOLS} tools with names of at most {LONGEST_NAME} characters"
        raise InvalidInput("The sighting was not noted.", fields={"tools": words})
    return seen


def _tool_of(upstream: McpUpstream, name: str, part: Mapping[str, Any]) -> Tool:
    """The tool in the catalogue; put there where traffic did not."""
    more = {"kind": Tool.Kind.MCP, "team": upstream.team, "description": str(part.get("description") or "")}
    tool, _ = Tool.objects.get_or_create(name=name, server=upstream.slug, defaults=more | _schema_of(part))
    return tool


def _schema_of(part: Mapping[str, Any]) -> dict[str, Any]:
    schema = part.get("inputSchema")
    return {"schema": schema, "schema_hash": hash_of(schema) if schema else ""}


def _of(definition: ToolDefinition) -> Q:
    return Q(upstream=definition.upstream_id, tool=definition.tool_id)


def _told(definition: ToolDefinition) -> dict[str, Any]:
    return {
        "name": definition.upstream.name,
        "tool": str(definition.tool),
        "digest": definition.digest,
        "definition": str(definition.pk),
    }


def _record(
    verb: str, upstream: McpUpstream, actor: Principal, detail: Mapping[str, Any], reason: str = ""
) -> None:
    target = ("mcp_upstream", upstream.pk)
    record_act(f"oversight.definition.{verb}", actor=actor, target=target, reason=reason, detail=detail)
