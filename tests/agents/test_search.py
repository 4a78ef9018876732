"""Finding an agent by what it does, with the real model."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.agents.models import AgentVector, SearchState
from apps.agents.search import search_agents
from apps.agents.services.indexing import count_terms, refresh_vectors
from apps.agents.services.registry import edit_agent
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


def embed(texts: list[str], model: str) -> list[list[float]]:
    assert model in ("one", "two")
    return local_embedder().embed(texts)


@pytest.fixture
def fleet() -> None:
    for name, purpose in FLEET.items():
        factories.make_agent("registered", tier=2, name=name, purpose=purpose)
    assert refresh_vectors(local_embedder().embed, "one") == len(FLEET)
    assert refresh_vectors(local_embedder().embed, "one") == 0, "unchanged texts are not embedded again"
    count_terms()


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
    found = search_agents(query, actor=factories.make_person(Role.VIEWER), embed=embed)
    assert found.by == "meaning"
    assert found.hits[0].agent.name == best


def test_the_page_says_how_far_meaning_is_prepared(client: Client) -> None:
    client.force_login(factories.make_person(Role.VIEWER).person)
    factories.make_agent("registered", tier=2, name="refunds", purpose="Refunds orders.")
    SearchState.objects.update_or_create(pk=1, defaults={"next_model": "one"})
    count_terms()
    page = client.get("/agents/", {"q": "refunds"}).content.decode()
    assert "meaning is being prepared, 0 of 1 agents" in page
    refresh_vectors(local_embedder().embed, "one")
    assert "being prepared" not in client.get("/agents/", {"q": "refunds"}).content.decode()


def test_without_the_worker_words_are_compared_and_that_is_said(fleet: None, settings: object) -> None:
    settings.EMBEDDING_TIMEOUT_S = 0.1  # type: ignore[attr-defined]
    found = search_agents("tickets", actor=factories.make_person(Role.VIEWER))
    assert (found.by, [hit.agent.name for hit in found.hits]) == ("words", ["ticket_triage"])


def test_only_visible_agents_are_found(fleet: None) -> None:
    outsider = factories.make_person(Role.VIEWER, factories.make_team())
    assert search_agents("refunds", actor=outsider, embed=embed).hits == []


def ask(query: str, actor: object = None) -> list[str]:
    found = search_agents(query, actor=actor or factories.make_person(Role.VIEWER), embed=embed)  # type: ignore[arg-type]
    return [hit.agent.name for hit in found.hits]


def test_a_hit_says_why_it_is_one(fleet: None) -> None:
    hit = search_agents(
        "money back for customers", actor=factories.make_person(Role.VIEWER), embed=embed
    ).hits[0]
    assert hit.matched == ["back", "customers", "money"]
    assert hit.sentence.startswith("Gives customers their money back")
    assert hit.similarity is not None
    assert 0.3 < hit.similarity <= 1


def test_a_misspelt_name_is_found(fleet: None) -> None:
    assert ask("tikcet triaeg")[0] == "ticket_triage"


def test_the_very_name_or_number_comes_first(fleet: None) -> None:
    named = factories.make_agent("registered", tier=1, name="money back", purpose="Orders stationery.")
    refresh_vectors(local_embedder().embed, "one")
    assert ask("money back")[0] == "money back"
    assert ask(named.ref)[0] == "money back"


def test_filters_among_the_words_narrow(fleet: None) -> None:
    mine = factories.make_person(Role.VIEWER)
    factories.make_agent(
        "production", tier=4, name="big_refunds", purpose="Refunds large orders.", owner=mine
    )
    refresh_vectors(local_embedder().embed, "one")
    assert ask("refunds owner:me tier:>=3 not certified", mine) == ["big_refunds"]
    assert ask("owner:me", mine) == ["big_refunds"]
    assert "big_refunds" not in ask("refunds -owner:me", mine)
    assert ask("refunds owner:me tier:<3", mine) == []


@pytest.mark.parametrize("query", ["refunds tier:high5", "seen:soon", "state:asleep"])
def test_a_filter_that_cannot_be_is_named(query: str, fleet: None) -> None:
    with pytest.raises(InvalidInput) as refused:
        ask(query)
    assert set(refused.value.fields) == {"q"}


def test_a_changed_purpose_is_found_by_words_at_once_and_by_meaning_soon(fleet: None) -> None:
    curator = factories.make_person(Role.CURATOR)
    agent = search_agents("sweep", actor=curator, embed=embed).hits[0].agent
    edit_agent(agent, {"purpose": "Translates contracts into Finnish."}, actor=curator)
    by_words = {
        hit.agent.name: hit.matched for hit in search_agents("contracts", actor=curator, embed=embed).hits
    }
    assert by_words["sweep_planner"] == ["contracts"]
    assert refresh_vectors(local_embedder().embed, "one") == 1
    assert ask("language of legal agreements")[0] == "sweep_planner"


def test_another_model_takes_over_only_when_every_agent_has_its_vectors(fleet: None) -> None:
    assert refresh_vectors(local_embedder().embed, "two", limit=3) == 3
    state = SearchState.objects.get()
    assert (state.model, state.next_model) == ("one", "two")
    assert ask("refunds")[0] == "refund_agent"
    refresh_vectors(local_embedder().embed, "two", limit=3)
    state.refresh_from_db()
    assert (state.model, state.next_model) == ("two", "")
    assert set(AgentVector.objects.values_list("model", flat=True)) == {"two"}
    assert ask("refunds")[0] == "refund_agent"


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
