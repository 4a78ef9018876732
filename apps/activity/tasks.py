"""Activity by the clock."""

import threading
import time
from uuid import UUID

from celery import shared_task
from django.conf import settings

from apps.activity.behaviour import job
from apps.activity.effects.job import judge_effects as judge_what_is_due
from apps.activity.erasure.job import drop_forgotten, run_erasure, waiting_erasures
from apps.activity.outcomes.deriving import derive_outcomes
from apps.activity.outcomes.reading import read_notes
from apps.activity.outcomes.watch import watch_outcomes
from apps.activity.partitions import create_partitions
from apps.activity.retention.job import keep_retention
from apps.activity.rollups.rolling import roll_up
from apps.activity.words.indexing import index_words
from apps.identity.audit import acting_by_itself
from apps.kit.embeddings import local_embedder, model_name
from apps.kit.errors import Unavailable

SCORES_FOR_S = 20.0
INDEXES_FOR_S = 10.0
_scoring = threading.Lock()  # one run in this process; between processes the cursor decides


@shared_task(name="activity.create_partitions")
def make_partitions() -> int:
    """Hourly: make the partitions of the coming days; returns how many were new."""
    return create_partitions(settings.PARTITION_DAYS_AHEAD)


@shared_task(name="activity.score_calls", queue="embeddings")
def score_calls() -> int:
    """Every three seconds: hold new calls against what is usual for their agents; returns how many were read.

    Works off what waits for 20 seconds at most; the next run goes on from there.
    """
    if not _scoring.acquire(blocking=False):
        return 0
    try:
        return _score_what_waits()
    finally:
        _scoring.release()


def _score_what_waits() -> int:
    embed = local_embedder(model_name()).embed
    until, done = time.monotonic() + SCORES_FOR_S, 0
    while time.monotonic() < until:
        read = job.score_once(embed)
        done += read
        if not read:
            break
    return done


@shared_task(name="activity.judge_effects")
def judge_effects() -> int:
    """Every three seconds: did what successful calls say really happen; returns how many were looked at."""
    return judge_what_is_due()


@shared_task(name="activity.look_for_silence")
def look_for_silence() -> int:
    """Every ten minutes: alerts for agents that fell silent; returns how many were looked at."""
    return job.look_for_silence()


@shared_task(name="activity.forget_scores")
def forget_scores() -> int:
    """Daily: delete the scores of calls older than 30 days; returns how many."""
    return job.forget_scores()


@shared_task(name="activity.read_outcomes")
def read_outcomes() -> int:
    """Every 10 seconds: keep what events and spans say of outcomes; returns how many said something."""
    return read_notes()


@shared_task(name="activity.watch_outcomes")
def derive_and_watch() -> dict[str, int]:
    """Every 5 minutes: derive what nobody said, then look for changes."""
    with acting_by_itself():
        return {"derived": derive_outcomes(), "told": watch_outcomes()}


@shared_task(name="activity.roll_up")
def roll_up_hours() -> int:
    """Every three seconds: sum the hours in which something changed; returns how many."""
    return roll_up()


@shared_task(name="activity.index_words")
def index_calls() -> int:
    """Every three seconds: the words of changed calls into the index, for ten seconds at most; returns how many."""
    until, done = time.monotonic() + INDEXES_FOR_S, 0
    while (read := index_words()) and time.monotonic() < until:
        done += read
    return done + read


@shared_task(name="activity.keep_retention")
def keep_to_retention() -> int:
    """Daily: archive and delete what is too old; returns how many days of tables went. What could not go is an error."""
    done = keep_retention()
    if done.faults:
        raise Unavailable(
            f"Kept longer than the rules say: {', '.join(done.faults)}.", code="activity.retention"
        )
    return done.deleted_days


@shared_task(name="activity.erase")
def erase(erasure_id: str) -> int:
    """At once after somebody asked or confirmed: look for, or remove, a person's data; returns the steps made."""
    return run_erasure(UUID(erasure_id))


@shared_task(name="activity.resume_erasures")
def resume_erasures() -> int:
    """Every 15 seconds: go on with erasures that nobody moves; returns how many there were."""
    drop_forgotten()
    waiting = waiting_erasures()
    for erasure_id in waiting:
        run_erasure(erasure_id)
    return len(waiting)
