"""Mail for review campaigns: one to each person a reminder, sent by the worker after the reminder is committed.

A mail is written down with its reminder and claimed before it is handed to the server, so that it is sent at most
once: where a server refused it or could not be reached it is tried again, where it may have taken it nobody sends it
again unasked, and the campaign says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException, SMTPServerDisconnected
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import DurationField, ExpressionWrapper, F, Q, QuerySet, Value
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError

from apps.agents.models import Agent, Campaign, CampaignMail
from apps.identity.access import require
from apps.identity.models import Person, Principal
from apps.identity.roles import Permission
from apps.identity.services.ledger import record_act
from apps.kit.errors import Conflict

TASK = "agents.send_mails"
State = CampaignMail.State
MOST_ATTEMPTS = 5
WAIT = timedelta(minutes=5)  # times the attempts made
UNKNOWN_AFTER = timedelta(minutes=15)
UNKNOWN = "The worker died while it was being sent; whether the server took it is not known."
LISTED = 100


def plan_mails(
    campaign: Campaign, agents_by_person: Mapping[Principal, Sequence[Agent]], *, step: int, is_late: bool
) -> None:
    """Write down one mail to each person of a reminder, in its transaction. Run again for the same step, nothing is added."""
    state = State.WAITING if settings.MAIL_IS_ON else State.OFF
    known = set(campaign.mails.filter(step=step).values_list("person_id", flat=True))
    mails = {
        person: CampaignMail(campaign=campaign, person=person, step=step, is_late=is_late, state=state)
        for person in agents_by_person
        if person.pk not in known
    }
    CampaignMail.objects.bulk_create(mails.values())
    listed = CampaignMail.agents.through
    listed._default_manager.bulk_create(
        [listed(campaignmail_id=mail.pk, agent_id=agent.pk) for person, mail in mails.items() for agent in agents_by_person[person]],
        batch_size=1000,
    )  # fmt: skip
    if settings.MAIL_IS_ON:
        transaction.on_commit(wake_mailer)


def wake_mailer() -> None:
    """Wake a worker; where the broker is away, the minute's round finds what waits."""
    try:
        current_app.send_task(TASK, retry=False)
    except OperationalError:
        return


def send_waiting_mails() -> int:
    """Send what is due; returns how many were sent. Two workers share no mail."""
    _give_up_on_the_dead()
    due = list(_due().values_list("pk", flat=True)[:1000])
    return sum(_send(mail) for pk in due if (mail := _claim(pk)) is not None)


@transaction.atomic
def send_again(mail: CampaignMail, *, actor: Principal) -> CampaignMail:
    """Try a mail that was not sent once more, by the hand of somebody who takes that it may arrive twice."""
    require(actor, Permission.AGENTS_CURATE)
    mail = (
        CampaignMail.objects.select_for_update(of=("self",))
        .select_related("campaign", "person")
        .get(pk=mail.pk)
    )
    if mail.state not in (State.FAILED, State.OFF):
        raise Conflict("This mail is sent, or on its way.", code="agents.mail.not_failed")
    if not settings.MAIL_IS_ON:
        raise Conflict("No mail server is set up.", code="agents.mail.off")
    mail.state, mail.attempts, mail.problem, mail.tried_at = State.WAITING, 0, "", None
    mail.save(update_fields=["state", "attempts", "problem", "tried_at"])
    target, detail = ("campaign", mail.campaign_id), {"person": mail.person.name}
    record_act("agents.campaign.mailed_again", actor=actor, target=target, detail=detail)
    transaction.on_commit(wake_mailer)
    return mail


def _due() -> QuerySet[CampaignMail]:
    now = timezone.now()
    pause = ExpressionWrapper(F("attempts") * Value(WAIT), output_field=DurationField())
    waited = Q(tried_at=None) | Q(tried_at__lte=Value(now) - pause)
    return CampaignMail.objects.filter(waited, state=State.WAITING).order_by("created_at", "pk")


@transaction.atomic
def _claim(pk: UUID) -> CampaignMail | None:
    """The mail, marked as being sent before a byte of it leaves; None when another worker has it."""
    rows = CampaignMail.objects.select_for_update(of=("self",), skip_locked=True)
    mail = rows.select_related("campaign", "person").filter(pk=pk, state=State.WAITING).first()
    if mail is None:
        return None
    mail.state, mail.attempts, mail.tried_at = State.SENDING, mail.attempts + 1, timezone.now()
    mail.save(update_fields=["state", "attempts", "tried_at"])
    return mail


def _send(mail: CampaignMail) -> bool:
    address = (
        Person.objects.filter(principal=mail.person, principal__is_active=True, is_active=True)
        .values_list("email", flat=True)
        .first()
    )
    if address is None:
        return _failed(mail, "This person has no open account.", for_good=True)
    if mail.campaign.closed_at:
        return _failed(mail, "The campaign was closed before it was sent.", for_good=True)
    connection = get_connection()
    try:
        connection.open()
    except (SMTPException, OSError) as error:
        return _failed(mail, f"The mail server could not be reached: {error}")
    try:
        return _hand_in(mail, _message(mail, address), connection)
    finally:
        connection.close()


def _hand_in(mail: CampaignMail, message: EmailMessage, connection: BaseEmailBackend) -> bool:
    message.connection = connection
    try:
        message.send()
    except SMTPServerDisconnected:
        return _failed(mail, "The server hung up; whether it took the mail is not known.", for_good=True)
    except SMTPResponseException as error:
        words = f"The server refused it: {error.smtp_code} {_text(error.smtp_error)}"
        return _failed(mail, words, for_good=error.smtp_code >= 500)
    except SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        return _failed(mail, f"The server refused the address: {code} {_text(said)}", for_good=code >= 500)
    except SMTPException as error:
        return _failed(mail, f"It could not be handed in: {error}")
    mail.state, mail.sent_at, mail.problem = State.SENT, timezone.now(), ""
    mail.save(update_fields=["state", "sent_at", "problem"])
    return True


def _failed(mail: CampaignMail, problem: str, *, for_good: bool = False) -> bool:
    over = for_good or mail.attempts >= MOST_ATTEMPTS
    mail.state, mail.problem = State.FAILED if over else State.WAITING, problem[:400]
    mail.save(update_fields=["state", "problem"])
    return False


def _give_up_on_the_dead() -> None:
    quiet = timezone.now() - UNKNOWN_AFTER
    CampaignMail.objects.filter(state=State.SENDING, tried_at__lt=quiet).update(
        state=State.FAILED, problem=UNKNOWN
    )


def _message(mail: CampaignMail, address: str) -> EmailMessage:
    agents = list(mail.agents.order_by("name"))
    count = len(agents)
    said = f"{count} agent{'' if count == 1 else 's'}"
    due = f"{mail.campaign.due_on:%-d %B %Y}"
    subject = f"Overdue: confirm {said}" if mail.is_late else f"Confirm {said} by {due}"
    context = {
        "mail": mail,
        "campaign": mail.campaign,
        "said": said,
        "due": due,
        "agents": [
            (agent, _link("agents:detail", agent.pk), _role(agent, mail.person)) for agent in agents[:LISTED]
        ],
        "more": max(count - LISTED, 0),
        "campaign_link": _link("agents:campaign", mail.campaign_id),
        "organisation": settings.ORGANISATION,
    }
    # The same mail has the same id, so that a server that was asked twice may know it.
    headers = {
        "Message-ID": f"<{mail.pk}@{settings.LEDGER_ORIGIN.partition('/')[0]}>",
        "Auto-Submitted": "auto-generated",
    }
    body = render_to_string("agents/mail/campaign.txt", context)
    return EmailMessage(
        " ".join(f"{subject}: {mail.campaign.title}".split()), body, to=[address], headers=headers
    )


def _role(agent: Agent, person: Principal) -> str:
    return (
        "you are its deputy; its owner has not answered"
        if agent.deputy_id == person.pk != agent.owner_id
        else ""
    )


def _link(name: str, pk: UUID) -> str:
    return f"{settings.PUBLIC_URL.rstrip('/')}{reverse(name, args=[pk])}"


def _text(words: bytes | str) -> str:
    return words.decode(errors="replace") if isinstance(words, bytes) else words
