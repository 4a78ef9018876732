"""Agents as entities of a Backstage catalogue (backstage.io/v1alpha1): agents are Components, what they use are
Resources, business services are Systems. Pure.

Names keep Backstage's rule: at most 63 letters and digits, separated by `-`, `_` or `.`; a longer one is cut and
ends in a hash, so that it stays one name. Groups are not made: an owner names the group of the organisation's own
catalogue that bears the team's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from django.utils.text import slugify

VERSION = "backstage.io/v1alpha1"
LONGEST = 63
LIFECYCLES = {"production": "production", "deprecated": "deprecated", "retired": "deprecated"}
NOBODY = "group:default/unowned"
_NO_TAG = re.compile(r"[^a-z0-9+#:]+")


@dataclass(frozen=True)
class Shown:
    """One agent as the catalogue needs it; `needs` are (kind, name, id) of what it depends on."""

    id: str
    ref: str
    slug: str
    name: str
    purpose: str
    state: str
    tier: int | None
    team: str
    business_service: str
    repository: str
    url: str
    tags: Sequence[str] = ()
    needs: Sequence[tuple[str, str, str]] = field(default_factory=list)


def entities(agents: Iterable[Shown]) -> list[dict[str, Any]]:
    """Every entity that these agents amount to, Systems and Resources after the Components that name them."""
    shown = list(agents)
    known = {agent.id: f"component:default/{entity_name(agent.slug)}" for agent in shown}
    components = [_component(agent, known) for agent in shown]
    systems = {agent.business_service: agent.team for agent in reversed(shown) if agent.business_service}
    resources = {
        (kind, name): agent.team
        for agent in reversed(shown)
        for kind, name, _ in agent.needs
        if kind != "agent"
    }
    return [
        *components,
        *(_system(name, team) for name, team in sorted(systems.items())),
        *(_resource(kind, name, team) for (kind, name), team in sorted(resources.items())),
    ]


def entity_name(text: str) -> str:
    """The text as a name Backstage takes."""
    plain = re.sub(r"[-_.]{2,}", "-", re.sub(r"[^A-Za-z0-9._-]+", "-", text)).strip("-_.")
    if plain == text and len(plain) <= LONGEST:
        return plain
    ending = sha256(text.encode()).hexdigest()[:6]
    return f"{plain[: LONGEST - 7].strip('-_.')}-{ending}".lstrip("-")


def _component(agent: Shown, known: Mapping[str, str]) -> dict[str, Any]:
    annotations = {"chancery/agent-id": agent.id, "chancery/ref": agent.ref, "chancery/state": agent.state}
    if agent.tier:
        annotations["chancery/tier"] = str(agent.tier)
    if agent.repository:
        annotations["backstage.io/source-location"] = f"url:{agent.repository}/"
    needs = {
        known.get(key, "") if kind == "agent" else _resource_ref(kind, name)
        for kind, name, key in agent.needs
    }
    spec = {
        "type": "ai-agent", "lifecycle": LIFECYCLES.get(agent.state, "experimental"), "owner": _owner(agent.team),
        **({"system": f"system:default/{entity_name(agent.business_service)}"} if agent.business_service else {}),
        **({"dependsOn": sorted(needs - {""})} if needs - {""} else {}),
    }  # fmt: skip
    metadata = {
        "name": entity_name(agent.slug), "title": agent.name,
        **({"description": agent.purpose} if agent.purpose else {}),
        "annotations": annotations, "tags": _tags(agent.tags),
        "links": [{"url": agent.url, "title": f"{agent.ref} in Chancery", "icon": "dashboard"}],
    }  # fmt: skip
    return {"apiVersion": VERSION, "kind": "Component", "metadata": metadata, "spec": spec}


def _system(name: str, team: str) -> dict[str, Any]:
    metadata = {"name": entity_name(name), "title": name}
    return {"apiVersion": VERSION, "kind": "System", "metadata": metadata, "spec": {"owner": _owner(team)}}


def _resource(kind: str, name: str, team: str) -> dict[str, Any]:
    metadata = {"name": entity_name(f"{kind}-{name}"), "title": name}
    spec = {"type": kind.replace("_", "-"), "owner": _owner(team)}
    return {"apiVersion": VERSION, "kind": "Resource", "metadata": metadata, "spec": spec}


def _resource_ref(kind: str, name: str) -> str:
    return f"resource:default/{entity_name(f'{kind}-{name}')}"


def _owner(team: str) -> str:
    return f"group:default/{entity_name(slugify(team) or team)}" if team else NOBODY


def _tags(tags: Iterable[str]) -> list[str]:
    plain = (_NO_TAG.sub("-", tag.lower()).strip("-")[:LONGEST].strip("-") for tag in tags)
    return sorted({tag for tag in plain if tag})
