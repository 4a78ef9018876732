"""Reading read-backs and what they found, for pages and REST."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from apps.activity.effects.judging import Nothing, short
from apps.activity.effects.reading import facts_of
from apps.activity.effects.rules import Rule, rule_of
from apps.activity.effects.words import WHY, after_in_words, expected_in_words, rule_in_words
from apps.activity.models import Alert, CallEffect, Effect, ReadBack, ToolCall, ToolHour
from apps.agents.models import Tool
from apps.identity.models import Principal

DAYS = 30
MOST_CALLS = 50


@dataclass(frozen=True)
class Rates:
    """How many calls of a tool were found to be what, in the last 30 days, of the agents a reader may see."""

    verified: int = 0
    failed: int = 0
    unknown: int = 0

    @property
    def total(self) -> int:
        return self.verified + self.failed + self.unknown

    @property
    def verified_share(self) -> float | None:
        return self.verified / self.total if self.total else None


@dataclass(frozen=True)
class EffectView:
    """What was found of one call, with its evidence. `shown` is the value that stood at `place`, '' where it is not
    recorded; `evidence` the later call (None where there is none, or `is_hidden` where the reader may not see it)."""

    row: CallEffect
    rule: Rule | None
    evidence: ToolCall | None
    is_hidden: bool
    shown: str
    after: str

    @property
    def sentence(self) -> str:
        return WHY.get(self.row.why, self.row.why)

    @property
    def declared(self) -> str:
        return rule_in_words(self.rule) if self.rule else ""

    @property
    def expected(self) -> str:
        return expected_in_words(self.rule) if self.rule else ""

    @property
    def place(self) -> str:
        return (self.rule.condition.path or "the whole") if self.rule and self.rule.condition else ""

    @property
    def status(self) -> int | None:
        status: int | None = self.row.evidence.get("status")
        return status

    @property
    def note(self) -> str:
        return str(self.row.evidence.get("note", ""))


def standing_of(tool: Tool, *, actor: Principal) -> ReadBack | None:
    """The read-back that holds; one query."""
    visible = ReadBack.objects.visible_to(actor).standing().filter(tool=tool)
    return visible.select_related("declared_by", "tool").first()


def versions_of(tool: Tool, *, actor: Principal) -> list[tuple[ReadBack, str]]:
    """Every version with its sentence, newest first."""
    visible = ReadBack.objects.visible_to(actor).filter(tool=tool).select_related("declared_by")
    return [(one, rule_in_words(rule_of(one.rule))) for one in visible[:MOST_CALLS]]


def rates_of(tool: Tool, *, actor: Principal) -> Rates:
    """From the sums by the hour; one query."""
    hours = ToolHour.objects.visible_to(actor).filter(
        tool_name=tool.name, mcp_server=tool.server, hour__gte=timezone.now() - timedelta(days=DAYS)
    )
    counts: Counter[str] = Counter()
    for told in hours.exclude(by_effect={}).values_list("by_effect", flat=True):
        counts.update(told)
    return Rates(counts[Effect.VERIFIED], counts[Effect.FAILED], counts[Effect.UNKNOWN])


def effect_of(call: ToolCall, *, actor: Principal) -> EffectView | None:
    """What was found of a call the actor may see; None where nothing is declared of it. Two queries."""
    row = CallEffect.objects.select_related("read_back").filter(pk=call.pk).first()
    if row is None:
        return None
    rule = rule_of(row.read_back.rule) if row.read_back else None
    told = row.evidence.get("call")
    evidence = _evidence(UUID(told), actor) if told else None
    after = evidence.started_at - (call.ended_at or call.started_at) if evidence else None
    return EffectView(
        row, rule, evidence, bool(told) and evidence is None, _shown(row, rule, evidence),
        after_in_words(after) if after is not None else "",
    )  # fmt: skip


def calls_of_alert(alert: Alert, *, actor: Principal) -> Sequence[tuple[ToolCall, CallEffect]]:
    """The calls of an alert that a read-back gave, newest first, at most 50; two queries."""
    rows = {row.pk: row for row in alert.effects.order_by("-call_id")[:MOST_CALLS]}
    calls = ToolCall.objects.visible_to(actor).filter(pk__in=rows).order_by("-pk")
    return [(call, rows[call.pk]) for call in calls]


def _evidence(pk: UUID, actor: Principal) -> ToolCall | None:
    return ToolCall.objects.visible_to(actor).select_related("agent").filter(pk=pk).first()


def _shown(row: CallEffect, rule: Rule | None, evidence: ToolCall | None) -> str:
    """A value of a later call is read where it stands, so that what was deleted or may not be seen is not told here."""
    if evidence is None or rule is None or rule.condition is None:
        return str(row.evidence.get("found", ""))
    path = rule.condition.path
    found = facts_of(evidence).at(f"result.{path}" if path else "result")
    return "nothing" if found is Nothing.MISSING else short(found)
