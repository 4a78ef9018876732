from apps.activity.models.behaviour import (
    Alert,
    Baseline,
    BehaviourCursor,
    CallScore,
    DetectorSetting,
    Severity,
)
from apps.activity.models.calls import (
    CallKey,
    FeedPosition,
    Outcome,
    ToolCall,
    ToolCallQuerySet,
    sees_every_call,
)
from apps.activity.models.opinions import RunOpinion, RunOpinionQuerySet
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
    "Alert",
    "Baseline",
    "BehaviourCursor",
    "CallKey",
    "CallScore",
    "DetectorSetting",
    "ExternalEvent",
    "FeedPosition",
    "OutboxItem",
    "Outcome",
    "OutcomeCursor",
    "OutcomeNote",
    "OutcomeRules",
    "OutcomeWatch",
    "Resource",
    "RunOpinion",
    "RunOpinionQuerySet",
    "RunOutcome",
    "Severity",
    "Span",
    "ToolCall",
    "ToolCallQuerySet",
    "sees_every_call",
]
