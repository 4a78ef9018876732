"""Other registers: what a Backstage catalogue reads, what a CMDB is told, against a real server with the engine's manners."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest
import yaml
from django.test import Client
from django.utils import timezone
from jsonschema import Draft7Validator
from rest_framework.test import APIClient

from apps.agents.backstage import entity_name
from apps.agents.models import Connector, DataSource, Dependency, PushedItem
from apps.agents.services.connectors import (
    ConnectorDraft,
    create_connector,
    edit_connector,
    preview_push,
    push_changes,
    request_push,
)
from apps.agents.services.dependencies import Node, declare_dependency
from apps.agents.services.registry import edit_agent
from apps.identity.ledger.notes import Signer
from apps.identity.models import LedgerEntry, Principal
from apps.identity.roles import Role
from apps.kit.errors import InvalidInput
from tests import factories
from tests.identity.test_ledger import ORIGIN, sequence_over
from tests.receiver import serving

# The rules of a Backstage entity, as its documentation tells them under "Descriptor Format".
NAME = {"type": "string", "pattern": r"^[A-Za-z0-9]+([-_.][A-Za-z0-9]+)*$", "maxLength": 63}
REFERENCE = {
    "type": "string",
    "pattern": r"^(component|resource|system|group):default/[A-Za-z0-9]+([-_.][A-Za-z0-9]+)*$",
}
KEY = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]+([-_.][A-Za-z0-9]+)*$"
ENTITY = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "backstage.io/v1alpha1"},
        "kind": {"enum": ["Component", "System", "Resource"]},
        "metadata": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": NAME,
                "title": {"type": "string", "minLength": 1},
                "annotations": {
                    "type": "object", "propertyNames": {"pattern": KEY}, "additionalProperties": {"type": "string"},
                },
                "tags": {
                    "type": "array",
                    "items": {"type": "string", "pattern": r"^[a-z0-9:+#]+(-[a-z0-9:+#]+)*$", "maxLength": 63},
                },
                "links": {"type": "array", "items": {"type": "object", "required": ["url"]}},
            },
        },
        "spec": {
            "type": "object",
            "required": ["owner"],
            "properties": {
                "owner": REFERENCE, "system": REFERENCE, "dependsOn": {"type": "array", "items": REFERENCE},
                "type": {"type": "string", "minLength": 1}, "lifecycle": {"type": "string", "minLength": 1},
            },
        },
    },
    "if": {"properties": {"kind": {"const": "Component"}}},
    "then": {"properties": {"spec": {"required": ["type", "lifecycle", "owner"]}}},
}  # fmt: skip


class TestBackstage:
    @pytest.mark.django_db
    def test_agents_are_entities_that_a_catalogue_can_read_and_resolve(self) -> None:
        curator = factories.make_person(Role.CURATOR)
        team = factories.make_team("Order services")
        desk = factories.make_agent("production", tier=3, team=team, name="Order desk", slug="order-desk",
            business_service="Ordering & returns", repository="https://git.example.org/a", tags=["Customer facing"])  # fmt: skip
        helper = factories.make_agent("registered", tier=1, name="Hilfe für alle", slug="x" * 80)
        factories.make_agent("discovered", name="noticed")
        source = DataSource.objects.create(name="Ledger: orders")
        for kind, target in (("agent", helper), ("data_source", source)):
            declare_dependency(Node("agent", desk.pk), Node(kind, target.pk), "calls", actor=curator)
        entities = read(factories.client_of(curator, "read"))
        for entity in entities:
            Draft7Validator(ENTITY).validate(entity)
        by_ref = {f"{one['kind'].lower()}:default/{one['metadata']['name']}": one for one in entities}
        assert len(by_ref) == len(entities), "no two entities bear one name"
        shown = by_ref["component:default/order-desk"]
        assert (shown["spec"]["lifecycle"], shown["spec"]["owner"]) == (
            "production",
            "group:default/order-services",
        )
        assert set(shown["spec"]["dependsOn"]) <= set(by_ref)
        assert len(shown["spec"]["dependsOn"]) == 2
        assert shown["spec"]["system"] in by_ref
        assert shown["metadata"]["annotations"]["chancery/tier"] == "3"
        assert len(entities) == 4

    @pytest.mark.django_db
    def test_a_key_shows_what_its_principal_sees_and_unchanged_is_told_so(self) -> None:
        team = factories.make_team()
        mine = factories.make_agent("registered", tier=1, team=team, slug="mine")
        other = factories.make_agent("registered", tier=1, slug="other")
        edge = {"source_kind": "agent", "target_kind": "agent", "relation": "calls", "origin": "person"}
        Dependency.objects.create(source_id=mine.pk, target_id=other.pk, **edge)
        client = factories.client_of(factories.make_person(Role.VIEWER, team), "read")
        (entity,) = read(client)
        assert "dependsOn" not in entity["spec"]
        answer = client.get("/api/v1/catalog/backstage")
        again = client.get("/api/v1/catalog/backstage", headers={"If-None-Match": answer["ETag"]})
        assert again.status_code == 304

    def test_every_text_has_a_name_of_its_own(self) -> None:
        texts = ["a", "a b", "a_b", "a--b", "-", "日本", "x" * 80, "x" * 81, "a/b", "a.b."]
        names = [entity_name(text) for text in texts]
        assert len(set(names)) == len(texts)
        assert all(re.fullmatch(str(NAME["pattern"]), name) and len(name) <= 63 for name in names)


class Engine:
    """A CMDB with the manners of the Identification and Reconciliation Engine: it finds items by their native key."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.requests: list[dict[str, Any]] = []
        self.signed_in: list[str | None] = []
        self.is_down = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.signed_in.append(self.headers["Authorization"])
                answer = orjson.dumps(
                    {"result": {"items": [outer.identify(item) for item in body["items"]], "relations": []}}
                )
                outer.requests.append(body | {"path": self.path})
                self.send_response(503 if outer.is_down else 200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def identify(self, item: dict[str, Any]) -> dict[str, Any]:
        key = item["sys_object_source_info"]["source_native_key"]
        if item["values"]["name"] == "Refused":
            return {
                "className": item["className"],
                "errors": [{"error": "INVALID_INPUT_DATA", "message": "No such class"}],
            }
        known = self.items.get(key)
        operation = "INSERT" if known is None else "NO_CHANGE" if known == item["values"] else "UPDATE"
        if not self.is_down:
            self.items[key] = item["values"]
        return {"className": item["className"], "operation": operation, "sysId": key.replace("-", "")}


@pytest.fixture
def engine(settings: Any) -> Iterator[Engine]:
    settings.OUTGOING_ALLOW = ["127.0.0.0/8"]
    engine = Engine()
    with serving(engine.server):
        yield engine


@pytest.fixture
def administrator() -> Principal:
    return factories.make_person(Role.ADMINISTRATOR)


def seal() -> None:
    sequence_over(os.environ["CHANCERY_TEST_SEQUENCER_URL"], Signer.generate(ORIGIN))


@pytest.mark.django_db(transaction=True)
class TestServiceNow:
    def test_agents_become_items_once_and_only_what_changed_is_sent_again(
        self, engine: Engine, administrator: Principal
    ) -> None:
        desk = factories.make_agent("production", tier=3, name="Order desk")
        helper = factories.make_agent("registered", tier=1, name="Helper")
        factories.make_agent("draft", name="Planned")
        declare_dependency(
            Node("agent", desk.pk), Node("agent", helper.pk), "delegates_to", actor=administrator
        )
        connector = create_connector(
            ConnectorDraft("CMDB", engine.url, "s3cret", "chancery"), actor=administrator
        )
        preview = preview_push(connector, actor=administrator)
        assert (len(preview.new), preview.changed, preview.unchanged) == (2, [], 0)
        assert not engine.requests
        seal()
        assert push_changes(connector) == 2
        (request,) = engine.requests
        assert request["items"] == preview.body["items"]
        assert request["path"] == "/api/now/identifyreconcile?sysparm_data_source=Chancery"
        (relation,) = request["relations"]
        ends = [request["items"][relation[end]]["values"]["name"] for end in ("parent", "child")]
        assert ends == ["Order desk", "Helper"]
        values = request["items"][relation["parent"]]["values"]
        assert (values["correlation_id"], values["operational_status"]) == (str(desk.pk), "1")
        assert engine.signed_in == ["Basic Y2hhbmNlcnk6czNjcmV0"]
        connector.refresh_from_db()
        assert push_changes(connector) == 0
        edit_agent(helper, {"purpose": "Helps."}, actor=administrator)
        seal()
        connector.refresh_from_db()
        assert push_changes(connector) == 1
        assert [item["values"]["name"] for item in engine.requests[-1]["items"]] == ["Helper"]
        assert PushedItem.objects.get(agent=helper).operation == "UPDATE"
        connector.refresh_from_db()
        request_push(connector, actor=administrator)
        connector.refresh_from_db()
        assert push_changes(connector) == 0, "everything is compared, nothing differs"

    def test_a_refused_item_is_told_and_does_not_hold_up_the_others(
        self, engine: Engine, administrator: Principal
    ) -> None:
        refused = factories.make_agent("registered", tier=1, name="Refused")
        factories.make_agent("registered", tier=1, name="Fine")
        connector = create_connector(ConnectorDraft("CMDB", engine.url, "token"), actor=administrator)
        push_changes(connector)
        states = dict(PushedItem.objects.values_list("agent__name", "state"))
        assert states == {"Refused": "refused", "Fine": "taken"}
        page = Client()
        page.force_login(administrator.person, backend="apps.identity.auth.PersonBackend")
        assert "No such class" in page.get(f"/connectors/{connector.pk}/?show=refused").content.decode()
        edit_agent(refused, {"name": "Mended"}, actor=administrator)
        seal()
        connector.refresh_from_db()
        push_changes(connector)
        assert set(PushedItem.objects.values_list("state", flat=True)) == {"taken"}

    def test_an_instance_that_is_down_is_tried_again_and_nothing_is_told_twice(
        self, engine: Engine, administrator: Principal
    ) -> None:
        agent = factories.make_agent("registered", tier=1, name="Desk")
        connector = create_connector(ConnectorDraft("CMDB", engine.url, "token"), actor=administrator)
        engine.is_down = True
        assert push_changes(connector) == 0
        connector.refresh_from_db()
        assert "503" in connector.run_error
        assert connector.retry_at
        assert connector.retry_at > timezone.now()
        assert push_changes(connector) == 0, "not before its time"
        engine.is_down = False
        Connector.objects.update(retry_at=None)
        seal()
        connector.refresh_from_db()
        assert push_changes(connector) == 1
        assert list(engine.items) == [str(agent.pk)]

    @pytest.mark.parametrize("change", [{"url": "https://collector.example.org"}, {"username": "somebody"}])
    def test_a_kept_secret_goes_nowhere_else(
        self, change: dict[str, str], engine: Engine, administrator: Principal
    ) -> None:
        told = {"name": "CMDB", "url": engine.url, "username": ""}
        connector = create_connector(ConnectorDraft(**told, secret="token"), actor=administrator)
        with pytest.raises(InvalidInput) as refused:
            edit_connector(connector, ConnectorDraft(**(told | change)), actor=administrator)
        assert "again" in refused.value.fields["secret"]
        connector.refresh_from_db()
        assert connector.url == engine.url
        edit_connector(connector, ConnectorDraft(**told, class_name="cmdb_ci_appl"), actor=administrator)

    def test_one_push_at_a_time_and_what_is_asked_for_meanwhile_is_done_after_it(
        self, engine: Engine, administrator: Principal
    ) -> None:
        factories.make_agent("registered", tier=1, name="Desk")
        connector = create_connector(ConnectorDraft("CMDB", engine.url, "token"), actor=administrator)
        seal()
        during: list[int] = []

        def meanwhile(item: dict[str, Any]) -> dict[str, Any]:
            if not during:
                during.append(push_changes(Connector.objects.get()))
                request_push(connector, actor=administrator)
            return Engine.identify(engine, item)

        engine.identify = meanwhile  # type: ignore[method-assign]
        push_changes(connector)
        connector.refresh_from_db()
        assert (during, len(engine.requests)) == ([0], 1)
        assert (connector.leaves, connector.lease) == (0, None), "all is still to be compared"
        seal()
        push_changes(connector)
        connector.refresh_from_db()
        assert (connector.leaves > 0, connector.lease, len(engine.requests)) == (True, None, 1)

    def test_secrets_are_sealed_and_addresses_guarded(
        self, engine: Engine, administrator: Principal, settings: Any
    ) -> None:
        client = factories.client_of(administrator, "read", "write")
        told = {"name": "CMDB", "url": engine.url, "secret": "s3cret", "username": "chancery"}
        made = client.post("/api/v1/connectors", told)
        assert made.status_code == 201
        assert "s3cret" not in made.content.decode()
        connector = Connector.objects.get()
        assert "s3cret" not in connector.secret
        assert not [entry for entry in LedgerEntry.objects.all() if b"s3cret" in bytes(entry.body)]
        address = f"/api/v1/connectors/{connector.pk}"
        assert client.patch(address, {"class_name": "cmdb_ci_appl"}).data["class_name"] == "cmdb_ci_appl"
        factories.make_agent("registered", tier=1, name="Desk")
        (new,) = client.get(f"{address}/preview").data["new"]
        assert new["name"] == "Desk"
        assert client.post(f"{address}/push").status_code == 202
        assert client.get(f"{address}/items").data["results"] == []
        settings.OUTGOING_ALLOW = []
        draft = ConnectorDraft("CMDB", "https://169.254.169.254/", "another")
        with pytest.raises(InvalidInput) as refused:
            edit_connector(connector, draft, actor=administrator)
        assert "not a public address" in refused.value.fields["url"]


def read(client: APIClient) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/catalog/backstage")
    assert answer["Content-Type"].startswith("application/yaml")
    return list(yaml.safe_load_all(answer.content))
