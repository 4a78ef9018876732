"""One form of error, whatever goes wrong under /api/."""

from __future__ import annotations

from typing import Any

import pytest
from auditlog.models import LogEntry
from django.db import IntegrityError
from django.test import Client
from psycopg.errors import CheckViolation, UniqueViolation

from apps.agents.models import Blueprint
from apps.agents.services.bulk import Edit, edit_agents
from apps.agents.services.registry import edit_agent
from apps.compliance.models import Framework
from apps.identity.models import Principal
from apps.identity.roles import Role
from apps.kit.foreign import as_known
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator() -> Principal:
    return factories.make_person(Role.ADMINISTRATOR)


@pytest.mark.parametrize("cursor", ["garbage", "W2ZhbHNlLCJ4IiwieCJd", "AAAA", "W2ZhbHNlLFtdLFtdXQ"])
@pytest.mark.parametrize("address", ["/api/v1/people", "/api/v1/api-keys", "/api/v1/ledger/entries"])
def test_a_cursor_that_is_none_is_the_callers_mistake(
    cursor: str, address: str, administrator: Principal
) -> None:
    answer = factories.client_of(administrator).get(address, {"cursor": cursor})
    assert answer.status_code == 200 or answer.json()["code"] == "paging.cursor"
    assert answer.status_code in (200, 400)


def test_a_page_with_a_cursor_that_is_none_says_so(administrator: Principal) -> None:
    client = Client()
    client.force_login(administrator.person, backend="apps.identity.auth.PersonBackend")
    for path in ("/people/", "/keys/", "/ledger/", "/findings/", "/certifications/"):
        assert client.get(path, {"cursor": "garbage"}).status_code == 400, path


@pytest.mark.parametrize(
    "body", ["[" * 100_000, "[" * 500 + "]" * 500, '{"tool": ' + "[" * 70 + "]" * 70 + "}"]
)
def test_a_body_nested_without_end_is_refused(body: str, administrator: Principal) -> None:
    client = factories.client_of(administrator)
    answer = client.generic("POST", "/api/v1/decisions", body, content_type="application/json")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


def test_a_number_no_machine_holds_does_not_break_an_idempotent_request(administrator: Principal) -> None:
    client = factories.client_of(administrator)
    answer = client.post("/api/v1/teams", {"name": 10**40}, headers={"Idempotency-Key": "a-key-1"})
    assert answer.status_code in (201, 400)


def test_an_unknown_address_answers_as_everything_else_does() -> None:
    for path in ("/api/v1/nothing", "/api/v2/agents"):
        answer = Client().get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert answer.json()["code"] == "not_found"
    assert Client().get("/nothing").headers["content-type"].startswith("text/html")


def test_a_fault_of_ours_answers_as_everything_else_does(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.kit.broken_urls"
    client = Client(raise_request_exception=False)
    answer = client.get("/api/v1/broken")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert (answer.json()["code"], "foresaw" in answer.content.decode()) == ("unforeseen", False)
    assert client.get("/broken/").headers["content-type"].startswith("text/html")


def test_two_of_one_name_at_once_are_a_conflict_and_a_broken_rule_is_not() -> None:
    def raised(cause: Exception) -> Any:
        error = IntegrityError("x")
        error.__cause__ = cause
        return as_known(error)

    assert raised(UniqueViolation("x")).status == 409
    assert raised(CheckViolation("x")) is None


def test_the_audit_log_names_who_asked_with_a_key_and_the_request(administrator: Principal) -> None:
    agent = factories.make_agent("registered", tier=2)
    client = factories.client_of(administrator)
    answer = client.patch(f"/api/v1/agents/{agent.pk}", {"purpose": "New."}, headers={"If-Match": "*"})
    entry = LogEntry.objects.get_for_object(agent).filter(action=LogEntry.Action.UPDATE).first()
    assert entry.actor == administrator.person
    assert entry.additional_data["principal"]["id"] == str(administrator.pk)
    assert entry.cid == answer.headers["x-request-id"]
    edit_agent(agent, {"purpose": "Newer."}, actor=administrator)
    assert LogEntry.objects.get_for_object(agent).first().actor is None, "outside a request nobody is named"


def test_filtering_by_a_strangers_agent_looks_like_filtering_by_none(administrator: Principal) -> None:
    stranger = factories.make_agent("production", tier=1, team=factories.make_team())
    viewer = factories.client_of(factories.make_person(Role.VIEWER, factories.make_team()), "read")
    for address in ("/api/v1/decisions", "/api/v1/findings", "/api/v1/certifications"):
        known = viewer.get(address, {"agent": str(stranger.pk)})
        unknown = viewer.get(address, {"agent": "00000000-0000-7000-8000-00000000dead"})
        assert (known.status_code, known.json()) == (unknown.status_code, unknown.json()), address


def test_the_audit_log_names_who_made_a_bulk_edit(administrator: Principal) -> None:
    agent = factories.make_agent("registered", tier=2)
    edit_agents([Edit(agent.pk, {"purpose": "New."})], actor=administrator)
    entry = LogEntry.objects.get_for_object(agent).filter(action=LogEntry.Action.UPDATE).first()
    assert entry.actor == administrator.person
    assert entry.additional_data["principal"]["name"] == administrator.name


ODD = "\\ud800"  # as JSON writes half of a surrogate pair


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("blueprints", f'{{"name": "x", "team": "{ODD}"}}'),
        ("blueprints", f'{{"{ODD}": 1}}'),
        ("agents/apply", f'{{"place": {{}}, "agents": [{{"name": "{ODD}"}}]}}'),
        *(
            ("agents/apply", f'{{"repository": "{address}", "path": "chancery.yaml", "agents": []}}')
            for address in ("https://h:99999/x", "https://h:abc/x", "https://[::1/x", "https://[x]/y")
        ),
    ],
)
def test_texts_and_addresses_that_are_none_are_the_callers_mistake(
    address: str, body: str, administrator: Principal
) -> None:
    client = factories.client_of(administrator)
    answer = client.post(f"/api/v1/{address}", body, content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (
            {"name": "Teller", "values": {"state": "production", "tier": 1}},
            {"values.state": "There is no such field", "values.tier": "There is no such field"},
        ),
        ({"name": -1}, {"name": "Send text, in quotation marks"}),
        ({"name": 1e308, "values": {"purpose": 7}}, {
            "name": "Send text, in quotation marks", "values.purpose": "Send text, in quotation marks",
        }),
        ({"name": "Teller", "values": {"environment": "moon"}}, {
            "values.environment": "Choose one of development, test, staging, production",
        }),
    ],
)  # fmt: skip
def test_what_a_body_holds_that_nobody_asked_for_is_refused_where_it_stands(
    body: dict[str, Any], fields: dict[str, str], administrator: Principal
) -> None:
    answer = factories.client_of(administrator).post("/api/v1/blueprints", body)
    assert (answer.status_code, answer.json().get("fields")) == (400, fields)
    assert not Blueprint.objects.exists()


def test_a_choice_that_is_none_is_refused_with_those_there_are(administrator: Principal) -> None:
    client = factories.client_of(administrator)
    agent, framework = factories.make_agent("registered", tier=1), Framework.objects.get(key="eu-ai-act")
    controls = {control.code: {"result": "met"} for control in framework.controls.all()[:1]}
    body = {"framework": framework.key, "evidence": "Seen.", "controls": controls}
    told = client.post(f"/api/v1/agents/{agent.pk}/certifications", body).json()["fields"]
    assert "Choose one of pass, fail, not_applicable" in told.values(), told
    told = client.get("/api/v1/agents", {"state": "asleep"}).json()["fields"]["state"]
    assert told.startswith("Choose one of draft, discovered"), told
