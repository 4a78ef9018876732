"""Reminders of a campaign by mail, handed to a real SMTP server; and drafts taken back."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.agents.models import Agent, Campaign, CampaignMail
from apps.agents.services.mailing import send_again, send_waiting_mails
from apps.agents.services.review import begin_campaign, close_campaign, confirm_agent, remind_owners
from apps.identity.models import Principal
from apps.identity.roles import Role
from apps.kit.errors import Conflict
from tests import factories

pytestmark = pytest.mark.django_db


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


class Inbox:
    """What the server took; an address that begins with `gone` is refused, every mail while it is `full`."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.full = False

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("gone"):
            return "550 No such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.full:
            return "452 Come back later"
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        return "250 OK"


@pytest.fixture
def inbox(settings: Any) -> Iterator[Inbox]:
    inbox, port = Inbox(), free_port()
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    settings.MAIL_IS_ON, settings.EMAIL_BACKEND = True, "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.PUBLIC_URL = "https://chancery.example"
    yield inbox
    controller.stop()


def ask(curator: Principal, days: int = 20) -> tuple[Campaign, Agent, Agent]:
    owner = factories.make_person(Role.OWNER)
    first = factories.make_agent("registered", tier=2, name="refunds", owner=owner)
    second = factories.make_agent("registered", tier=2, name="letters", owner=owner)
    due = timezone.localdate() + timedelta(days=days)
    return (
        begin_campaign("Q4", Agent.objects.all(), due_on=due, actor=curator, note="For the audit."),
        first,
        second,
    )


def test_an_owner_gets_one_mail_that_lists_their_agents_and_none_twice(
    inbox: Inbox, curator: Principal
) -> None:
    campaign, first, second = ask(curator)
    remind_owners()
    remind_owners()
    assert send_waiting_mails() == 1
    assert send_waiting_mails() == 0
    (mail,) = inbox.mails
    assert mail["To"] == first.owner.person.email
    assert mail["Subject"] == f"Confirm 2 agents by {campaign.due_on:%-d %B %Y}: Q4"
    text = mail.get_content()
    for part in (
        f"https://chancery.example/agents/{first.pk}/",
        second.ref,
        "For the audit.",
        f"/campaigns/{campaign.pk}/",
    ):
        assert part in text
    assert CampaignMail.objects.get().state == "sent"


def test_once_the_day_is_past_the_deputy_is_told_that_the_owner_has_not_answered(
    inbox: Inbox, curator: Principal
) -> None:
    campaign, first, second = ask(curator)
    remind_owners(campaign.due_on)
    confirm_agent(second, actor=second.owner)
    remind_owners(campaign.due_on + timedelta(days=1))
    assert send_waiting_mails() == 3
    late = {mail["To"]: mail for mail in inbox.mails if mail["Subject"].startswith("Overdue")}
    assert set(late) == {first.owner.person.email, first.deputy.person.email}
    assert "you are its deputy" in late[first.deputy.person.email].get_content()
    assert "letters" not in late[first.owner.person.email].get_content(), "it is confirmed"


def test_what_the_server_puts_off_is_tried_again_and_what_it_refuses_is_shown(
    inbox: Inbox, curator: Principal
) -> None:
    campaign, first, _ = ask(curator)
    inbox.full = True
    remind_owners()
    assert send_waiting_mails() == 0
    mail = CampaignMail.objects.get()
    assert (mail.state, mail.attempts) == ("waiting", 1)
    assert "452" in mail.problem
    assert send_waiting_mails() == 0, "not before its pause is over"
    inbox.full = False
    CampaignMail.objects.update(tried_at=timezone.now() - timedelta(hours=1))
    assert send_waiting_mails() == 1
    first.owner.person.email = "gone@example.org"
    first.owner.person.save()
    remind_owners(campaign.due_on - timedelta(days=7))
    assert send_waiting_mails() == 0
    client = Client()
    client.force_login(curator.person, backend="apps.identity.auth.PersonBackend")
    page = client.get(reverse("agents:campaign", args=[campaign.pk])).content.decode()
    assert "550 No such mailbox" in page
    failed = CampaignMail.objects.get(state="failed")
    client.post(reverse("agents:campaign-mail", args=[campaign.pk, failed.pk]))
    failed.refresh_from_db()
    assert failed.state == "waiting"


def test_a_mail_that_may_have_gone_out_is_not_sent_again_by_itself(inbox: Inbox, curator: Principal) -> None:
    ask(curator)
    remind_owners()
    CampaignMail.objects.update(state="sending", tried_at=timezone.now() - timedelta(hours=1))
    assert send_waiting_mails() == 0
    mail = CampaignMail.objects.get()
    assert mail.state == "failed"
    assert "not known" in mail.problem
    send_again(mail, actor=curator)
    assert send_waiting_mails() == 1
    with pytest.raises(Conflict):
        send_again(mail, actor=curator)


def test_a_server_that_is_away_and_a_campaign_that_is_closed(
    inbox: Inbox, curator: Principal, settings: Any
) -> None:
    campaign, _, _ = ask(curator)
    remind_owners()
    settings.EMAIL_PORT = free_port()
    send_waiting_mails()
    assert "could not be reached" in CampaignMail.objects.get().problem
    close_campaign(campaign, actor=curator, reason="Enough")
    CampaignMail.objects.update(tried_at=None)
    send_waiting_mails()
    assert CampaignMail.objects.get().state == "failed"


def test_somebody_who_left_gets_none(inbox: Inbox, curator: Principal) -> None:
    campaign, first, _ = ask(curator)
    campaign.title = "Q4\nBcc: everybody@example.org"
    campaign.save()
    remind_owners()
    Principal.objects.filter(pk=first.owner_id).update(is_active=False)
    other = factories.make_person(Role.OWNER)
    CampaignMail.objects.create(campaign=campaign, person=other, step=1)
    assert send_waiting_mails() == 1
    assert [mail["To"] for mail in inbox.mails] == [other.person.email]
    assert inbox.mails[0]["Bcc"] is None
    assert CampaignMail.objects.get(person=first.owner).problem == "This person has no open account."


def test_without_a_server_the_page_says_so(curator: Principal) -> None:
    campaign, _, _ = ask(curator)
    remind_owners()
    assert CampaignMail.objects.get().state == "off"
    client = Client()
    client.force_login(curator.person, backend="apps.identity.auth.PersonBackend")
    page = client.get(reverse("agents:campaign", args=[campaign.pk])).content.decode()
    assert "No mail is sent from here." in page
