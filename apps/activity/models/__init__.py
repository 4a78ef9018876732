from apps.activity.models.calls import (
    CallKey,
    FeedPosition,
    Outcome,
    ToolCall,
    ToolCallQuerySet,
    sees_every_call,
)
from apps.activity.models.telemetry import OutboxItem, Resource, Span

__all__ = [
    "CallKey",
    "FeedPosition",
    "OutboxItem",
    "Outcome",
    "Resource",
    "Span",
    "ToolCall",
    "ToolCallQuerySet",
    "sees_every_call",
]
