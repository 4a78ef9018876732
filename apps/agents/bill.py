"""An agent's bill of materials: what it is made of and rests on, as CycloneDX 1.6 with model cards (an ML-BOM).

The agent is the subject. Models, data sources, systems, agents and its framework are components; tools are services,
with the classes of data that flow through them. The same record gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson
from cyclonedx.model import DataClassification, DataFlow, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalContact, OrganizationalEntity
from cyclonedx.model.service import Service
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion

from apps.agents.models import (
    ASSETS,
    Agent,
    DataSource,
    ModelEndpoint,
    NodeKind,
    PredictiveModel,
    SideEffect,
    System,
    Tool,
)
from apps.agents.queries import edges_visible_to
from apps.identity.models import Principal

MEDIA_TYPE = "application/vnd.cyclonedx+json"
SERIAL_NUMBERS = uuid5(NAMESPACE_URL, "urn:chancery:bill-of-materials")
SYSTEM_TYPES = {System.Kind.PLATFORM: ComponentType.PLATFORM, System.Kind.DATABASE: ComponentType.DATA}
Part = Component | Service


@dataclass
class Bound:
    """What the edges say of one thing the agent needs: by which relations, on whose word."""

    relations: set[str] = field(default_factory=set)
    origins: set[str] = field(default_factory=set)
    granted: bool = False


def bill_of_materials(agent: Agent, *, actor: Principal) -> bytes:
    """The bill as JSON: everything the agent needs directly, as far as `actor` may know of it. At most ten queries."""
    bound = _bound(agent, actor)
    subject, version = _subject(agent)
    bom = Bom(
        serial_number=uuid5(SERIAL_NUMBERS, str(agent.pk)),
        version=agent.version,
        metadata=BomMetaData(component=subject, timestamp=agent.updated_at, supplier=_team(agent)),
    )
    parts = list(_parts(bound, actor))
    bom.components.update(part for part in parts if isinstance(part, Component))
    bom.services.update(part for part in parts if isinstance(part, Service))
    if agent.framework:
        bom.components.add(_framework(agent.framework, version))
    bom.register_dependency(subject, [*bom.components, *bom.services])
    return _with_model_cards(
        make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(), agent
    )


def _bound(agent: Agent, actor: Principal) -> dict[tuple[str, UUID], Bound]:
    found: dict[tuple[str, UUID], Bound] = {}
    for edge in edges_visible_to(actor).filter(source_id=agent.pk).order_by("target_kind", "target_id"):
        one = found.setdefault((edge.target_kind, edge.target_id), Bound())
        one.relations.add(edge.relation)
        one.origins.add(edge.origin)
    for tool_id in agent.grants.active().values_list("tool_id", flat=True):
        found.setdefault((NodeKind.TOOL, tool_id), Bound()).granted = True
    return found


def _subject(agent: Agent) -> tuple[Component, str]:
    """The agent, and the version of its framework ('' when nobody said)."""
    latest = agent.versions.first()
    told = {
        "ref": agent.ref, "state": agent.state, "tier": agent.tier, "ai_act_class": agent.ai_act_class,
        "environment": agent.environment, "oversight_level": agent.oversight_level,
        "certified_until": agent.certified_until.isoformat() if agent.certified_until else "",
        "fingerprint": latest.fingerprint if latest else "", "prompt_hash": latest.prompt_hash if latest else "",
        "commit": latest.commit if latest else "", "repository": agent.repository,
    }  # fmt: skip
    people = [OrganizationalContact(name=person.name) for person in (agent.owner, agent.deputy) if person]
    component = Component(
        name=agent.name,
        type=ComponentType.APPLICATION,
        bom_ref=f"agent:{agent.pk}",
        version=str(latest) if latest else f"record {agent.version}",
        description=agent.purpose or None,
        authors=people,
        tags=agent.tags,
        properties=_properties(told),
    )
    return component, latest.framework_version if latest else ""


def _team(agent: Agent) -> OrganizationalEntity | None:
    return OrganizationalEntity(name=agent.team.name) if agent.team else None


def _framework(name: str, version: str) -> Component:
    return Component(
        name=name, type=ComponentType.FRAMEWORK, bom_ref=f"framework:{name}", version=version or None
    )


def _parts(bound: dict[tuple[str, UUID], Bound], actor: Principal) -> Iterator[Part]:
    """One query for each kind there is."""
    kinds: dict[str, list[UUID]] = {}
    for kind, pk in bound:
        kinds.setdefault(kind, []).append(pk)
    for kind, ids in kinds.items():
        rows = (
            Agent.objects.visible_to(actor)
            if kind == NodeKind.AGENT
            else ASSETS[kind].objects.visible_to(actor)
        )
        for thing in rows.filter(pk__in=ids).order_by("pk"):
            yield _PARTS[type(thing)](thing, f"{kind}:{thing.pk}", bound[kind, thing.pk])


def _tool(tool: Tool, ref: str, bound: Bound) -> Part:
    flow = DataFlow.INBOUND if tool.side_effect == SideEffect.READ else DataFlow.BI_DIRECTIONAL
    told = {
        "kind": tool.kind, "side_effect": tool.side_effect, "schema_hash": tool.schema_hash,
        "granted": "true" if bound.granted else "false",
    }  # fmt: skip
    return Service(
        name=tool.name,
        bom_ref=ref,
        group=tool.server or None,
        description=tool.description or None,
        data=[DataClassification(flow=flow, classification=one) for one in tool.data_classes],
        x_trust_boundary=True if tool.side_effect == SideEffect.EXTERNAL else None,
        properties=_properties(told, bound),
    )


def _model(model: ModelEndpoint, ref: str, bound: Bound) -> Part:
    told = {
        "region": model.region,
        "deprecated_on": model.deprecated_on.isoformat() if model.deprecated_on else "",
    }
    return Component(
        name=model.model,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=ref,
        version=model.snapshot or None,
        supplier=OrganizationalEntity(name=model.provider) if model.provider else None,
        description=model.description or None,
        properties=_properties(told, bound),
    )


def _predictive(model: PredictiveModel, ref: str, bound: Bound) -> Part:
    told = {
        "registry_url": model.registry_url,
        "metrics_url": model.metrics_url,
        "drift_status": model.drift_status,
    }
    return Component(
        name=model.name, type=ComponentType.MACHINE_LEARNING_MODEL, bom_ref=ref, version=model.release or None,
        description=model.description or None, properties=_properties(told, bound),
    )  # fmt: skip


def _data(source: DataSource, ref: str, bound: Bound) -> Part:
    told = {"data_class": source.data_class, "region": source.region}
    return Component(
        name=source.name, type=ComponentType.DATA, bom_ref=ref, description=source.description or None,
        properties=_properties(told, bound),
    )  # fmt: skip


def _system(system: System, ref: str, bound: Bound) -> Part:
    told = {"kind": system.kind, "region": system.region, "criticality": system.criticality}
    return Component(
        name=system.name, type=SYSTEM_TYPES.get(System.Kind(system.kind), ComponentType.APPLICATION), bom_ref=ref,
        description=system.description or None, properties=_properties(told, bound),
    )  # fmt: skip


def _agent(agent: Agent, ref: str, bound: Bound) -> Part:
    told = {"ref": agent.ref, "state": agent.state, "tier": agent.tier}
    return Component(
        name=agent.name, type=ComponentType.APPLICATION, bom_ref=ref, description=agent.purpose or None,
        properties=_properties(told, bound),
    )  # fmt: skip


_PARTS: dict[type[Any], Any] = {
    Tool: _tool, ModelEndpoint: _model, PredictiveModel: _predictive, DataSource: _data, System: _system,
    Agent: _agent,
}  # fmt: skip


def _properties(told: dict[str, Any], bound: Bound | None = None) -> list[Property]:
    """What CycloneDX has no field for, under our own name; without what nobody said."""
    if bound is not None:
        told = told | {
            "relations": ",".join(sorted(bound.relations)),
            "origins": ",".join(sorted(bound.origins)),
        }
    return [
        Property(name=f"chancery:{name}", value=str(value))
        for name, value in told.items()
        if value not in (None, "")
    ]


def _with_model_cards(bill: str, agent: Agent) -> bytes:
    """CycloneDX's library writes no model cards: each model gets the use it is put to here."""
    told = orjson.loads(bill)
    considerations = {
        "users": [agent.users_served] if agent.users_served else [],
        "useCases": [agent.purpose] if agent.purpose else [],
    }
    for component in told.get("components", []):
        if component["type"] == ComponentType.MACHINE_LEARNING_MODEL.value:
            component["modelCard"] = {"considerations": {k: v for k, v in considerations.items() if v}}
    return orjson.dumps(told, option=orjson.OPT_INDENT_2)
