"""Opening alerts: one for each cause, joined by every further call of it. Steps of the job's transaction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.activity.behaviour.detectors import BY_NAME
from apps.activity.behaviour.surprise import Surprise
from apps.activity.models import Alert, Baseline
from apps.identity.services.ledger import Act, record_acts, system_principal

LONGEST_CAUSE = 500
# What a reason quotes of a call may be somebody's data: the ledger, which forgets nothing, does without it.
QUOTED = re.compile("\u201c.*\u201d", re.DOTALL)
Key = tuple[UUID, str]


@dataclass(frozen=True)
class Alarm:
    """One alarm: of a call, or of a stretch of time (`call_id` None). `baseline` None where none is held against: then
    `agent_id` says whose it is."""

    baseline: Baseline | None
    cause: str
    surprise: Surprise
    score: float
    at: datetime
    call_id: UUID | None = None
    agent_id: UUID | None = None

    @property
    def key(self) -> Key:
        agent_id = self.baseline.agent_id if self.baseline is not None else self.agent_id
        if agent_id is None:
            raise ValueError(f"nobody knows whose alarm {self.cause} is")
        return agent_id, self.cause[:LONGEST_CAUSE]


def open_alerts(alarms: Iterable[Alarm]) -> Mapping[Key, Alert]:
    """An alert for each cause, new or joined; a handful of queries for any number of alarms.

    A stretch that was answered is not opened again: it is the same hour, day or silence, whatever the answer was.
    """
    told = list(alarms)
    if not told:
        return {}
    agents, causes = {alarm.key[0] for alarm in told}, {alarm.key[1] for alarm in told}
    of_causes = Alert.objects.filter(agent__in=agents, cause__in=causes)
    unanswered = of_causes.unanswered().select_for_update().order_by("pk")
    known = {(one.agent_id, one.cause): one for one in unanswered}
    answered = set(of_causes.filter(first_call=None).values_list("agent_id", "cause")) - set(known)
    told = [alarm for alarm in told if alarm.call_id is not None or alarm.key not in answered]
    opened: dict[Key, Alert] = {}
    for alarm in told:
        alert = known.get(alarm.key) or opened.get(alarm.key)
        if alert is None:
            opened[alarm.key] = _opened_by(alarm)
        else:
            _join(alert, alarm)
    Alert.objects.bulk_create(opened.values())
    Alert.objects.bulk_update(known.values(), ["calls", "last_call", "last_at", "score", "level"])
    actor = system_principal() if opened else None
    record_acts(
        [
            Act("activity.alert.opened", actor, ("agent", one.agent_id), detail=_told(one))
            for one in opened.values()
            if actor is not None
        ]
    )
    return known | opened


def _opened_by(alarm: Alarm) -> Alert:
    detector = BY_NAME[alarm.surprise.detector]
    return Alert(
        agent_id=alarm.key[0],
        baseline=alarm.baseline,
        detector=detector.name,
        cause=alarm.key[1],
        severity=detector.severity,
        reason=alarm.surprise.reason,
        score=alarm.score,
        level=alarm.surprise.level,
        calls=int(alarm.call_id is not None),
        first_call=alarm.call_id,
        last_call=alarm.call_id,
        first_at=alarm.at,
        last_at=alarm.at,
    )


def _join(alert: Alert, alarm: Alarm) -> None:
    alert.calls += alarm.call_id is not None
    alert.last_call = alarm.call_id or alert.last_call
    alert.last_at = max(alert.last_at, alarm.at)
    alert.score = max(alert.score, alarm.score)
    if alarm.surprise.level is not None:
        alert.level = max(alert.level or 0.0, alarm.surprise.level)


def _told(alert: Alert) -> dict[str, object]:
    return {
        "alert": alert.pk, "detector": alert.detector, "severity": alert.severity, "title": alert_title(alert),
        "reason": QUOTED.sub("a value", alert.reason),
    }  # fmt: skip


def alert_title(alert: Alert) -> str:
    return BY_NAME[alert.detector].title
