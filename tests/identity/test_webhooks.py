"""Webhooks out, against a real receiver that verifies with the standard's own library."""

from __future__ import annotations

import ipaddress
import os
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from apps.agents.services.blueprints import Definition, create_blueprint
from apps.agents.services.dependencies import Node, declare_dependency
from apps.identity.ledger.notes import Signer
from apps.identity.models import LedgerEntry, Principal, WebhookDelivery, WebhookEndpoint
from apps.identity.roles import Role
from apps.identity.services import deliveries
from apps.identity.services.ledger import record_act
from apps.identity.services.webhooks import EndpointDraft, create_endpoint, enable_endpoint, rotate_secret
from apps.identity.signing import GIVE_UP_AFTER
from apps.kit.errors import InvalidInput, NotPermitted
from apps.kit.outgoing import NotSent, is_public
from tests import factories
from tests.identity.test_ledger import ORIGIN, sequence_over
from tests.receiver import Receiver

State = WebhookDelivery.State


def act(
    action: str = "agents.agent.confirmed", target: tuple[str, Any] = ("agent", "x"), **detail: Any
) -> LedgerEntry:
    with transaction.atomic():
        return record_act(action, actor=factories.make_source(), target=target, detail=detail)


def deliver() -> int:
    """What the worker does, once the sequencer has sealed what waits."""
    sequence_over(os.environ["CHANCERY_TEST_SEQUENCER_URL"], Signer.generate(ORIGIN))
    while deliveries.fan_out():
        pass
    return deliveries.send_due()


def endpoint_at(url: str, actor: Principal, *events: str, **draft: Any) -> tuple[WebhookEndpoint, str]:
    made = create_endpoint(EndpointDraft("Chat", url, list(events or ["agents.*"]), **draft), actor=actor)
    return made.endpoint, made.secret


@pytest.mark.django_db(transaction=True)
class TestDelivering:
    def test_a_failure_told_late_does_not_undo_a_delivery(
        self, receiver: Receiver, administrator: Principal
    ) -> None:
        """Its lease ran out and somebody else delivered it meanwhile."""
        endpoint_at(receiver.url, administrator)
        act()
        deliver()
        stale = WebhookDelivery.objects.get()
        assert stale.state == State.DELIVERED
        deliveries._settle(stale, NotSent("Too late."))
        stale.refresh_from_db()
        assert (stale.state, stale.tries.count()) == (State.DELIVERED, 2)

    def test_what_waits_for_a_disabled_endpoint_is_given_up_in_the_end(
        self, receiver: Receiver, administrator: Principal
    ) -> None:
        endpoint_at(receiver.url, administrator)
        act()
        receiver.answers = [(500, b"")]
        deliver()
        WebhookEndpoint.objects.update(is_enabled=False)
        deliveries.forget_deliveries()
        assert WebhookDelivery.objects.get().state == State.WAITING
        WebhookDelivery.objects.update(created_at=timezone.now() - timedelta(days=4))
        deliveries.forget_deliveries()
        assert WebhookDelivery.objects.get().state == State.GIVEN_UP

    def test_an_act_arrives_signed_so_that_the_standard_library_takes_it(
        self, receiver: Receiver, administrator: Principal
    ) -> None:
        agent = factories.make_agent("registered", tier=2, name="Order desk")
        _, secret = endpoint_at(receiver.url, administrator)
        entry = act(target=("agent", agent.pk), changes={"owner": ["Jan", "Mira"]})
        act("identity.team.created", name="x")
        assert deliver() == 1
        ((headers, body),) = receiver.got
        event = Webhook(secret).verify(body, headers)
        assert (event["type"], event["data"]["entry"]) == ("agents.agent.confirmed", entry.pk)
        target = {"type": "agent", "id": str(agent.pk), "name": "Order desk", "slug": agent.slug}
        assert event["data"]["target"] == target
        assert event["data"]["detail"] == {"changes": {"owner": ["Jan", "Mira"]}}
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body + b" ", headers)
        delivery = WebhookDelivery.objects.get()
        assert (delivery.state, delivery.tries.get().answer) == (State.DELIVERED, "taken")
        assert deliver() == 0, "an event goes out once"

    def test_for_a_day_after_rotation_either_secret_verifies(
        self, receiver: Receiver, administrator: Principal
    ) -> None:
        endpoint, first = endpoint_at(receiver.url, administrator)
        second = rotate_secret(endpoint, actor=administrator).secret
        act()
        deliver()
        for secret in (first, second):
            assert Webhook(secret).verify(receiver.got[0][1], receiver.got[0][0])
        WebhookEndpoint.objects.update(former_until=timezone.now())
        act()
        deliver()
        with pytest.raises(WebhookVerificationError):
            Webhook(first).verify(receiver.got[1][1], receiver.got[1][0])
        stored = WebhookEndpoint.objects.get().secret
        assert second not in stored

    def test_a_refused_event_is_tried_again_later_under_its_id_and_given_up_after_three_days(
        self, receiver: Receiver, administrator: Principal
    ) -> None:
        endpoint, _ = endpoint_at(receiver.url, administrator)
        receiver.answers = [(503, b"x" * 3000), (302, b""), (500, b"")]
        act()
        deliver()
        delivery = WebhookDelivery.objects.get()
        assert (delivery.state, delivery.attempts) == (State.WAITING, 1)
        assert len(delivery.tries.get().answer) == 1024
        assert timedelta(seconds=1) < delivery.due_at - timezone.now() < timedelta(seconds=8)
        assert deliver() == 0, "not before it is due"
        WebhookDelivery.objects.update(due_at=timezone.now())
        deliver()
        assert delivery.tries.first().status == 302, "no redirect is followed"
        endpoint.refresh_from_db()
        assert endpoint.failing_since
        WebhookDelivery.objects.update(
            due_at=timezone.now(), created_at=timezone.now() - GIVE_UP_AFTER - timedelta(minutes=1)
        )
        deliver()
        delivery.refresh_from_db()
        assert delivery.state == State.GIVEN_UP
        assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1

    def test_a_killed_process_loses_no_event(self, receiver: Receiver, administrator: Principal) -> None:
        endpoint_at(receiver.url, administrator)
        act()
        act()
        sequence_over(os.environ["CHANCERY_TEST_SEQUENCER_URL"], Signer.generate(ORIGIN))
        with transaction.atomic():  # killed before the cursor's step was committed
            deliveries.fan_out()
            transaction.set_rollback(True)
        assert not WebhookDelivery.objects.exists()
        deliveries.fan_out()
        assert len(deliveries._leased()) == 2  # killed after the lease, before anything was sent
        assert deliveries.send_due() == 0
        WebhookDelivery.objects.update(due_at=timezone.now())
        assert deliveries.send_due() == 2
        assert WebhookDelivery.objects.filter(state=State.DELIVERED).count() == 2

    def test_an_endpoint_that_fails_for_five_days_is_disabled_and_its_gap_replayed(
        self, receiver: Receiver, administrator: Principal
    ) -> None:
        endpoint, secret = endpoint_at(receiver.url, administrator)
        began = timezone.now()
        receiver.answers = [(500, b"")]
        WebhookEndpoint.objects.update(failing_since=timezone.now() - timedelta(days=6))
        missed = act()
        deliver()
        endpoint.refresh_from_db()
        assert not endpoint.is_enabled
        assert LedgerEntry.objects.filter(action="identity.webhook.disabled").exists()
        page = signed_in(administrator)
        assert "A webhook is disabled." in page.get("/webhooks/").content.decode()
        while_off = act()
        assert deliver() == 0
        WebhookDelivery.objects.update(state=State.GIVEN_UP)
        enable_endpoint(endpoint, actor=administrator)
        count = deliveries.replay_range(endpoint, began, timezone.now(), actor=administrator)
        assert count == 2
        deliver()
        told = {Webhook(secret).verify(body, headers)["data"]["entry"] for headers, body in receiver.got[1:]}
        assert told == {missed.pk, while_off.pk}
        with pytest.raises(InvalidInput):
            deliveries.replay_range(endpoint, timezone.now(), began, actor=administrator)

    def test_a_teams_endpoint_is_told_of_that_team_alone(
        self, receiver: Receiver, administrator: Principal
    ) -> None:
        ours, theirs = factories.make_team(), factories.make_team()
        lead = factories.make_person(Role.ADMINISTRATOR, ours)
        _, secret = endpoint_at(receiver.url, lead, "*", team=ours)
        with pytest.raises(NotPermitted):
            endpoint_at(receiver.url, lead, "*")
        mine = factories.make_agent("registered", tier=1, team=ours)
        act(target=("agent", mine.pk))
        act(target=("agent", factories.make_agent("registered", tier=1, team=theirs).pk))
        act("compliance.drift.run", target=("job", "drift"))
        deliver()
        events = [Webhook(secret).verify(body, headers) for headers, body in receiver.got]
        assert {event["type"] for event in events} == {"identity.webhook.created", "agents.agent.confirmed"}
        assert str(mine.pk) in {event["data"]["target"]["id"] for event in events}

    def test_a_teams_endpoint_is_not_told_which_agent_of_another_team_is_meant(
        self, receiver: Receiver, administrator: Principal
    ) -> None:
        ours, theirs = factories.make_team(), factories.make_team()
        _, secret = endpoint_at(receiver.url, administrator, "agents.*", team=ours)
        mine, second = (factories.make_agent("registered", tier=1, team=ours) for _ in range(2))
        stranger = factories.make_agent("registered", tier=1, team=theirs, name="sweep_planner")
        for other in (second, stranger):
            declare_dependency(
                Node("agent", mine.pk),
                Node("agent", other.pk),
                "calls",
                actor=factories.make_person(Role.CURATOR),
            )
        deliver()
        events = [Webhook(secret).verify(body, headers)["data"] for headers, body in receiver.got]
        told = sorted((event["detail"] for event in events if "relation" in event["detail"]), key=len)
        assert [detail["target"] for detail in told] == ["an agent of another team", f"agent {second.name}"]
        assert ["target_id" in detail for detail in told] == [False, True]
        assert "sweep_planner" not in str(events)
        assert str(stranger.pk) not in str(events)

    def test_the_rail_counts_webhooks_that_failed_and_says_so(
        self, receiver: Receiver, administrator: Principal
    ) -> None:
        endpoint_at(receiver.url, administrator)
        assert "Webhooks</a>" in signed_in(administrator).get("/webhooks/").content.decode()
        WebhookEndpoint.objects.update(is_enabled=False, disabled_reason="It answered 410, Gone.")
        cache.clear()
        assert "1 failed</span></a>" in signed_in(administrator).get("/webhooks/").content.decode()

    def test_a_teams_endpoint_is_told_what_is_done_to_its_blueprints(
        self, receiver: Receiver, administrator: Principal
    ) -> None:
        ours = factories.make_team()
        _, secret = endpoint_at(receiver.url, administrator, "agents.blueprint.*", team=ours)
        for name, team in (("Branch desk", ours), ("Theirs", factories.make_team())):
            create_blueprint(Definition(name, team=team), actor=factories.make_person(Role.CURATOR))
        deliver()
        (event,) = [Webhook(secret).verify(body, headers) for headers, body in receiver.got]
        assert (event["type"], event["data"]["target"]["name"]) == ("agents.blueprint.created", "Branch desk")

    def test_rest_and_pages_show_the_secret_once_and_the_log(
        self, receiver: Receiver, administrator: Principal
    ) -> None:
        client = factories.client_of(administrator, "read", "write")
        wrong = client.post("/api/v1/webhooks", {"name": "A", "url": receiver.url, "events": ["agent.*"]})
        assert wrong.data["fields"]["events"] == "No act is called agent.*"
        made = client.post("/api/v1/webhooks", {"name": "A", "url": receiver.url, "events": ["agents.*"]})
        assert made.data["secret"].startswith("whsec_")
        address = f"/api/v1/webhooks/{made.data['id']}"
        assert "secret" not in client.get(address).data
        assert client.post(f"{address}/test").status_code == 202
        deliveries.send_due()
        (row,) = client.get(f"{address}/deliveries").data["results"]
        assert (row["action"], row["tries"][0]["status"]) == ("webhook.test", 200)
        page = signed_in(administrator)
        shown = page.get(f"/webhooks/{made.data['id']}/").content.decode()
        assert "webhook.test" in shown
        assert "whsec_" not in shown
        answer = page.post("/webhooks/new/", {"name": "B", "url": receiver.url, "families": ["agents.*"]})
        assert "whsec_" in answer.content.decode()
        answer = page.post(
            "/webhooks/new/", {"name": "C", "url": "http://10.0.0.1/", "families": ["agents.*"]}
        )
        assert answer.status_code == 422
        assert "is not a public address" in answer.content.decode()


def test_public_is_what_anybody_can_reach() -> None:
    for text, expected in (
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("224.0.0.1", False),
        ("fec0::1", False),
        ("64:ff9b:1::a00:1", False),
        ("::7f00:1", False),
        ("::ffff:0:127.0.0.1", False),
        ("192.0.0.192", False),
        ("2002:7f00:1::", False),
    ):
        assert is_public(ipaddress.ip_address(text)) is expected, text


def signed_in(person: Principal) -> Client:
    client = Client()
    client.force_login(person.person, backend="apps.identity.auth.PersonBackend")
    return client
