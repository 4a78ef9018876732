"""Calls that wait, as an inbox shows them: by when they have to be decided, riskiest first, alike ones as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Avg, Count, Q
from django.utils import timezone

from apps.agents.models import Agent
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.oversight.models import Approval, ApprovalVote

MOST = 300
ALIKE_FROM = 3
HURRY = timedelta(minutes=10)
BLIND_S = 3.0


@dataclass(frozen=True)
class Item:
    """One line: a call, or several alike that may be decided together."""

    first: Approval
    approvals: Sequence[Approval]

    @property
    def is_group(self) -> bool:
        return len(self.approvals) > 1

    @property
    def ids(self) -> str:
        return ",".join(str(one.pk) for one in self.approvals)


@dataclass(frozen=True)
class Group:
    """Lines with the same deadline."""

    title: str
    items: Sequence[Item]
    is_urgent: bool = False

    @property
    def count(self) -> int:
        return sum(len(item.approvals) for item in self.items)


@dataclass(frozen=True)
class Week:
    """The last seven days of one person's desk. `median_s` None: nothing was decided."""

    decided: int
    median_s: float | None
    expired: int
    blind: int

    @property
    def median_ms(self) -> float:
        return (self.median_s or 0.0) * 1000

    @property
    def is_rubber_stamp(self) -> bool:
        """Mostly yes, mostly unread."""
        return self.decided >= 20 and self.blind > self.decided / 2


def waiting_for(actor: Principal) -> list[Approval]:
    """What the actor may decide about, riskiest first. One query."""
    agents = Agent.objects.visible_to(actor, Permission.APPROVALS_DECIDE)
    rows = Approval.objects.open().filter(agent__in=agents, expires_at__gt=timezone.now())
    return list(rows.select_related("agent", "assignee", "requested_by")[:MOST])


def groups_of(approvals: Iterable[Approval], now: datetime) -> list[Group]:
    """Those that run out soon come first; alike ones (agent, tool, reason) are one line from three on."""
    soon: list[Approval] = []
    later: list[Approval] = []
    for one in approvals:
        (soon if one.expires_at - now <= HURRY else later).append(one)
    found = [
        Group("Runs out within ten minutes", _items(soon), is_urgent=True),
        Group("Later", _items(later)),
    ]
    return [group for group in found if group.items]


def _items(approvals: Iterable[Approval]) -> list[Item]:
    alike: dict[tuple[object, ...], list[Approval]] = {}
    for one in approvals:
        alike.setdefault(
            (one.agent_id, one.tool_name, one.operation, one.code, one.kind, one.needed), []
        ).append(one)
    items: list[Item] = []
    for rows in alike.values():
        if len(rows) >= ALIKE_FROM and rows[0].kind == Approval.Kind.APPROVE and rows[0].needed == 1:
            items.append(Item(rows[0], rows))
        else:
            items += [Item(one, [one]) for one in rows]
    return sorted(items, key=lambda item: (-item.first.risk, item.first.created_at))


def week_of(actor: Principal) -> Week:
    """Three queries."""
    since = timezone.now() - timedelta(days=7)
    votes = ApprovalVote.objects.filter(person=actor, voted_at__gte=since)
    told = votes.aggregate(
        n=Count("pk"),
        blind=Count("pk", filter=Q(approves=True, open_s__lt=BLIND_S)),
        open_s=Avg("open_s"),
    )
    waits = [
        (vote.voted_at - vote.approval.created_at).total_seconds()
        for vote in votes.select_related("approval").order_by("-voted_at")[:500]
    ]
    agents = Agent.objects.visible_to(actor, Permission.APPROVALS_DECIDE)
    expired = Approval.objects.filter(agent__in=agents, state="expired", decided_at__gte=since).count()
    median = sorted(waits)[len(waits) // 2] if waits else None
    return Week(told["n"], median, expired, told["blind"])


def earlier_like(approval: Approval) -> list[Approval]:
    """How the same kind of call of the same agent was decided before, newest first. One query."""
    rows = Approval.objects.filter(agent=approval.agent_id, tool_name=approval.tool_name).exclude(
        pk=approval.pk
    )
    return list(rows.exclude(state="pending").select_related("decided_by").order_by("-created_at")[:5])


def deciders(approval: Approval, besides: Principal) -> list[Principal]:
    """Who else may be handed it: the agent's owner and deputy, and whoever answered for it before."""
    agent = approval.agent
    people = {one.pk: one for one in (agent.owner, agent.deputy) if one is not None}
    votes = (
        ApprovalVote.objects.filter(approval__agent=agent).select_related("person").order_by("-voted_at")[:50]
    )
    people |= {vote.person_id: vote.person for vote in votes}
    return [one for one in people.values() if one.pk != besides.pk and one.is_active]
