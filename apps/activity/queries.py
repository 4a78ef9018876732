"""Reading activity for pages: the pulse of the fleet, a conversation. An agent's days: rollups.queries."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, QuerySet
from django.db.models.functions import TruncMinute
from django.utils import timezone

from apps.activity.models import FeedPosition, Outcome, ToolCall
from apps.agents.models import Agent
from apps.identity.models import Principal
from apps.kit.ids import first_id_at, id_or_none
from apps.kit.ui.charts import Bin, OutcomeSeries
from apps.kit.ui.formats import percent

PULSE_MINUTES = 60
SIBLINGS = 50
MOST_COUNTED = 200_000
MOST_TO_CHOOSE = 200


@dataclass(frozen=True)
class Pulse:
    """The last hour, or the newest 200,000 calls of it: calls a minute by outcome, and their sums."""

    series: OutcomeSeries
    counts: Mapping[str, int]
    is_cut: bool = False

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def allowed_share(self) -> str:
        return percent(self.counts["allowed"] / self.total) if self.total else percent(None)


def pulse(actor: Principal) -> Pulse:
    """Calls of the last hour that `actor` may see; two queries, pruned to the hour by id."""
    now = timezone.now()
    since = (now - timedelta(minutes=PULSE_MINUTES - 1)).replace(second=0, microsecond=0)
    visible = ToolCall.objects.visible_to(actor).filter(pk__gte=first_id_at(since - timedelta(minutes=5)))
    rows, is_cut = _newest(visible)
    counted = _counted(rows.filter(started_at__gte=since), TruncMinute("started_at"))
    moments = [since + timedelta(minutes=at) for at in range(PULSE_MINUTES)]
    bins = [Bin(f"{moment:%H:%M}", counted.get(moment, {})) for moment in moments]
    sums = Counter(dict.fromkeys(Outcome.values, 0))
    for one in bins:
        sums.update(one.counts)
    return Pulse(OutcomeSeries(bins), sums, is_cut)


def agents_to_choose(chosen: str, *, actor: Principal) -> list[Agent]:
    """The 200 agents that acted last, and the chosen one, by name; two queries."""
    agents = Agent.objects.visible_to(actor).only("pk", "name")
    lately = {
        agent.pk: agent for agent in agents.exclude(last_seen=None).order_by("-last_seen")[:MOST_TO_CHOOSE]
    }
    wanted = id_or_none(chosen)
    if wanted and wanted not in lately:
        lately |= {agent.pk: agent for agent in agents.filter(pk=wanted)}
    return sorted(lately.values(), key=lambda agent: agent.name.lower())


def conversation_of(call: ToolCall, *, actor: Principal) -> Sequence[ToolCall]:
    """The calls of the same conversation, oldest first, at most 50."""
    if not call.conversation_id:
        return [call]
    visible = ToolCall.objects.visible_to(actor).select_related("agent")
    same = visible.filter(conversation_id=call.conversation_id, source_id=call.source_id)
    near = same.filter(
        pk__gte=first_id_at(call.started_at - timedelta(days=1)),
        pk__lt=first_id_at(call.started_at + timedelta(days=2)),
    )
    return list(near.order_by("started_at")[:SIBLINGS])


def last_position() -> int:
    """The newest position of all; 0 when there is none. Every call up to it is committed."""
    return FeedPosition.objects.values_list("last", flat=True).first() or 0


def _newest(rows: QuerySet[ToolCall]) -> tuple[QuerySet[ToolCall], bool]:
    """No more than the newest 200,000 of these rows, and whether there are more: counting them has an end."""
    edge = rows.order_by("-pk").values_list("pk", flat=True)[MOST_COUNTED : MOST_COUNTED + 1].first()
    return (rows, False) if edge is None else (rows.filter(pk__gt=edge), True)


def _counted(rows: QuerySet[ToolCall], bucket: TruncMinute) -> dict[datetime, dict[str, int]]:
    found: dict[datetime, dict[str, int]] = defaultdict(dict)
    for moment, outcome, count in (
        rows.order_by().annotate(bucket=bucket).values_list("bucket", "outcome").annotate(count=Count("pk"))
    ):
        found[moment][outcome] = count
    return found
