from apps.activity.models.calls import CallKey, FeedPosition, Outcome, ToolCall, ToolCallQuerySet
from apps.activity.models.opinions import RunOpinion, RunOpinionQuerySet
from apps.activity.models.telemetry import OutboxItem, Resource, Span

__all__ = [
    "CallKey",
    "FeedPosition",
    "OutboxItem",
    "Outcome",
    "Resource",
    "RunOpinion",
    "RunOpinionQuerySet",
    "Span",
    "ToolCall",
    "ToolCallQuerySet",
]
