"""Activity by the clock."""

from celery import shared_task
from django.conf import settings

from apps.activity.partitions import create_partitions


@shared_task(name="activity.create_partitions")
def make_partitions() -> int:
    """Hourly: make the partitions of the coming days; returns how many were new."""
    return create_partitions(settings.PARTITION_DAYS_AHEAD)
