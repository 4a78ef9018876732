"""Reading how true the register is: queues with their counts, and how they shrank."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Avg, Count, QuerySet
from django.utils import timezone

from apps.agents.models import Agent, Campaign, CampaignMail, QualitySnapshot
from apps.agents.quality import QUEUES, Queue, completeness_expression, open_faults

DAYS = 30


@dataclass(frozen=True)
class QueueLine:
    """One queue as the page shows it; `history` is its count of each day, oldest first."""

    queue: Queue
    count: int
    history: list[int]

    @property
    def change(self) -> int | None:
        """Against the oldest day shown; None while there is one day only."""
        return self.count - self.history[0] if len(self.history) > 1 else None


def quality_queues(visible: QuerySet[Agent]) -> list[QueueLine]:
    """Every queue with how many of these agents stand in it, the fullest first."""
    counts, history = open_faults(visible), _history()
    lines = [QueueLine(queue, counts[key], history.get(key, [])) for key, queue in QUEUES.items()]
    return sorted(lines, key=lambda line: -line.count)


def average_completeness(visible: QuerySet[Agent]) -> int | None:
    """Per cent over these agents; None without any."""
    shares = visible.order_by().annotate(share=completeness_expression())
    average = shares.aggregate(average=Avg("share"))["average"]
    return None if average is None else int(average)


def burn_down() -> list[tuple[str, int]]:
    """Faults over all queues of each of the last days, oldest first: (ISO day, agents in queues)."""
    since = timezone.localdate() - timedelta(days=DAYS)
    totals: dict[str, int] = {}
    for day, agents in QualitySnapshot.objects.filter(day__gte=since).values_list("day", "agents"):
        totals[day.isoformat()] = totals.get(day.isoformat(), 0) + agents
    return sorted(totals.items())


def _history() -> dict[str, list[int]]:
    since = timezone.localdate() - timedelta(days=DAYS)
    found: dict[str, list[int]] = {}
    for queue, agents in QualitySnapshot.objects.filter(day__gte=since).values_list("queue", "agents"):
        found.setdefault(queue, []).append(agents)
    return found


@dataclass(frozen=True)
class MailFigures:
    """What became of a campaign's mails: how many sent, on their way, never sent because none was set up, and those that
    failed (at most a hundred)."""

    is_on: bool
    sent: int
    waiting: int
    off: int
    failed: list[CampaignMail]


def mail_figures(campaign: Campaign) -> MailFigures:
    """Two queries."""
    counts = dict(campaign.mails.order_by().values_list("state").annotate(count=Count("pk")))
    failed = campaign.mails.filter(state=CampaignMail.State.FAILED).select_related("person")[:100]
    waiting = counts.get("waiting", 0) + counts.get("sending", 0)
    return MailFigures(
        settings.MAIL_IS_ON, counts.get("sent", 0), waiting, counts.get("off", 0), list(failed)
    )
