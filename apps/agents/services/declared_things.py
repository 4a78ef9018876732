"""What a declared agent uses: tools and leave to use them, models, data sources, other agents, systems.

Tools and models that the catalogue does not hold are put into it by their natural key, as traffic does. Data
sources, systems and predictive models must be on record: their class and owner are a curator's to state.

Leave to use a tool is given where the actor edits tool policies; otherwise it stays asked for. A person's word
on a grant (another grant, or one taken back) stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.db.models import Q
from django.utils.dateparse import parse_datetime

from apps.agents.access import may
from apps.agents.models import (
    Agent,
    DataSource,
    Declaration,
    Dependency,
    ModelEndpoint,
    NodeKind,
    Origin,
    PredictiveModel,
    System,
    Tool,
    ToolGrant,
)
from apps.agents.services.declared_record import Line
from apps.agents.services.grants import REPLACED, GrantRequest, give_grant, grant_tool
from apps.agents.services.registry import lock_agent
from apps.agents.services.risk import refresh_risk
from apps.agents.toolnames import tool_named
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import Act, record_acts
from apps.kit.errors import InvalidInput, NotFound

Relation = Dependency.Relation
DECLARED_IN = "Declared in "


class PlaceLike(Protocol):
    @property
    def path(self) -> str: ...
    @property
    def repository(self) -> str: ...


@dataclass(frozen=True)
class Used:
    """One thing an agent is declared to use; `grant` is what a tool's entry asks for, None for nothing."""

    pointer: str
    kind: str
    thing: Any
    relation: str
    grant: Mapping[str, Any] | None = field(default=None)


def state_things(
    agent: Agent, said: Mapping[str, Any], place: PlaceLike, now: datetime, *, actor: Principal
) -> list[Line]:
    """Put what the file says the agent uses on the map, and give the leave it asks for; a line for each.

    The row is locked; where anything was written, its facts are read again, once.
    """
    agent = lock_agent(agent)
    everything = list(_used(agent, said, actor))
    new = _on_the_map(agent, everything, now, actor)
    lines = []
    for used in everything:
        lines.append(_line(used, new))
        if used.grant is not None:
            lines.append(grant_asked(agent, used, place, actor=actor))
    if any(line.status == "set" for line in lines):
        refresh_risk([agent], actor=actor)
    return lines + _left(agent, now)


def grant_declared(agent: Agent, at: int, *, actor: Principal) -> ToolGrant:
    """Give the leave that entry `at` of the declared tools asks for: a person's answer to what a pipeline may not do."""
    declaration = Declaration.objects.filter(agent=agent, withdrawn_at=None).first()
    entries = declaration.body.get("tools", []) if declaration else []
    asked = grant_in(entries[at]) if at < len(entries) else None
    if declaration is None or asked is None:
        raise NotFound("The declaration asks for no such leave any more.")
    name, server = tool_of(entries[at])
    return grant_tool(
        agent, _request(Tool.objects.get(name=name, server=server), asked, declaration), actor=actor
    )


def tool_of(entry: Any) -> tuple[str, str]:
    """(name, server) of an entry of `tools`."""
    told = {"name": entry} if isinstance(entry, str) else entry
    named = tool_named(told["name"], told.get("server", ""))
    return named.tool, named.server


def grant_in(entry: Any) -> Mapping[str, Any] | None:
    """What an entry of `tools` asks leave for; None where it asks for none."""
    asked = entry.get("grant") if isinstance(entry, dict) else None
    return ({} if asked is True else asked) if asked not in (None, False) else None


def grant_asked(agent: Agent, used: Used, place: PlaceLike, *, actor: Principal) -> Line:
    """Give a locked agent the leave a declaration asks for, where it may be given and no person said otherwise."""
    asked = _request(used.thing, used.grant or {}, place)
    pointer, label = f"{used.pointer}/grant", f"Leave to use {used.thing}"
    why = _why_not(agent, asked, actor)
    if why is None:
        return Line(pointer, label, "unchanged")
    if why:
        return Line(pointer, label, "kept_back", why=why)
    give_grant(agent, asked, actor=actor)
    return Line(pointer, label, "set", after=", ".join(asked.operations) or "every operation")


def _why_not(agent: Agent, asked: GrantRequest, actor: Principal) -> str | None:
    """Why the leave is not given now: '' when it is to be given, None when it stands already."""
    last = ToolGrant.objects.filter(agent=agent, tool=asked.tool).order_by("-granted_at").first()
    stands = last is not None and last.revoked_at is None
    if last and stands and _same(last, asked):
        return None
    if last and stands and not last.reason.startswith(DECLARED_IN):
        return f"{last.granted_by} granted it otherwise"
    if last and last.revoked_at and last.revoke_reason != REPLACED:
        return f"{last.revoked_by} took it back: {last.revoke_reason}"
    return (
        ""
        if may(actor, Permission.POLICY_EDIT, agent)
        else "Asked for: somebody who edits tool policies gives it"
    )


def _same(grant: ToolGrant, asked: GrantRequest) -> bool:
    wanted = (sorted(set(asked.operations)), dict(asked.constraints), asked.expires_at)
    return (grant.operations, grant.constraints, grant.expires_at) == wanted


def _request(tool: Tool, asked: Mapping[str, Any], place: PlaceLike) -> GrantRequest:
    reason = f"{DECLARED_IN}{place.path} of {place.repository}"
    told = asked.get("reason")
    return GrantRequest(
        tool,
        f"{reason}: {told}" if told else reason,
        sorted(set(asked.get("operations", []))),
        dict(asked.get("constraints", {})),
        _moment(asked["expires_at"]) if "expires_at" in asked else None,
    )


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput("This is no time.", fields={"tools": "Enter times such as 2026-03-01T00:00:00Z"})
    return moment


def _on_the_map(agent: Agent, used: Sequence[Used], now: datetime, actor: Principal) -> set[tuple[UUID, str]]:
    """Write the edges of these uses, and that they were said now; returns (target, relation) of the new ones."""
    edges = Dependency.objects.filter(source_id=agent.pk, origin=Origin.DECLARED)
    known = set(edges.values_list("target_id", "relation"))
    new = {
        (one.thing.pk, str(one.relation)): one
        for one in used
        if (one.thing.pk, str(one.relation)) not in known
    }
    Dependency.objects.bulk_create(
        [
            Dependency(
                source_kind=NodeKind.AGENT, source_id=agent.pk, target_kind=one.kind, target_id=one.thing.pk,
                relation=one.relation, origin=Origin.DECLARED, stated_by=actor, first_seen=now, last_seen=now,
            )
            for one in new.values()
        ]
    )  # fmt: skip
    said = Q(pk=None)
    for one in used:
        said |= Q(target_id=one.thing.pk, relation=one.relation)
    edges.filter(said).update(last_seen=now)
    record_acts([_stated(agent, one, actor) for one in new.values()])
    return set(new)


def _stated(agent: Agent, used: Used, actor: Principal) -> Act:
    detail = {
        "target": f"{NodeKind(used.kind).label.lower()} {used.thing}", "target_id": str(used.thing.pk),
        "relation": Relation(used.relation).label, "origin": Origin.DECLARED.value,
    }  # fmt: skip
    return Act("agents.dependency.stated", actor, ("agent", agent.pk), detail=detail)


def _line(used: Used, new: set[tuple[UUID, str]]) -> Line:
    label = f"{NodeKind(used.kind).label} {used.thing}"
    if (used.thing.pk, str(used.relation)) not in new:
        return Line(used.pointer, label, "unchanged")
    return Line(used.pointer, label, "set", after=Relation(used.relation).label)


def _left(agent: Agent, now: datetime) -> list[Line]:
    """What the agent was declared to use before and is not any more: it stays, and is told."""
    earlier = Dependency.objects.filter(source_id=agent.pk, origin=Origin.DECLARED, last_seen__lt=now)
    return [Line("", f"{NodeKind(edge.target_kind).label} {target_of(edge)}", "left") for edge in earlier]


def target_of(edge: Dependency) -> Any:
    """What stands at the far end of a declared edge; its id where that is gone."""
    found: Any = _MODELS[edge.target_kind]._default_manager.filter(pk=edge.target_id).first()
    return found or edge.target_id


def _used(agent: Agent, said: Mapping[str, Any], actor: Principal) -> Iterator[Used]:
    for at, entry in enumerate(said.get("tools", ())):
        name, server = tool_of(entry)
        kind = Tool.Kind.MCP if server else Tool.Kind.OTHER
        tool, _ = Tool.objects.get_or_create(name=name, server=server, defaults={"kind": kind})
        yield Used(f"tools/{at}", NodeKind.TOOL, tool, Relation.CALLS, grant_in(entry))
    for at, entry in enumerate(said.get("models", ())):
        key = {"provider": "", "snapshot": "", "region": ""} | (
            {"model": entry} if isinstance(entry, str) else entry
        )
        model, _ = ModelEndpoint.objects.get_or_create(**key)
        yield Used(f"models/{at}", NodeKind.MODEL, model, Relation.CALLS)
    for at, entry in enumerate(said.get("data_sources", ())):
        told = {"name": entry} if isinstance(entry, str) else entry
        source = _on_record(DataSource, told["name"], f"data_sources/{at}")
        yield Used(f"data_sources/{at}", NodeKind.DATA_SOURCE, source, told.get("access", Relation.READS))
    for at, entry in enumerate(said.get("depends_on", ())):
        yield _depended(agent, entry, f"depends_on/{at}", actor)


def _depended(agent: Agent, entry: Mapping[str, str], pointer: str, actor: Principal) -> Used:
    kinds = entry.keys() - {"relation"}
    if len(kinds) != 1:
        raise InvalidInput(
            "This is not clear.", fields={pointer: "Name one agent, system or predictive model"}
        )
    (kind,) = kinds
    if kind != "agent":
        return Used(pointer, kind, _on_record(_MODELS[kind], entry[kind], f"{pointer}/{kind}"), entry.get("relation", Relation.CALLS))  # fmt: skip
    known = Agent.objects.visible_to(actor) | Agent.objects.visible_to(actor, Permission.AGENTS_DECLARE)
    slug = entry["agent"]  # of a record that was merged: the one it is part of
    other = known.on_record().filter(Q(slug=slug) | Q(merged_from__slug=slug)).first()
    if other is None or other.pk == agent.pk:
        words = "Nothing depends on itself" if other else f"There is no agent with the slug {entry['agent']}"
        raise InvalidInput("This cannot be stated.", fields={f"{pointer}/agent": words})
    return Used(pointer, NodeKind.AGENT, other, entry.get("relation", Relation.DELEGATES))


def _on_record(model: Any, name: str, pointer: str) -> Any:
    found = model.objects.filter(name=name).first()
    if found is None:
        words = f"The catalogue has no {model._meta.verbose_name} {name}: a curator puts it on record"
        raise InvalidInput("This is not on record.", fields={pointer: words})
    return found


_MODELS: Mapping[str, Any] = {
    "agent": Agent, "tool": Tool, "model": ModelEndpoint, "predictive_model": PredictiveModel,
    "data_source": DataSource, "system": System,
}  # fmt: skip
