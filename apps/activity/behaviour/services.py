"""Answering alerts, choosing detectors, freezing baselines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from django.db import transaction
from django.utils import timezone

from apps.activity.behaviour.calibration import LEAST_BEYOND
from apps.activity.behaviour.detectors import BY_NAME
from apps.activity.behaviour.profile import Profile
from apps.activity.behaviour.reading import acts_of
from apps.activity.behaviour.scoring import OF_REQUEST, ROUTINE
from apps.activity.models import Alert, Baseline, CallScore, DetectorSetting, ToolCall
from apps.agents.access import require_for
from apps.agents.models import Agent
from apps.identity.access import require
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import Act, record_act, record_acts
from apps.kit.errors import Conflict, InvalidInput, require_reason

LONGEST_SNOOZE = timedelta(days=90)
MOST_TAUGHT = 400
MOST_CALLS_TAUGHT = 200
MOST_RATE = 0.1


class Unsaid(Enum):
    """The value of what a choice says nothing of."""

    UNSAID = "unsaid"


UNSAID: Final = Unsaid.UNSAID


@dataclass(frozen=True)
class Choice:
    """What is chosen: `is_on` of one detector, `rate` and `least_calls` of all together (`detector` '').

    What is unsaid stays as it was; None takes a choice back, so that it is as the fleet or Chancery has it.
    """

    detector: str = ""
    is_on: bool | Unsaid | None = UNSAID
    rate: float | Unsaid | None = UNSAID
    least_calls: int | Unsaid | None = UNSAID

    @property
    def said(self) -> dict[str, float | None]:
        values = {"is_on": self.is_on, "rate": self.rate, "least_calls": self.least_calls}
        return {name: value for name, value in values.items() if not isinstance(value, Unsaid)}


@transaction.atomic
def call_fine(alert: Alert, *, actor: Principal, reason: str = "") -> Alert:
    """Say that these calls were fine: their baseline learns them, and the same cause gives no alert again.

    Where the cause is the request's, the same call for the same request is fine, not every one that is led off it.
    Of a stretch the level seen then counts as usual from now on; more than that is told as before.
    """
    alert = _locked(alert, actor)
    profile = _profile_of(alert)
    if profile is not None:
        _teach(profile, alert)
        _keep_profile(alert, profile)
    return _answer(alert, Alert.State.FINE, reason, actor=actor)


@transaction.atomic
def confirm_alert(alert: Alert, *, actor: Principal, reason: str) -> Alert:
    """Say that these calls were wrong: they never count as usual, nor against the agent's alarm rate."""
    alert = _locked(alert, actor)
    require_reason(reason, "Say what was wrong")
    profile = _profile_of(alert)
    if profile is not None:
        profile.opened = max(0, profile.opened - (not alert.is_of_stretch))
        _close(profile, alert)
        _keep_profile(alert, profile)
    return _answer(alert, Alert.State.CONFIRMED, reason, actor=actor)


@transaction.atomic
def snooze_alert(alert: Alert, until: datetime, *, actor: Principal, reason: str = "") -> Alert:
    """Put an alert off until a time, at most 90 days away; then it waits again. Calls go on joining it."""
    alert = _locked(alert, actor)
    now = timezone.now()
    if not now < until <= now + LONGEST_SNOOZE:
        raise InvalidInput(
            "The alert was not put off.", fields={"until": "Choose a time within the next 90 days"}
        )
    alert.state, alert.snoozed_until = Alert.State.SNOOZED, until
    alert.answered_by, alert.answered_at, alert.answer = actor, now, reason.strip()
    alert.save(update_fields=["state", "snoozed_until", "answered_by", "answered_at", "answer"])
    _record(alert, "snoozed", actor, reason, until=f"{until:%-d %B %Y %H:%M} UTC")
    return alert


@transaction.atomic
def set_detector(
    agent: Agent | None, choice: Choice, *, actor: Principal, reason: str = ""
) -> DetectorSetting:
    """Switch a detector, or set the alarm rate or the calls a baseline needs, for one agent or for the fleet.

    Only what the choice says is changed.
    """
    if agent is None:
        require(actor, Permission.POLICY_EDIT)
    else:
        require_for(actor, Permission.POLICY_EDIT, agent)
    _check(choice)
    setting, _ = DetectorSetting.objects.update_or_create(
        agent=agent,
        detector=choice.detector,
        defaults=choice.said | {"updated_by": actor},
    )
    record_act(
        "activity.detector.set",
        actor=actor,
        target=("agent", agent.pk) if agent is not None else ("fleet", "detectors"),
        reason=reason.strip(),
        detail={"what": _words_of(choice), "whose": agent.name if agent is not None else "the fleet"},
    )
    return setting


@transaction.atomic
def freeze_baselines(agents: Iterable[Agent], *, actor: Principal) -> list[Baseline]:
    """Keep what is usual for these agents now as their certified baselines, beside those that go on learning.

    Called by whoever certifies, in its transaction and under its permission. Nothing is kept of an agent that never
    acted. Three queries for any number of agents.
    """
    rolling = Baseline.objects.filter(agent__in=list(agents), kind=Baseline.Kind.ROLLING)
    newest = rolling.order_by("agent_id", "-updated_at").distinct("agent_id")
    now = timezone.now()
    frozen = [
        Baseline(
            agent_id=one.agent_id, version_id=one.version_id, environment=one.environment, profile=one.profile,
            kind=Baseline.Kind.CERTIFIED, calls=one.calls, frozen_at=now, frozen_by=actor,
        )
        for one in newest
    ]  # fmt: skip
    Baseline.objects.bulk_create(frozen)
    record_acts(
        [
            Act(
                "activity.baseline.frozen",
                actor,
                ("agent", one.agent_id),
                detail={"baseline": one.pk, "calls": one.calls},
            )
            for one in frozen
        ]
    )
    return frozen


def freeze_baseline(agent: Agent, *, actor: Principal) -> Baseline | None:
    """As above for one agent; None for one that never acted."""
    return next(iter(freeze_baselines([agent], actor=actor)), None)


def _locked(alert: Alert, actor: Principal) -> Alert:
    """The alert's row, still unanswered, for somebody who may answer it. The baseline first, as the job does."""
    if alert.baseline_id is not None:
        Baseline.objects.select_for_update(of=("self",)).filter(pk=alert.baseline_id).first()
    alert = Alert.objects.select_for_update(of=("self",)).select_related("agent", "baseline").get(pk=alert.pk)
    require_for(actor, Permission.ALERTS_ANSWER, alert.agent)
    if not alert.is_unanswered:
        raise Conflict("This alert is answered already.", code="activity.alert.answered")
    return alert


def _profile_of(alert: Alert) -> Profile | None:
    return Profile.from_json(alert.baseline.profile) if alert.baseline is not None else None


def _keep_profile(alert: Alert, profile: Profile) -> None:
    if alert.baseline is not None:
        alert.baseline.profile, alert.baseline.calls = profile.as_json(), profile.learnt
        alert.baseline.save(update_fields=["profile", "calls"])


def _teach(profile: Profile, alert: Alert) -> None:
    """Let a profile learn the calls of an alert.

    Of the request's causes the same call for the same request is routine from now on, and the bar rises by a step;
    were their whole scores taken in, one answer would blind the detectors to attacks as strong.
    """
    if alert.is_of_stretch:
        profile.widen(alert.detector, alert.level or 0.0)
        return
    scored = CallScore.objects.filter(alert=alert).values_list("call_id", "score", "bar")
    scores = {pk: min(score, bar + LEAST_BEYOND) for pk, score, bar in scored[:MOST_CALLS_TAUGHT]}
    for score in scores.values():
        profile.remember(score)
    if alert.detector in OF_REQUEST:
        calls = list(ToolCall.objects.filter(pk__in=scores, agent=alert.agent_id))
        for act in acts_of(calls, None).values():
            profile.learn(act)
            profile.alarms[act.fingerprint] = ROUTINE
    else:
        profile.taught = [*profile.taught, alert.cause][-MOST_TAUGHT:]
    _close(profile, alert)


def _close(profile: Profile, alert: Alert) -> None:
    profile.open_causes = [cause for cause in profile.open_causes if cause[:500] != alert.cause]


def _answer(alert: Alert, state: str, reason: str, *, actor: Principal) -> Alert:
    alert.state, alert.answer = state, reason.strip()
    alert.answered_by, alert.answered_at = actor, timezone.now()
    alert.save(update_fields=["state", "answer", "answered_by", "answered_at"])
    _record(alert, state, actor, reason)
    return alert


def _record(alert: Alert, verb: str, actor: Principal, reason: str, **more: object) -> None:
    record_act(
        f"activity.alert.{verb}",
        actor=actor,
        target=("agent", alert.agent_id),
        reason=reason.strip(),
        detail={
            "alert": alert.pk,
            "detector": alert.detector,
            "title": BY_NAME[alert.detector].title,
            **more,
        },
    )


def _check(choice: Choice) -> None:
    problems = {}
    if choice.detector and choice.detector not in BY_NAME:
        problems["detector"] = f"Choose one of {', '.join(BY_NAME)}"
    said = choice.said
    rate, least = said.get("rate"), said.get("least_calls")
    if rate is not None and not 0 <= rate <= MOST_RATE:
        problems["rate"] = "Enter a share from 0 to 0.1"
    if least is not None and not 5 <= least <= 10_000:
        problems["least_calls"] = "Enter a number from 5 to 10000"
    problems |= _misplaced(choice)
    if problems:
        raise InvalidInput("The detector was not set.", fields=problems)


def _misplaced(choice: Choice) -> dict[str, str]:
    """What is said in the wrong place: of one detector what holds for all of them, or the other way round."""
    said = set(choice.said)
    if not choice.detector:
        if "is_on" in said:
            return {"detector": "Choose which detector"}
        return {} if said else {"rate": "Say what to change"}
    if wrong := said - {"is_on"}:
        return dict.fromkeys(sorted(wrong), "This is set for all detectors together")
    return {} if said else {"is_on": "Choose on or off"}


def _words_of(choice: Choice) -> str:
    said = choice.said
    if choice.detector:
        is_on = said["is_on"]
        state = "as the fleet has it" if is_on is None else ("on" if is_on else "off")
        return f"the detector {BY_NAME[choice.detector].title.lower()} {state}"
    titles = {
        "rate": "the share of calls that may give an alarm",
        "least_calls": "the calls that make a baseline",
    }
    return " and ".join(
        f"{titles[name]} to {'as the fleet has it' if value is None else f'{value:g}'}"
        for name, value in said.items()
    )
