from apps.activity.models.calls import (
    CallKey,
    FeedPosition,
    Outcome,
    ToolCall,
    ToolCallQuerySet,
    sees_every_call,
)
from apps.activity.models.outcomes import (
    ExternalEvent,
    OutcomeCursor,
    OutcomeNote,
    OutcomeRules,
    OutcomeWatch,
    RunOutcome,
)
from apps.activity.models.telemetry import OutboxItem, Resource, Span

__all__ = [
    "CallKey",
    "ExternalEvent",
    "FeedPosition",
    "OutboxItem",
    "Outcome",
    "OutcomeCursor",
    "OutcomeNote",
    "OutcomeRules",
    "OutcomeWatch",
    "Resource",
    "RunOutcome",
    "Span",
    "ToolCall",
    "ToolCallQuerySet",
    "sees_every_call",
]
