"""Webhooks out, against a real receiver that verifies with the standard's own library."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
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
from apps.kit import outgoing
from apps.kit.errors import InvalidInput, NotPermitted
from apps.kit.outgoing import NotSent, is_public, post
from tests import factories
from tests.identity.test_ledger import ORIGIN, sequence_over

State = WebhookDelivery.State


class Receiver:
    """A server that keeps what it got and answers as told; 200 once nothing is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((dict(self.headers), body))
                status, answer = outer.answers.pop(0) if outer.answers else (200, b"taken")
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.send_header("Location", "http://169.254.169.254/")
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_port}/hook"


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.OUTGOING_ALLOW = ["127.0.0.0/8", "::1"]
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, daemon=True)
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


@pytest.fixture
def administrator() -> Principal:
    return factories.make_person(Role.ADMINISTRATOR)


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


class TestTheDoor:
    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1/", "https://localhost/", "https://169.254.169.254/latest/meta-data", "https://10.1.2.3/",
            "https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::a9fe:a9fe]/", "https://[fd00::1]/",
            "https://0.0.0.0/", "https://100.64.0.1/", "https://2130706433/", "https://0x7f.1/", "http://93.184.216.34/",
            "ftp://example.org/", "https://user:pass@93.184.216.34/",
        ],
    )  # fmt: skip
    def test_what_is_not_public_is_refused_however_it_is_written(self, url: str) -> None:
        with pytest.raises(NotSent) as refused:
            post(url, b"", {})
        assert refused.value.is_refused

    def test_a_listed_network_is_open_and_no_other(self, receiver: Receiver, settings: Any) -> None:
        assert post(receiver.url, b"{}", {}).status == 200
        settings.OUTGOING_ALLOW = ["10.0.0.0/8"]
        with pytest.raises(NotSent):
            post(receiver.url, b"{}", {})
        settings.OUTGOING_ALLOW = ["localhost"]
        assert post(receiver.url, b"{}", {}).body == b"taken"
        assert receiver.got[-1][0]["Host"].startswith("localhost:")

    def test_a_name_is_resolved_once_and_tls_verifies_it(
        self, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.OUTGOING_ALLOW = ["127.0.0.0/8"]
        authority = write_certificate(tmp_path, "hooks.example.test")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        outgoing.trusted.cache_clear()
        asked: list[str] = []
        real = socket.getaddrinfo

        def resolve(host: str, *rest: Any, **more: Any) -> Any:
            asked.append(host)
            inner = host.endswith(".example.test")
            return real(
                "127.0.0.1" if inner and asked.count(host) == 1 else "10.0.0.9" if inner else host,
                *rest,
                **more,
            )

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        receiver = Receiver()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority)
        receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
        thread = threading.Thread(target=receiver.server.serve_forever, daemon=True)
        thread.start()
        try:
            port = receiver.server.server_port
            assert post(f"https://hooks.example.test:{port}/", b"{}", {}).status == 200
            assert asked.count("hooks.example.test") == 1, (
                "the connection goes to the address that was checked"
            )
            with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
                post(f"https://other.example.test:{port}/", b"{}", {})
        finally:
            receiver.server.shutdown()
            receiver.server.server_close()
            thread.join()
            outgoing.trusted.cache_clear()

    def test_headers_that_drip_do_not_hold_the_call_beyond_its_deadline(self, settings: Any) -> None:
        settings.OUTGOING_ALLOW = ["127.0.0.0/8"]
        over = threading.Event()

        def drip(listening: socket.socket) -> None:
            peer, _ = listening.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 200 OK\r\n")
                for number in range(200):
                    if over.wait(0.1):
                        return
                    peer.sendall(f"X-{number}: y\r\n".encode())

        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=drip, args=[listening], daemon=True)
            thread.start()
            began = time.monotonic()
            with pytest.raises(NotSent, match="too long"):
                post(f"http://127.0.0.1:{listening.getsockname()[1]}", b"", {}, deadline_s=0.5)
            took = time.monotonic() - began
            over.set()
            thread.join()
        assert took < 5, "twenty seconds where only each read has a limit"

    def test_an_answer_is_read_up_to_its_limit(self, receiver: Receiver) -> None:
        receiver.answers = [(200, b"x" * 50_000)]
        assert len(post(receiver.url, b"", {}, most_bytes=1024).body) == 1024


def write_certificate(folder: Path, name: str) -> Path:
    """A certificate for this name that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = timezone.now()
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    )
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
    builder = builder.not_valid_after(now + timedelta(hours=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "certificate.pem"
    path.write_bytes(plain + certificate.public_bytes(serialization.Encoding.PEM))
    return path


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
