"""Saying that a record is true, asking its owner to, and counting day by day what is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from apps.agents.access import require_for
from apps.agents.models import Agent, Campaign, CampaignItem, QualitySnapshot
from apps.agents.quality import open_faults
from apps.agents.services.mailing import plan_mails
from apps.agents.services.registry import lock_agent
from apps.agents.signals import owners_reminded
from apps.identity.access import require
from apps.identity.models import Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act, system_principal
from apps.kit.errors import Conflict, InvalidInput

REMIND_BEFORE_DAYS = (14, 7, 3, 1, 0)
AT_MOST = 20_000


@dataclass(frozen=True)
class Progress:
    """How far a campaign is: confirmed, waiting, waiting past its day, asked of nobody."""

    total: int
    confirmed: int
    overdue: int
    unasked: int


@transaction.atomic
def confirm_agent(agent: Agent, *, actor: Principal) -> Agent:
    """Say that the record is true as it stands; answers every open campaign about it."""
    agent = lock_agent(agent)
    require_for(actor, Permission.AGENTS_CURATE, agent)
    now = timezone.now()
    agent.confirmed_at = now
    agent.version += 1
    agent.save(update_fields=["confirmed_at", "version", "updated_at"])
    CampaignItem.objects.filter(agent=agent, confirmed_at=None, campaign__closed_at=None).update(
        confirmed_at=now, confirmed_by=actor
    )
    record_act(
        "agents.agent.confirmed", actor=actor, target=("agent", agent.pk), detail={"version": agent.version}
    )
    return agent


@transaction.atomic
def begin_campaign(
    title: str, agents: QuerySet[Agent], *, due_on: date, actor: Principal, note: str = "", query: str = ""
) -> Campaign:
    """Ask the owner of each agent to confirm its record by a day."""
    require(actor, Permission.AGENTS_CURATE)
    _require_sound(title, agents, due_on)
    campaign = Campaign.objects.create(
        title=title.strip(), note=note, due_on=due_on, created_by=actor, query=query[:2000]
    )
    CampaignItem.objects.bulk_create(
        [
            CampaignItem(campaign=campaign, agent_id=pk, asked_id=owner)
            for pk, owner in agents.order_by("pk").values_list("pk", "owner_id")
        ],
        batch_size=1000,
    )
    detail = {"title": campaign.title, "due_on": due_on.isoformat(), "agents": campaign.items.count()}
    record_act("agents.campaign.begun", actor=actor, target=("campaign", campaign.pk), detail=detail)
    transaction.on_commit(lambda: remind_owners())
    return campaign


@transaction.atomic
def close_campaign(campaign: Campaign, *, actor: Principal, reason: str) -> Campaign:
    """End a campaign; what was not confirmed stays unconfirmed."""
    require(actor, Permission.AGENTS_CURATE)
    campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if campaign.closed_at:
        raise Conflict("This campaign is closed already.", code="agents.campaign.closed")
    campaign.closed_at = timezone.now()
    campaign.save(update_fields=["closed_at"])
    record_act("agents.campaign.closed", actor=actor, target=("campaign", campaign.pk), reason=reason)
    return campaign


@transaction.atomic
def remind_owners(today: date | None = None) -> int:
    """Remind whoever has not answered as the day comes nearer, and their deputies once it is past.

    Each step happens once however often this runs. Returns how many agents somebody was reminded of.
    """
    today = today or timezone.localdate()
    reminded = 0
    for campaign in Campaign.objects.filter(closed_at=None).order_by("pk"):
        is_late = today > campaign.due_on  # a step of its own: deputies are asked from then on
        steps = sum((campaign.due_on - today).days <= days for days in REMIND_BEFORE_DAYS) + 1 + is_late
        waiting = campaign.items.select_for_update(of=("self",)).filter(confirmed_at=None).of_agents_in_use()
        due = list(waiting.filter(reminders__lt=steps).select_related("asked", "agent__deputy"))
        _remind(campaign, due, steps, is_late=is_late)
        reminded += len(due)
    return reminded


def progress_of(campaigns: Sequence[Campaign], today: date | None = None) -> dict[object, Progress]:
    """By campaign; one query."""
    today = today or timezone.localdate()
    waiting = Q(confirmed_at=None)
    asked = Q(pk__in=CampaignItem.objects.of_agents_in_use())
    rows = CampaignItem.objects.filter(~waiting | asked, campaign__in=campaigns).values("campaign").annotate(
        total=Count("pk"),
        confirmed=Count("pk", filter=~waiting),
        overdue=Count("pk", filter=waiting & Q(campaign__due_on__lt=today)),
        unasked=Count("pk", filter=waiting & Q(asked=None)),
    )  # fmt: skip
    return {
        row["campaign"]: Progress(row["total"], row["confirmed"], row["overdue"], row["unasked"])
        for row in rows
    }


def keep_snapshot(day: date | None = None) -> dict[str, int]:
    """Write down how many agents stand in each queue today; run again, it corrects the day."""
    day = day or timezone.localdate()
    counts = open_faults(Agent.objects.on_record())
    QualitySnapshot.objects.bulk_create(
        [QualitySnapshot(day=day, queue=queue, agents=count) for queue, count in counts.items()],
        update_conflicts=True,
        unique_fields=["day", "queue"],
        update_fields=["agents"],
    )
    return counts


def _remind(campaign: Campaign, due: list[CampaignItem], steps: int, *, is_late: bool) -> None:
    now = timezone.now()
    by_person: dict[Principal, list[Agent]] = {}
    for item in due:
        item.reminders, item.reminded_at = steps, now
        if is_late and item.escalated_at is None:
            item.escalated_at = now
        for person in {item.asked, item.agent.deputy if is_late else None} - {None}:
            by_person.setdefault(person, []).append(item.agent)  # type: ignore[arg-type]
    CampaignItem.objects.bulk_update(due, ["reminders", "reminded_at", "escalated_at"], batch_size=500)
    if due:
        detail = {"people": len(by_person), "agents": len(due), "is_late": is_late}
        target = ("campaign", campaign.pk)
        record_act("agents.campaign.reminded", actor=system_principal(), target=target, detail=detail)
        plan_mails(campaign, by_person, step=steps, is_late=is_late)
        owners_reminded.send(sender=Campaign, campaign=campaign, agents_by_person=by_person, is_late=is_late)


def _require_sound(title: str, agents: QuerySet[Agent], due_on: date) -> None:
    problems = {}
    if not title.strip():
        problems["title"] = "Enter a title"
    if due_on < timezone.localdate():
        problems["due_on"] = "Choose a day that is not past"
    total = agents.count()
    if not 0 < total <= AT_MOST:
        problems["query"] = (
            "No agent matches" if not total else f"Narrow it down to at most {AT_MOST:,} agents"
        )
    if problems:
        raise InvalidInput("The campaign was not begun.", fields=problems)
