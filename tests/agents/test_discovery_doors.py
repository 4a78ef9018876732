"""What discovery reports and decides over REST."""

from __future__ import annotations

from typing import Any

import pytest

from apps.agents.models import Agent, Candidate, State
from apps.identity.models import Principal
from apps.identity.roles import Role
from tests import factories
from tests.agents.test_discovery_inbox import REPOSITORY, finding, report

pytestmark = pytest.mark.django_db


def body(*findings: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"source_kind": "repository_scan", "source": REPOSITORY, "findings": list(findings)} | changes


def plain(**changes: Any) -> dict[str, Any]:
    values = {
        "kind": "crewai-code",
        "framework": "crewai",
        "confidence": 0.9,
        "place": "crew.py:3",
        "name": "Refunds",
    }
    return values | changes


def test_a_key_with_the_scope_report_may_report_and_nothing_else() -> None:
    client = factories.client_of(factories.make_source(factories.make_team()), "report")
    answer = client.post("/api/v1/discoveries", body(plain()), format="json")
    assert answer.status_code == 200, answer.json()
    result = answer.json()["results"][0]
    assert (result["outcome"], result["state"], result["agent"]) == ("new", "waiting", None)
    for method, path in (
        ("get", "discoveries"),
        ("get", "agents"),
        ("post", f"discoveries/{result['candidate']}/adopt"),
    ):
        assert getattr(client, method)(f"/api/v1/{path}", format="json").status_code == 403
    assert factories.client_of(factories.make_source(), "ingest").post(
        "/api/v1/discoveries", body(plain()), format="json"
    ).status_code == 403  # fmt: skip


def test_a_retry_with_the_same_idempotency_key_is_answered_from_memory() -> None:
    client = factories.client_of(factories.make_source(), "report")
    headers = {"HTTP_IDEMPOTENCY_KEY": "one"}
    first = client.post("/api/v1/discoveries", body(plain()), format="json", **headers)
    second = client.post("/api/v1/discoveries", body(plain()), format="json", **headers)
    assert second.json() == first.json()
    assert second.headers["Idempotent-Replay"] == "true"
    other = client.post("/api/v1/discoveries", body(plain(name="Else")), format="json", **headers)
    assert other.json()["code"] == "idempotency.key_reused"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"confidence": 2}, "findings.0.confidence"),
        ({"name": "x" * 201}, "findings.0.name"),
        ({"tools": ["x"] * 201}, "findings.0.tools"),
        ({"extra": {"a": "x" * 20_000}}, "findings.0.extra"),
        ({"extra": {"a": "\0"}}, "findings.0.extra"),
    ],
)
def test_a_finding_beyond_its_bounds_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    client = factories.client_of(factories.make_source(), "report")
    answer = client.post("/api/v1/discoveries", body(plain(**changes)), format="json")
    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])
    assert not Candidate.objects.exists()


def test_a_curator_reads_and_decides_over_rest(curator: Principal) -> None:
    client = factories.client_of(curator, "read", "write", "report")
    agent = factories.make_agent(name="refunds")
    said = client.post(
        "/api/v1/discoveries", body(plain(), plain(name="B"), plain(name="C"), plain(name="D")), format="json"
    ).json()
    first, second, third, fourth = (one["candidate"] for one in said["results"])
    shown = client.get("/api/v1/discoveries?state=waiting&confidence=high&q=refunds").json()["results"]
    assert shown[0]["likely_match"]["agent"]["ref"] == agent.ref
    linked = client.post(f"/api/v1/discoveries/{first}/link", {"agent": str(agent.pk)}, format="json")
    assert linked.json()["state"] == "linked"
    adopted = client.post(f"/api/v1/discoveries/{second}/adopt", format="json").json()
    assert Agent.objects.get(pk=adopted["agent"]["id"]).state == State.DISCOVERED
    ignored = client.post(
        f"/api/v1/discoveries/{third}/ignore", {"reason": "Sample", "days": 5}, format="json"
    )
    assert ignored.json()["state"] == "ignored"
    many = client.post(
        "/api/v1/discoveries/decide",
        {"ids": [first, fourth], "act": "ignore", "reason": "Old"},
        format="json",
    ).json()
    assert {one["error"] for one in many["results"]} == {"", "agents.candidate.linked_already"}


def test_outsiders_do_not_learn_that_a_candidate_exists() -> None:
    ours, theirs = factories.make_team(), factories.make_team()
    candidate = report(finding(), actor=factories.make_source(ours))[0].candidate
    client = factories.client_of(factories.make_person(Role.CURATOR, theirs), "read", "write")
    for method, path in (("get", ""), ("post", "/adopt"), ("post", "/ignore"), ("post", "/link")):
        answer = getattr(client, method)(
            f"/api/v1/discoveries/{candidate.pk}{path}", {"reason": "x"}, format="json"
        )
        assert answer.status_code == 404
    assert client.get("/api/v1/discoveries").json()["results"] == []
