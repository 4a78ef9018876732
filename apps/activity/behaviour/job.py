"""One run of the scoring job: calls after the cursor become scores, verdicts and alerts, or nothing happens.

Calls are read and vectors made before the transaction; the cursor is locked in it, and a run that finds it
moved by another gives up. A process killed in between has written nothing, and the next run does the same
calls; one killed after the commit has written everything, the cursor included.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.activity.behaviour.acts import Act
from apps.activity.behaviour.alerts import Alarm, open_alerts
from apps.activity.behaviour.baselines import rolling_of
from apps.activity.behaviour.profile import Profile
from apps.activity.behaviour.reading import Embed, acts_of, fresh_calls
from apps.activity.behaviour.rules import rules_for
from apps.activity.behaviour.scoring import Scored, Watch
from apps.activity.behaviour.surprise import Surprise
from apps.activity.behaviour.windows import of_stretches
from apps.activity.models import Baseline, BehaviourCursor, CallScore, Outcome, ToolCall
from apps.activity.pipeline.runner import nudge
from apps.activity.pipeline.store import give_positions
from apps.activity.queries import last_position
from apps.activity.services import Verdict, record_verdicts

logger = logging.getLogger(__name__)
AT_ONCE = 400
SETTLES_AFTER = timedelta(seconds=4)  # until then the spans that hold the request may still come
TOO_FAR_BEHIND = 20_000  # calls; then requests are not compared, which takes most of the time
TOLD_CAUSES = 4
LEAST_TOLD = 2.5
KEPT_FOR = timedelta(days=30)


@dataclass
class Batch:
    """What one run found: each call with its score, by the baseline it was held against."""

    scored: list[tuple[ToolCall, Baseline, Scored]] = field(default_factory=list)
    stretches: list[tuple[Baseline, Surprise]] = field(default_factory=list)


def score_once(embed: Embed, now: datetime | None = None, settles_after: timedelta = SETTLES_AFTER) -> int:
    """Score the next calls; returns how many were read past, 0 when nothing waits."""
    now = now or timezone.now()
    position = _cursor().position
    calls, reached = fresh_calls(position, now - settles_after, AT_ONCE)
    if reached == position:
        return 0
    behind = last_position() - reached
    if behind > TOO_FAR_BEHIND:
        logger.warning("scoring is %s calls behind: these are not compared with requests", behind)
    acts = acts_of(calls, embed if behind <= TOO_FAR_BEHIND else None)
    told = _write(position, reached, calls, acts, now)
    nudge(told)
    return reached - position


def look_for_silence(now: datetime | None = None) -> int:
    """Open an alert for each agent that fell silent; returns how many baselines were looked at."""
    now = now or timezone.now()
    lately = Baseline.objects.filter(kind=Baseline.Kind.ROLLING, updated_at__gte=now - timedelta(days=8))
    newest = lately.order_by("agent_id", "environment", "-updated_at").distinct("agent_id", "environment")
    ids = sorted(newest.values_list("pk", flat=True))  # of a version that was replaced silence is no news
    for pk in ids:
        with transaction.atomic():
            baseline = Baseline.objects.select_for_update(of=("self",)).get(pk=pk)
            rules = rules_for([baseline.agent_id])[baseline.agent_id]
            profile = Profile.from_json(baseline.profile)
            found = [
                one for one in of_stretches(profile, now, rules.rate, rules.off) if one.detector == "silence"
            ]
            open_alerts(_alarms_of_stretches([(baseline, one) for one in found], now))
    return len(ids)


def forget_scores(now: datetime | None = None) -> int:
    """Delete scores older than 30 days; returns how many."""
    old = CallScore.objects.filter(scored_at__lt=(now or timezone.now()) - KEPT_FOR)
    return old.delete()[0]


def _cursor() -> BehaviourCursor:
    return BehaviourCursor.objects.get_or_create(pk=1)[0]


@transaction.atomic
def _write(
    position: int, reached: int, calls: Sequence[ToolCall], acts: Mapping[UUID, Act], now: datetime
) -> int:
    """Everything a run found, with the cursor; returns the feed's newest position, 0 when it did not change."""
    cursor = BehaviourCursor.objects.select_for_update().get(pk=1)
    if cursor.position != position:
        return 0  # another run was faster
    batch = _considered(calls, acts, now)
    alarms = [*_alarms(batch), *_alarms_of_stretches(batch.stretches, now)]
    alerts = open_alerts(alarms)
    CallScore.objects.bulk_create(
        [
            _score(call, scored, alerts.get((b.agent_id, scored.cause[:500])), now)
            for call, b, scored in batch.scored
        ],
        ignore_conflicts=True,
    )
    verdicts = [verdict for call, _, scored in batch.scored for verdict in _verdicts(call, scored)]
    record_verdicts(verdicts)
    cursor.position = reached
    cursor.save(update_fields=["position"])
    flagged = list(dict.fromkeys(verdict.call_id for verdict in verdicts))
    return give_positions(flagged) if flagged else 0


def _considered(calls: Sequence[ToolCall], acts: Mapping[UUID, Act], now: datetime) -> Batch:
    """Every call in the order it began, held against the baseline of its agent as it was then, which learns from it."""
    held_against, rules = rolling_of(calls), rules_for({call.known_agent_id for call in calls})
    baselines = {baseline.pk: baseline for baseline in held_against.values()}
    watches = {
        pk: Watch(Profile.from_json(baseline.profile), rules[baseline.agent_id])
        for pk, baseline in baselines.items()
    }
    batch = Batch()
    for call in sorted(calls, key=lambda one: (one.started_at, one.pk)):
        if call.pk in held_against:
            baseline = held_against[call.pk]
            batch.scored.append((call, baseline, watches[baseline.pk].consider(acts[call.pk])))
    for pk, watch in watches.items():
        if watch.is_ready:
            found = of_stretches(watch.profile, now, watch.rules.rate, watch.rules.off)
            batch.stretches += [(baselines[pk], one) for one in found if one.detector != "silence"]
        baselines[pk].profile, baselines[pk].calls = watch.profile.as_json(), watch.profile.learnt
        baselines[pk].updated_at = _last_at(watch.profile, now)
    Baseline.objects.bulk_update(baselines.values(), ["profile", "calls", "updated_at"])
    return batch


def _last_at(profile: Profile, now: datetime) -> datetime:
    """When its newest call began: a late call of a version that was replaced does not make its baseline the newest."""
    return min(datetime.fromisoformat(profile.last_at), now) if profile.last_at else now


def _alarms(batch: Batch) -> Iterator[Alarm]:
    for call, baseline, scored in batch.scored:
        if scored.cause:
            first = scored.judgement.causes[0]
            yield Alarm(baseline, scored.cause, first, scored.judgement.score, call.started_at, call.pk)


def _alarms_of_stretches(found: Sequence[tuple[Baseline, Surprise]], now: datetime) -> list[Alarm]:
    return [Alarm(baseline, one.cause, one, one.nats, now) for baseline, one in found]


def _score(call: ToolCall, scored: Scored, alert: object, now: datetime) -> CallScore:
    causes = [
        {"detector": one.detector, "nats": round(one.nats, 2), "reason": one.reason}
        for one in scored.judgement.causes[:TOLD_CAUSES]
        if one.nats >= LEAST_TOLD
    ]
    return CallScore(
        call_id=call.pk, agent_id=call.known_agent_id, alert=alert if scored.cause else None,  # type: ignore[misc]
        score=scored.judgement.score, bar=min(scored.bar, 1e6), causes=causes, scored_at=now,
    )  # fmt: skip


def _verdicts(call: ToolCall, scored: Scored) -> list[Verdict]:
    """A verdict of each detector that stands behind an alarm: the strongest, and others that alone would pass."""
    if not scored.cause:
        return []
    first, *others = scored.judgement.causes
    behind = [first, *(one for one in others if one.nats > scored.bar)]
    return [
        Verdict(
            call.pk, Outcome.ANOMALY, one.reason, f"behaviour.{one.detector}", f"behaviour.{one.detector}"
        )
        for one in behind
    ]
