"""Activity by the clock."""

from celery import shared_task
from django.conf import settings

from apps.activity.outcomes.deriving import derive_outcomes
from apps.activity.outcomes.reading import read_notes
from apps.activity.outcomes.watch import watch_outcomes
from apps.activity.partitions import create_partitions
from apps.identity.audit import acting_by_itself


@shared_task(name="activity.create_partitions")
def make_partitions() -> int:
    """Hourly: make the partitions of the coming days; returns how many were new."""
    return create_partitions(settings.PARTITION_DAYS_AHEAD)


@shared_task(name="activity.read_outcomes")
def read_outcomes() -> int:
    """Every 10 seconds: keep what events and spans say of outcomes; returns how many said something."""
    return read_notes()


@shared_task(name="activity.watch_outcomes")
def derive_and_watch() -> dict[str, int]:
    """Every 5 minutes: derive what nobody said, then look for changes."""
    with acting_by_itself():
        return {"derived": derive_outcomes(), "told": watch_outcomes()}
