"""The inbox as a page: three parts, decisions as plain forms, exports read on upload."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.agents.matching import Found
from apps.agents.models import Agent, Candidate, Evidence
from apps.agents.services.candidates import Origins, report_findings
from apps.identity.models import ApiKey, Principal, Team
from apps.identity.roles import Role
from tests import factories

pytestmark = pytest.mark.django_db
INBOX, DECIDE, UPLOAD = "/discovery/", "/discovery/decide/", "/discovery/upload/"
CARD = {
    "name": "Invoice Agent", "description": "Reads invoices", "url": "https://agents.halden.io/invoice", "version": "1",
    "capabilities": {}, "defaultInputModes": ["text"], "skills": [{"id": "read", "name": "Read"}],
}  # fmt: skip


def signed_in(person: Principal) -> Client:
    client = Client()
    client.force_login(person.person, backend="apps.identity.auth.PersonBackend")
    return client


def found(count: int, team: Team | None = None, role: str = "agent") -> list[Candidate]:
    findings = [
        Found("crewai-code", "crewai", role, 0.9, f"crew{at}.py:3", name=f"Agent {at:03}", tools=("lookup",))
        for at in range(count)
    ]
    origins = Origins("repository_scan", "https://git.example.org/x", team)
    return [
        one.candidate
        for one in report_findings(findings, origins, actor=factories.make_person(Role.ADMINISTRATOR))
    ]


@pytest.fixture
def client() -> Client:
    return signed_in(factories.make_person(Role.CURATOR))


def test_the_inbox_has_a_part_for_traffic_for_files_and_for_what_is_ignored(client: Client) -> None:
    factories.make_agent(name="Seen Agent")
    found(1)
    assert b"Seen Agent" in client.get(INBOX).content
    files = client.get(f"{INBOX}?tab=files").content.decode()
    assert "Agent 000" in files
    assert "High" in files
    assert "crew0.py:3" in files
    assert "Nothing is ignored" in client.get(f"{INBOX}?tab=ignored").content.decode()


def test_the_empty_inbox_says_how_to_fill_it(client: Client) -> None:
    assert "chancery scan . --post http://testserver" in client.get(f"{INBOX}?tab=files").content.decode()


def test_filters_narrow_and_can_be_removed_one_by_one(client: Client) -> None:
    found(3)
    page = client.get(f"{INBOX}?tab=files&q=Agent+001&confidence=high&kind=crewai-code").content.decode()
    assert "Agent 001" in page
    assert "Agent 002" not in page
    assert (
        client.get(f"{INBOX}?tab=files&confidence=low").content.decode().count("Nothing found matches") == 1
    )


def test_queries_do_not_grow_with_the_inbox(client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            client.get(f"{INBOX}?tab=files")
        return len(seen)

    found(2)
    few = queries()
    found(200)
    factories.make_agent(name="Agent 001")
    assert queries() <= few + 1
    assert few <= 30


def test_adopting_one_leads_to_the_adoption_form(client: Client) -> None:
    one = found(1)[0]
    answer = client.post(DECIDE, {"act": "adopt", "pick": str(one.pk)})
    agent = Agent.objects.get(name="Agent 000")
    assert answer.headers["Location"] == f"/agents/{agent.pk}/adopt/"
    assert client.get(answer.headers["Location"]).status_code == 200
    assert "Found in files" in client.get(f"{INBOX}?tab=traffic").content.decode()


def test_many_are_shown_before_anything_is_done(client: Client) -> None:
    picks = [str(one.pk) for one in found(3)]
    asked = client.post(DECIDE, {"act": "ignore", "pick": picks, "query": "tab=files"})
    assert asked.status_code == 200
    assert "Ignore 3" in asked.content.decode()
    assert not Candidate.objects.filter(state="ignored").exists()
    without = client.post(DECIDE, {"act": "ignore", "pick": picks, "confirmed": "1"})
    assert without.status_code == 422
    done = client.post(
        DECIDE,
        {
            "act": "ignore",
            "pick": picks,
            "confirmed": "1",
            "reason": "Samples",
            "days": "7",
            "query": "tab=files",
        },
    )
    assert done.headers["Location"] == "/discovery/?tab=files"
    assert Candidate.objects.ignored().count() == 3
    client.post(DECIDE, {"act": "reopen", "all": "1", "confirmed": "1", "query": "tab=ignored"})
    assert Candidate.objects.waiting().count() == 3


def test_linking_takes_a_number_of_an_agent_the_curator_sees(client: Client) -> None:
    agent, one = factories.make_agent(name="Desk"), found(1)[0]
    wrong = client.post(DECIDE, {"act": "link", "pick": str(one.pk), "confirmed": "1", "agent": "AGT-999999"})
    assert wrong.status_code == 422
    client.post(DECIDE, {"act": "link", "pick": str(one.pk), "confirmed": "1", "agent": agent.ref})
    one.refresh_from_db()
    assert (one.state, one.agent) == ("linked", agent)


def test_what_was_refused_is_told_one_by_one(client: Client) -> None:
    picks = [str(found(1, role="mcp_server")[0].pk)]
    picks.append(str(Candidate.objects.create(
        key="k", name="Other", confidence=0.9, digest="", first_seen=Evidence.objects.get().first_seen,
        last_seen=Evidence.objects.get().first_seen,
    ).pk))  # fmt: skip
    answer = client.post(DECIDE, {"act": "adopt", "pick": picks, "confirmed": "1"})
    assert answer.status_code == 200
    assert "is an MCP server, no agent" in answer.content.decode()
    assert Candidate.objects.get(name="Other").state == "linked"


def test_a_curator_of_another_team_neither_sees_nor_decides() -> None:
    ours, theirs = factories.make_team(), factories.make_team()
    one = found(1, team=ours)[0]
    outsider = signed_in(factories.make_person(Role.CURATOR, theirs))
    assert "Agent 000" not in outsider.get(f"{INBOX}?tab=files").content.decode()
    outsider.post(DECIDE, {"act": "adopt", "pick": str(one.pk)})
    one.refresh_from_db()
    assert one.state == "waiting"


def upload(client: Client, name: str, text: str | bytes, **fields: Any) -> Any:
    raw = text.encode() if isinstance(text, str) else text
    return client.post(UPLOAD, {"file": SimpleUploadedFile(name, raw), "source": "", "team": "", **fields})


def test_an_uploaded_card_goes_through_the_same_recognisers(client: Client) -> None:
    assert upload(client, "card.json", json.dumps(CARD), source="catalogue").status_code == 302
    candidate = Candidate.objects.get()
    assert (candidate.name, candidate.kind) == ("Invoice Agent", "a2a-agent-card")
    assert (candidate.evidence.get().source_kind, candidate.evidence.get().source) == (
        "agent_card",
        "catalogue",
    )
    upload(client, "card.json", json.dumps(CARD), source="catalogue")
    assert Candidate.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("card.exe", json.dumps(CARD), "Choose a file ending in"),
        ("card.json", b"\0\0", "Choose a text file"),
        ("card.json", "{}", "Nothing in this file declares an agent"),
        (
            "bomb.yaml",
            "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n" * 3,
            "Nothing in this file",
        ),
        ("large.json", b" " * (2 * 1024 * 1024 + 1), "at most 2 MB"),
    ],
)
def test_an_upload_that_holds_nothing_is_told_so(client: Client, name: str, text: Any, words: str) -> None:
    answer = upload(client, name, text)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Candidate.objects.exists()


def test_a_team_curator_uploads_into_the_own_team_only() -> None:
    ours, theirs = factories.make_team(), factories.make_team()
    client = signed_in(factories.make_person(Role.CURATOR, ours))
    assert upload(client, "card.json", json.dumps(CARD)).status_code == 422
    assert upload(client, "card.json", json.dumps(CARD), team=str(theirs.pk)).status_code == 422
    assert upload(client, "card.json", json.dumps(CARD), team=str(ours.pk)).status_code == 302
    assert Candidate.objects.get().team == ours


def test_a_key_for_a_pipeline_is_minted_on_the_page_of_keys() -> None:
    client = signed_in(factories.make_person(Role.ADMINISTRATOR))
    answer = client.post("/keys/mint/", {"name": "CI of shop", "scopes": ["report"]})
    assert "--fail-on-unregistered" in answer.content.decode()
    assert ApiKey.objects.get().scopes == ["report"]
