"""The events' door in the OpenAPI document: it stands beside Django, so nothing finds it by itself."""

from __future__ import annotations

from typing import Any

from apps.activity.ways.events import BATCH, KINDS, MOST_EVENTS, STRUCTURED

PATH = "/api/v1/events"
TEXT = {"type": "string", "minLength": 1, "maxLength": 255}
EVENT: dict[str, Any] = {
    "type": "object",
    "description": "A CloudEvent 1.0 about an agent. Known by its source and id: sent again, it is stored once.",
    "required": ["id", "source", "type", "specversion", "data"],
    "properties": {
        "id": TEXT,
        "source": TEXT,
        "type": {"type": "string", "enum": sorted(KINDS)},
        "specversion": {"type": "string", "enum": ["1.0"]},
        "time": {"type": "string", "format": "date-time"},
        "traceparent": {"type": "string", "description": "W3C trace context"},
        "data": {"type": "object", "additionalProperties": True},
    },
    "additionalProperties": True,
}
RESULT: dict[str, Any] = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "source": {"type": "string"},
        "id": {"type": "string"},
        "status": {"type": "string", "enum": ["accepted", "rejected"]},
        "detail": {"type": "string"},
    },
}
TAKEN: dict[str, Any] = {
    "type": "object",
    "description": "What was stored, and for each event of a batch what became of it.",
    "required": ["accepted", "rejected", "results"],
    "properties": {
        "accepted": {"type": "integer"},
        "rejected": {"type": "integer"},
        "results": {"type": "array", "items": {"$ref": "#/components/schemas/ActivityEventResult"}},
    },
}
REFUSED = {
    "400": "The body, or the only event, is not as expected",
    "401": "No key, or one that is not known",
    "403": "The key may not report activity",
    "413": "The body is too large",
    "415": "The content type is not understood",
    "429": "More is waiting than may wait: Retry-After says when to try again",
    "503": "The database did not take it: Retry-After says when to try again",
}


def add_events(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A postprocessing hook of drf-spectacular."""
    result["components"]["schemas"] |= {
        "ActivityEvent": EVENT,
        "ActivityEventResult": RESULT,
        "ActivityEventsTaken": TAKEN,
    }
    result["paths"][PATH] = {"post": _operation()}
    return result


def _operation() -> dict[str, Any]:
    one = {"schema": {"$ref": "#/components/schemas/ActivityEvent"}}
    several = {
        "schema": {
            "type": "array",
            "maxItems": MOST_EVENTS,
            "items": {"$ref": "#/components/schemas/ActivityEvent"},
        }
    }
    taken = {"application/json": {"schema": {"$ref": "#/components/schemas/ActivityEventsTaken"}}}
    return {
        "operationId": "events_create",
        "summary": "Report what agents did",
        "description": f"One event, or a batch of at most {MOST_EVENTS}. Answered once what was accepted is durable.",
        "tags": ["events"],
        "security": [{"apiKey": []}],
        "requestBody": {"required": True, "content": {STRUCTURED: one, BATCH: several}},
        "responses": {
            "200": {"description": "Stored", "content": taken},
            **{status: {"description": words} for status, words in REFUSED.items()},
        },
    }
