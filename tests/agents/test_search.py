"""Finding an agent by what it does, with the real model."""

from __future__ import annotations

import pytest

from apps.agents.search import search_agents
from apps.agents.services.embedding import refresh_embeddings
from apps.identity.roles import Role
from apps.kit import embeddings
from apps.kit.embeddings import local_embedder
from apps.kit.errors import InvalidInput
from tests import factories

pytestmark = pytest.mark.django_db
FLEET = {
    "refund_agent": "Gives customers their money back when an order went wrong.",
    "sweep_planner": "Moves idle balances between accounts in the evening.",
    "ticket_triage": "Reads IT tickets and assigns them to a support group.",
    "leave_answers": "Answers employees about holidays and travel rules.",
}


@pytest.fixture
def fleet() -> None:
    for name, purpose in FLEET.items():
        factories.make_agent("registered", tier=2, name=name, purpose=purpose)
    assert refresh_embeddings(local_embedder().embed) == len(FLEET)
    assert refresh_embeddings(local_embedder().embed) == 0, "unchanged texts are not embedded again"


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("an agent that refunds customers", "refund_agent"),
        ("shift cash overnight", "sweep_planner"),
        ("who sorts helpdesk requests", "ticket_triage"),
        ("vacation policy questions", "leave_answers"),
    ],
)
def test_an_agent_is_found_by_meaning(query: str, best: str, fleet: None) -> None:
    found = search_agents(query, actor=factories.make_person(Role.VIEWER), embed=local_embedder().embed)
    assert found.by == "meaning"
    assert found.hits[0].agent.name == best


def test_without_the_worker_words_are_compared_and_that_is_said(fleet: None, settings: object) -> None:
    settings.EMBEDDING_TIMEOUT_S = 0.1  # type: ignore[attr-defined]
    found = search_agents("tickets", actor=factories.make_person(Role.VIEWER))
    assert (found.by, [hit.agent.name for hit in found.hits]) == ("words", ["ticket_triage"])


def test_only_visible_agents_are_found(fleet: None) -> None:
    outsider = factories.make_person(Role.VIEWER, factories.make_team())
    assert search_agents("refunds", actor=outsider, embed=local_embedder().embed).hits == []


@pytest.mark.parametrize("text", ["", "   ", "x" * 401])
def test_a_query_must_have_a_length_that_makes_sense(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        search_agents(text, actor=factories.make_person(Role.VIEWER))
    assert set(refused.value.fields) == {"q"}


def test_the_memory_of_vectors_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "REMEMBERED", 2)
    embedder = local_embedder()
    embedder.embed(["one", "two", "three"])
    assert len(embedder._memory) == 2
