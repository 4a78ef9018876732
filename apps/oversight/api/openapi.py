"""The decisions door's further addresses in the OpenAPI document: they stand beside Django, so nothing finds them by itself."""

from __future__ import annotations

from typing import Any

OBJECT = {"type": "object", "additionalProperties": True}
QUESTION = {"$ref": "#/components/schemas/QuestionWriteRequest"}
ANSWER = {"$ref": "#/components/schemas/DecisionAnswer"}
REFUSED = {
    "400": "The body is not as expected; `fields` says where",
    "401": "No key, or one that is not known",
    "403": "The key may not ask",
    "404": "No such agent, or none that this key may ask about",
    "413": "The body is too large",
    "503": "Nothing was decided: Retry-After says when to ask again",
}
EVALUATION: dict[str, Any] = {
    "type": "object",
    "description": "AuthZEN: the subject is the agent, the resource the tool (`server/tool`), the action its operation, `call` for none.",
    "required": ["subject", "resource", "action"],
    "properties": {
        "subject": {
            "type": "object", "required": ["type", "id"], "additionalProperties": True,
            "properties": {"type": {"type": "string", "enum": ["agent"]}, "id": {"type": "string"}},
        },
        "resource": {
            "type": "object", "required": ["type", "id"], "additionalProperties": True,
            "properties": {"type": {"type": "string", "enum": ["tool"]}, "id": {"type": "string"}},
        },
        "action": {
            "type": "object", "required": ["name"], "additionalProperties": True, "properties": {"name": {"type": "string"}},
        },
        "context": {**OBJECT, "description": "arguments, call_id, conversation_id, data_classes, purpose, on_behalf_of, approval"},
    },
}  # fmt: skip
EVALUATED = {
    "type": "object",
    "required": ["decision"],
    "properties": {"decision": {"type": "boolean"}, "context": OBJECT},
}
BATCH = {
    "type": "object",
    "required": ["questions"],
    "properties": {"questions": {"type": "array", "minItems": 1, "maxItems": 100, "items": QUESTION}},
}
ANSWERS = {
    "type": "object",
    "description": "For each question in its order a `decision`, or a `problem`.",
    "properties": {
        "answers": {
            "type": "array",
            "items": {"type": "object", "properties": {"decision": ANSWER, "problem": OBJECT}},
        }
    },
}
EVALUATIONS = {
    "type": "object",
    "description": "Evaluations; what stands beside them holds for each that does not say otherwise.",
    "properties": {
        "evaluations": {"type": "array", "maxItems": 100, "items": OBJECT},
        "options": OBJECT,
        **dict.fromkeys(("subject", "resource", "action", "context"), OBJECT),
    },
}
ALL_EVALUATED = {
    "type": "object",
    "properties": {
        "evaluations": {"type": "array", "items": {"$ref": "#/components/schemas/AuthzenEvaluated"}}
    },
}


def add_decisions(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A postprocessing hook of drf-spectacular."""
    result["components"]["schemas"] |= {"AuthzenEvaluation": EVALUATION, "AuthzenEvaluated": EVALUATED}
    one, told = ({"$ref": f"#/components/schemas/Authzen{name}"} for name in ("Evaluation", "Evaluated"))
    result["paths"] |= {
        "/api/v1/decisions/batch": _post("decisions_batch", "Ask about up to 100 calls", BATCH, ANSWERS),
        "/access/v1/evaluation": _post("authzen_evaluation", "Ask as AuthZEN does", one, told),
        "/access/v1/evaluations": _post("authzen_evaluations", "Ask as AuthZEN does, several", EVALUATIONS, ALL_EVALUATED),
    }  # fmt: skip
    return result


def _post(name: str, summary: str, asked: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "tags": ["decisions"],
            "security": [{"apiKey": []}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": asked}}},
            "responses": {
                "200": {"description": "Decided", "content": {"application/json": {"schema": told}}},
                **{status: {"description": words} for status, words in REFUSED.items()},
            },
        }
    }
