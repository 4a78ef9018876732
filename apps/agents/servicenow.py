"""Agents as configuration items of ServiceNow: bodies of the Identification and Reconciliation API, and its answers.

Pure. Each item carries its natural key twice: as the native key of its source (`sys_object_source_info`, by which
the engine finds what this source made before) and as `correlation_id`. Sending the same again changes nothing.
Source: ServiceNow, "Identification and Reconciliation API", POST /now/identifyreconcile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import orjson

PATH = "/api/now/identifyreconcile"
DEPENDS_ON = "Depends on::Used by"
OPERATIONAL, NOT_OPERATIONAL, RETIRED = "1", "2", "6"  # choices of cmdb_ci.operational_status
STATUS = {"production": OPERATIONAL, "staging": OPERATIONAL, "retired": RETIRED}
LONGEST_TEXT = 1000


@dataclass(frozen=True)
class Told:
    """One agent as it is told. `facts` go into the item's attributes and key values; `needs` are ids of agents."""

    id: str
    ref: str
    name: str
    purpose: str
    state: str
    environment: str
    facts: dict[str, str] = field(default_factory=dict)
    needs: Sequence[str] = ()


@dataclass(frozen=True)
class ItemResult:
    """What became of one item: INSERT, UPDATE, NO_CHANGE or another word of the engine; `error` '' when it was taken."""

    operation: str
    sys_id: str
    error: str


def address(base: str, data_source: str) -> str:
    return f"{base.rstrip('/')}{PATH}?sysparm_data_source={quote(data_source, safe='')}"


def body(agents: Sequence[Told], *, class_name: str, data_source: str) -> dict[str, Any]:
    """The body for these agents, in their order; relations join those that are in it."""
    at = {agent.id: index for index, agent in enumerate(agents)}
    relations = [
        {"parent": at[agent.id], "child": at[other], "type": DEPENDS_ON}
        for agent in agents
        for other in sorted(agent.needs)
        if other in at
    ]
    return {"items": [_item(agent, class_name, data_source) for agent in agents], "relations": relations}


def digest(agent: Told, class_name: str, data_source: str) -> str:
    """A hash of all that is said of one agent: the same as last time need not be sent."""
    told = {"item": _item(agent, class_name, data_source), "needs": sorted(agent.needs)}
    return sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()


def results(answer: Any, count: int) -> list[ItemResult]:
    """One for each item sent; ValueError when this is no answer of the engine."""
    told = answer.get("result") if isinstance(answer, dict) else None
    items = told.get("items") if isinstance(told, dict) else None
    if (
        not isinstance(items, list)
        or len(items) != count
        or not all(isinstance(item, dict) for item in items)
    ):
        raise ValueError("This is no answer of the Identification and Reconciliation API")
    return [_result(item) for item in items]


def _item(agent: Told, class_name: str, data_source: str) -> dict[str, Any]:
    facts = {"ref": agent.ref, "state": agent.state} | {
        key: value for key, value in agent.facts.items() if value
    }
    placed = {"environment": agent.environment.capitalize()} if agent.environment else {}
    return {
        "className": class_name,
        "values": placed | {
            "name": agent.name,
            "short_description": agent.purpose[:LONGEST_TEXT],
            "correlation_id": agent.id,
            "operational_status": STATUS.get(agent.state, NOT_OPERATIONAL),
            "attributes": "; ".join(f"{key}={value}" for key, value in sorted(facts.items())),
        },
        "lookup": [],
        "related": [
            {"className": "cmdb_key_value", "values": {"key": f"chancery.{key}", "value": value}}
            for key, value in sorted(facts.items())
        ],
        "sys_object_source_info": {
            "source_name": data_source, "source_feed": "Agents", "source_native_key": agent.id,
        },
    }  # fmt: skip


def _result(item: dict[str, Any]) -> ItemResult:
    told = item.get("errors")
    errors = told if isinstance(told, list) else []
    words = "; ".join(str(one.get("message") or one.get("error")) for one in errors if isinstance(one, dict))
    return ItemResult(str(item.get("operation") or "")[:40], str(item.get("sysId") or "")[:64], words[:500])
