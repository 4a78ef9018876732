"""Bodies as questions, answers as bodies: of our own API and of OpenID AuthZEN (Authorization API 1.0). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import orjson

from apps.agents.models import DataClass
from apps.kit.errors import DomainError, InvalidInput
from apps.kit.rest.reading import NOT_TEXT, UNKNOWN
from apps.oversight.models import Decision
from apps.oversight.services.decisions import Question

TEXTS: Final[Mapping[str, int]] = {
    "agent": 80, "tool": 255, "mcp_server": 255, "operation": 120, "call_id": 255, "conversation_id": 255, "purpose": 500,
    "on_behalf_of": 255, "approval": 40,
}  # fmt: skip
CLASSES: Final = frozenset(DataClass.values)
MOST_CLASSES: Final = 20
MOST_TOGETHER: Final = 100
NOTHING: Final = "Nothing was decided."


class Asking(NamedTuple):
    """What is asked, about whom ('' by an agent about itself)."""

    agent: str
    question: Question


def json_of(body: bytes) -> Any:
    """Raises InvalidInput."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"This is not JSON: {error}.", code="request.malformed") from error


def asking_of(told: Any, path: str = "") -> Asking:
    """One question of our API. Raises InvalidInput, which names each wrong field."""
    if not isinstance(told, Mapping):
        raise InvalidInput(NOTHING, fields={path or "body": "An object"})
    faults: dict[str, str] = {}
    said = {name: _text(told, name, longest, faults) for name, longest in TEXTS.items()}
    if not said["tool"]:
        faults.setdefault("tool", "This field is required.")
    arguments, classes = told.get("arguments", {}), told.get("data_classes", [])
    if not isinstance(arguments, Mapping):
        faults["arguments"] = "An object"
    if (
        not isinstance(classes, list)
        or len(classes) > MOST_CLASSES
        or not CLASSES.issuperset(map(str, classes))
    ):
        faults["data_classes"] = f"At most {MOST_CLASSES} of {', '.join(sorted(CLASSES))}"
    for name in told.keys() - TEXTS.keys() - {"arguments", "data_classes"}:
        faults[str(name)] = UNKNOWN
    if faults:
        raise InvalidInput(NOTHING, fields={f"{path}{name}": words for name, words in faults.items()})
    agent, tool = said.pop("agent"), said.pop("tool")
    return Asking(agent, Question(tool, arguments=arguments, data_classes=tuple(classes), **said))


def _text(told: Mapping[str, Any], name: str, longest: int, faults: dict[str, str]) -> str:
    value = told.get(name, "")
    if not isinstance(value, str):
        faults[name] = NOT_TEXT
        return ""
    value = value.strip()
    if len(value) > longest:
        faults[name] = f"At most {longest} characters"
    elif "\0" in value:
        faults[name] = "Null characters are not allowed."
    return value


def batch_of(told: Any) -> list[Any]:
    """The questions of a batch, each still to be read: one that cannot be keeps no other."""
    questions = told.get("questions") if isinstance(told, Mapping) else None
    if not isinstance(questions, list) or not 1 <= len(questions) <= MOST_TOGETHER:
        raise InvalidInput(NOTHING, fields={"questions": f"A list of 1 to {MOST_TOGETHER} questions"})
    return questions


def evaluation_of(told: Any) -> Asking:
    """One AuthZEN evaluation: the subject is the agent, the resource the tool, the action its operation.

    Arguments, call_id and the rest stand in `context`, or as properties of the action. Other types are refused.
    """
    if not isinstance(told, Mapping):
        raise InvalidInput(NOTHING, fields={"body": "An object"})
    parts = {name: _part(told, name) for name in ("subject", "resource", "action", "context")}
    subject, resource, action, context = parts.values()
    faults = {}
    if subject.get("type") != "agent":
        faults["subject.type"] = "agent"
    if resource.get("type") != "tool":
        faults["resource.type"] = "tool"
    for path, part, name in (
        ("subject.id", subject, "id"),
        ("resource.id", resource, "id"),
        ("action.name", action, "name"),
    ):
        if not isinstance(part.get(name), str) or not part[name]:
            faults[path] = "Text"
    if faults:
        raise InvalidInput(NOTHING, fields=faults)
    known = {*TEXTS, "arguments", "data_classes"} - {"agent", "tool", "operation"}
    more = {**_properties(action), **context}
    return asking_of(
        {name: value for name, value in more.items() if name in known}
        | {"agent": subject["id"], "tool": resource["id"], "operation": _operation(action["name"])}
    )


def evaluations_of(told: Any) -> tuple[list[Any], Callable[[bool], bool]]:
    """The evaluations of a batch, each with the defaults of the whole put in; and whether to stop after an answer."""
    if not isinstance(told, Mapping) or not isinstance(told.get("evaluations", []), list):
        raise InvalidInput(NOTHING, fields={"evaluations": "A list"})
    whole = {name: told[name] for name in ("subject", "resource", "action", "context") if name in told}
    rows = told.get("evaluations") or [{}]
    if len(rows) > MOST_TOGETHER:
        raise InvalidInput(NOTHING, fields={"evaluations": f"At most {MOST_TOGETHER}"})
    options = told.get("options")
    semantic = options.get("evaluations_semantic", "") if isinstance(options, Mapping) else ""
    stops = {"deny_on_first_deny": lambda yes: not yes, "permit_on_first_permit": lambda yes: yes}
    return [{**whole, **row} if isinstance(row, Mapping) else row for row in rows], stops.get(
        semantic, lambda _: False
    )


def _part(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = told.get(name, {})
    if not isinstance(part, Mapping):
        raise InvalidInput(NOTHING, fields={name: "An object"})
    return part


def _properties(action: Mapping[str, Any]) -> Mapping[str, Any]:
    found = action.get("properties", {})
    return found if isinstance(found, Mapping) else {}


def _operation(name: str) -> str:
    """`call` is any call: it names no operation."""
    return "" if name == "call" else name


def told_of(decision: Decision, agent: Mapping[str, str], asker: Mapping[str, str]) -> dict[str, Any]:
    """A decision as our API tells it; `apps.oversight.api.views.DecisionAnswer` describes it."""
    named = [one for one in decision.findings if one.get("policy")]
    return {
        "id": decision.pk,
        "agent": agent,
        "asked_by": asker,
        "tool": decision.tool_name,
        "operation": decision.operation,
        "call_id": decision.call_id,
        "conversation_id": decision.conversation_id,
        "outcome": decision.outcome,
        "code": decision.code,
        "reason": decision.reason,
        "policy_version": decision.policy_version,
        "decided_at": _moment(decision.decided_at),
        "data_classes": decision.data_classes,
        "purpose": decision.purpose,
        "on_behalf_of": decision.on_behalf_of,
        "findings": decision.findings,
        "obligations": decision.obligations,
        "shadow": decision.shadow,
        "digest": decision.digest,
        "approval_id": decision.approval_id,
        "expires_at": _moment(decision.expires_at),
        "approval": {"id": decision.approval_id} if decision.approval_id else None,
        "policies": [
            {"id": one["policy"], "version": one.get("version"), "mode": one["mode"]} for one in named
        ],
        "next": decision.next_steps,
    }


def evaluated(told: Mapping[str, Any]) -> dict[str, Any]:
    """The same as AuthZEN's answer."""
    names = ("id", "outcome", "code", "obligations", "approval", "next", "expires_at")
    return {
        "decision": told["outcome"] in ("allow", "notify"),
        "context": {name: told[name] for name in names} | {"reason_user": {"en": told["reason"]}},
    }


def refused(error: DomainError) -> dict[str, Any]:
    """An evaluation of a batch that could not be made: denied, with the error, as AuthZEN section 7.2 has it."""
    told = {"status": error.status, "code": error.code, "message": error.message, "fields": error.fields}
    return {"decision": False, "context": {"error": told}}


def _moment(moment: Any) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
