"""Reading baselines, alerts and detectors for pages and REST."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from django.db.models import Case, Count, QuerySet, When

from apps.activity.behaviour.detectors import DETECTORS, DetectorWords
from apps.activity.behaviour.rules import merged
from apps.activity.behaviour.scoring import Rules
from apps.activity.models import Alert, Baseline, CallScore, DetectorSetting, ToolCall
from apps.agents.models import Agent
from apps.identity.models import Principal
from apps.kit.ui.parts import Option


@dataclass(frozen=True)
class DetectorRow:
    """A detector with what holds for it and how its alerts were answered. `chosen` None: as the fleet has it."""

    words: DetectorWords
    is_on: bool
    chosen: bool | None
    waiting: int
    fine: int
    confirmed: int

    @property
    def precision(self) -> float | None:
        """The share of answered alerts that were right; None before the first answer."""
        answered = self.fine + self.confirmed
        return self.confirmed / answered if answered else None


def detector_rows(agent: Agent | None, *, actor: Principal) -> list[DetectorRow]:
    """Every detector for an agent, or for the fleet as far as `actor` sees it; two queries."""
    rules, chosen = settings_of(agent)
    alerts = Alert.objects.visible_to(actor)
    alerts = alerts.filter(agent=agent) if agent is not None else alerts
    counts: Counter[tuple[str, str]] = Counter()
    for detector, state, count in (
        alerts.order_by().values_list("detector", "state").annotate(count=Count("pk"))
    ):
        counts[detector, state] += count
    return [
        DetectorRow(
            one, one.name not in rules.off, chosen.get(one.name),
            counts[one.name, "open"] + counts[one.name, "snoozed"], counts[one.name, "fine"],
            counts[one.name, "confirmed"],
        )
        for one in DETECTORS
    ]  # fmt: skip


def settings_of(agent: Agent | None) -> tuple[Rules, dict[str, bool | None]]:
    """The rules that hold, and what was chosen right here; one query."""
    rows = list(DetectorSetting.objects.filter(agent=None))
    own = list(DetectorSetting.objects.filter(agent=agent)) if agent is not None else rows
    layers = [*rows, *own] if agent is not None else rows
    return merged(layers), {row.detector: row.is_on for row in own if row.detector}


def chosen_rate(agent: Agent | None) -> float | None:
    """The alarm rate chosen right here; None where nobody did."""
    return DetectorSetting.objects.filter(agent=agent, detector="").values_list("rate", flat=True).first()


def newest_baseline(agent: Agent, kind: str) -> Baseline | None:
    rows = Baseline.objects.filter(agent=agent, kind=kind).select_related(
        "version", "began_with", "frozen_by"
    )
    return rows.order_by("-updated_at" if kind == Baseline.Kind.ROLLING else "-frozen_at").first()


def alerts_of(agent: Agent, *, actor: Principal, most: int = 30) -> QuerySet[Alert]:
    """An agent's alerts, those that wait for an answer first."""
    rows = Alert.objects.visible_to(actor).filter(agent=agent).select_related("answered_by")
    waits = Case(When(state__in=["open", "snoozed"], then=0), default=1)
    return rows.order_by(waits, "-last_at", "-id")[:most]


def alert_facets(actor: Principal) -> dict[str, list[Option]]:
    """States, severities and detectors of the alerts `actor` may see, with their counts; three queries."""
    visible = Alert.objects.visible_to(actor).order_by()
    found: dict[str, list[Option]] = {}
    titles = {one.name: one.title for one in DETECTORS}
    for name, labels in (
        ("state", dict(Alert.State.choices)),
        ("severity", dict(reversed(Alert._meta.get_field("severity").choices or []))),
        ("detector", titles),
    ):
        counts = dict(visible.values_list(name).annotate(count=Count("pk")))
        found[name] = [Option(value, str(label), counts.get(value, 0)) for value, label in labels.items()]
    return found


def scored_calls(alert: Alert, *, actor: Principal, most: int = 50) -> list[tuple[ToolCall, CallScore]]:
    """The calls of an alert, newest first, each with its score; two queries."""
    scores = {score.call_id: score for score in alert.scores.order_by("-call_id")[:most]}
    calls = ToolCall.objects.visible_to(actor).filter(pk__in=scores).order_by("-pk")
    return [(call, scores[call.pk]) for call in calls]
