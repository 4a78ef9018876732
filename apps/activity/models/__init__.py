from apps.activity.models.behaviour import (
    Alert,
    Baseline,
    BehaviourCursor,
    CallScore,
    DetectorSetting,
    Severity,
)
from apps.activity.models.calls import (
    FAILED,
    REFUSED,
    CallKey,
    CallWords,
    Effect,
    FeedPosition,
    Outcome,
    ToolCall,
    ToolCallQuerySet,
    WordsCursor,
    sees_every_call,
)
from apps.activity.models.effects import CallEffect, EffectCursor, ReadBack
from apps.activity.models.erasures import Erasure
from apps.activity.models.opinions import RunOpinion, RunOpinionQuerySet
from apps.activity.models.outcomes import (
    ExternalEvent,
    OutcomeCursor,
    OutcomeNote,
    OutcomeRules,
    OutcomeWatch,
    RunOutcome,
)
from apps.activity.models.recording import ContentPolicy
from apps.activity.models.retention import ArchiveFile, GoneDay, RetentionRule
from apps.activity.models.rollups import ModelAnswer, ModelHour, RollupMark, ToolHour
from apps.activity.models.telemetry import OutboxItem, Resource, Span

__all__ = [
    "FAILED",
    "REFUSED",
    "Alert",
    "ArchiveFile",
    "Baseline",
    "BehaviourCursor",
    "CallEffect",
    "CallKey",
    "CallScore",
    "CallWords",
    "ContentPolicy",
    "DetectorSetting",
    "Effect",
    "EffectCursor",
    "Erasure",
    "ExternalEvent",
    "FeedPosition",
    "GoneDay",
    "ModelAnswer",
    "ModelHour",
    "OutboxItem",
    "Outcome",
    "OutcomeCursor",
    "OutcomeNote",
    "OutcomeRules",
    "OutcomeWatch",
    "ReadBack",
    "Resource",
    "RetentionRule",
    "RollupMark",
    "RunOpinion",
    "RunOpinionQuerySet",
    "RunOutcome",
    "Severity",
    "Span",
    "ToolCall",
    "ToolCallQuerySet",
    "ToolHour",
    "WordsCursor",
    "sees_every_call",
]
