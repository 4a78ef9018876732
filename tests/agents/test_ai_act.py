"""The class under the EU AI Act: where answers lead, what is asked, what goes on record."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.test import Client
from django.urls import reverse

from apps.agents.ai_act import Outcome, questionnaire, walk
from apps.agents.models import Agent, AiActClassification, Claim
from apps.agents.quality import in_queue
from apps.agents.queries.ai_act import told
from apps.agents.services.ai_act import (
    Answer,
    answer_questions,
    begin_classification,
    classify_agent,
    conclude_classification,
)
from apps.identity.models import LedgerEntry, Principal
from apps.identity.roles import Role
from apps.kit.errors import Conflict, InvalidInput, NotPermitted, StaleWrite
from apps.lifecycle.services.moves import prospects
from tests import factories

IN_SCOPE = {"S1": True, "S2": True, "S3": False, "R1": True, "R2": True}
NOT_BANNED = {f"P{number}": False for number in range(1, 11)}
NO_PRODUCT = {"A1": False}
NO_USE = {f"H{number}": False for number in range(1, 13)}
SILENT = {"T1": False, "T2": False, "T3": False, "T4": False}
BEFORE_USES = IN_SCOPE | NOT_BANNED | NO_PRODUCT
CREDIT = BEFORE_USES | {f"H{number}": number == 6 for number in range(1, 7)}


def reasoned(said: dict[str, bool]) -> dict[str, Answer]:
    return {name: Answer(yes, f"Because of {name}") for name, yes in said.items()}


@pytest.mark.django_db
def test_a_concluded_one_stays_as_it_was_concluded_when_the_questions_change() -> None:
    """Stored as by a questionnaire whose questions had other names, of which today's answers nothing."""
    agent, curator = factories.make_agent("registered", tier=1), factories.make_person(Role.CURATOR)
    done = classify_agent(agent, reasoned(BEFORE_USES | NO_USE | SILENT | {"T4": True}), actor=curator)
    before = told(done)
    answers = {f"old-{name}": one for name, one in done.answers.items()}
    asked = [one | {"id": f"old-{one['id']}"} for one in done.path["asked"]]
    AiActClassification.objects.update(answers=answers, path=done.path | {"asked": asked})
    after = told(AiActClassification.objects.get())
    assert walk(after.classification.said).outcome is None
    assert after.outcome == "Transparency duties"
    assert (after.role, after.duties, after.dates) == (before.role, before.duties, before.dates)
    assert [line.words for line in after.stages] == [line.words for line in before.stages if line.answers]
    assert after.answered == before.answered == len(done.answers)
    api = factories.client_of(curator, "read").get(f"/api/v1/agents/{agent.pk}/ai-act").data["results"][0]
    assert (api["outcome"], api["open"]) == ("transparency", [])
    AiActClassification.objects.update(path={})
    assert told(AiActClassification.objects.get()).outcome == "Transparency duties"


class TestDeciding:
    @pytest.mark.parametrize(
        ("said", "outcome"),
        [
            ({"S1": False}, Outcome.OUT_OF_SCOPE),
            ({"S1": True, "S2": False}, Outcome.OUT_OF_SCOPE),
            ({"S1": True, "S2": True, "S3": True}, Outcome.OUT_OF_SCOPE),
            (IN_SCOPE | {"P1": False, "P2": True}, Outcome.PROHIBITED),
            (IN_SCOPE | NOT_BANNED | {"A1": True, "A2": True} | SILENT, Outcome.ANNEX_I),
            (IN_SCOPE | NOT_BANNED | {"A1": True, "A2": False} | NO_USE | SILENT, Outcome.MINIMAL),
            (CREDIT | {"D0": True} | SILENT, Outcome.ANNEX_III),
            (CREDIT | {"D0": False, "D1": True} | SILENT, Outcome.ANNEX_III),
            (CREDIT | dict.fromkeys(("D0", "D1", "D2", "D3", "D4", "D5"), False) | SILENT, Outcome.ANNEX_III),
            (CREDIT | {"D0": False, "D1": False, "D2": False, "D3": True} | SILENT, Outcome.MINIMAL),
            (CREDIT | {"D0": False, "D1": False, "D2": True} | SILENT | {"T1": True}, Outcome.TRANSPARENCY),
            (BEFORE_USES | NO_USE | SILENT | {"T4": True}, Outcome.TRANSPARENCY),
            (BEFORE_USES | NO_USE | SILENT, Outcome.MINIMAL),
        ],
    )
    def test_answers_lead_to_the_class(self, said: dict[str, bool], outcome: Outcome) -> None:
        found = walk(said)
        assert found.outcome == outcome
        assert not found.open

    @pytest.mark.parametrize(
        ("said", "opened"),
        [
            ({}, ["S1", "S2", "S3"]),
            (IN_SCOPE | {"R1": False}, ["R3"]),
            (IN_SCOPE | NOT_BANNED | {"A1": True}, ["A2"]),
            (CREDIT, ["D0", "D1"]),
            (CREDIT | {"D0": False, "D1": False}, ["D2", "D3", "D4", "D5"]),
            (CREDIT | {"D0": True}, ["T1", "T2", "T3", "T4"]),
            (IN_SCOPE | {"R1": False, "R3": False} | NOT_BANNED | NO_PRODUCT | NO_USE, ["T3", "T4"]),
        ],
    )
    def test_only_questions_that_still_matter_are_asked(
        self, said: dict[str, bool], opened: list[str]
    ) -> None:
        assert [question.id for question in walk(said).open] == opened

    def test_forty_questions_each_with_its_clause(self) -> None:
        questions = questionnaire().questions
        assert len(questions) == 40
        assert all(one.reference for one in questions.values())

    def test_the_outcome_says_what_binds_from_when(self) -> None:
        found = walk(CREDIT | {"D0": True} | SILENT | {"T1": True})
        assert [(one.day.isoformat(), one.words[:22]) for one in found.applies] == [
            ("2025-02-02", "People around it under"),
            ("2026-08-02", "Tell people that they "),
            ("2027-12-02", "The duties of high-ris"),
            ("2030-08-02", "The same for older sys"),
        ]
        assert (found.area, found.role, found.steps[-2].words) == (
            "credit", "both", "No derogation: Art. 6(3) third subparagraph",
        )  # fmt: skip
        banned = walk(IN_SCOPE | NOT_BANNED | {"P9": True})
        assert [one.day.isoformat() for one in banned.applies] == ["2025-02-02", "2026-12-02"]


@pytest.mark.django_db
class TestOnRecord:
    def test_a_conclusion_is_numbered_and_sets_the_class_as_a_persons_word(self) -> None:
        agent = factories.make_agent("registered", tier=2)
        draft = begin_classification(agent, actor=agent.owner)
        draft = answer_questions(draft, reasoned(CREDIT | {"T4": True}), actor=agent.owner)
        with pytest.raises(InvalidInput) as refused:
            conclude_classification(draft, actor=agent.owner)
        assert set(refused.value.fields) == {"D0", "D1"}
        draft = answer_questions(
            draft, reasoned({"D0": True} | SILENT), actor=agent.owner, version=draft.version
        )
        concluded = conclude_classification(draft, actor=agent.owner)
        agent.refresh_from_db()
        assert (concluded.number, concluded.outcome, agent.ai_act_class) == (
            1,
            "high_risk_annex_iii",
            "high_risk",
        )
        assert agent.tier == 3
        assert concluded.answers["H6"] == {"answer": True, "reason": "Because of H6", "by": agent.owner.name}
        assert Claim.objects.get(agent=agent, field="ai_act_class").stated_by == agent.owner
        entry = orjson.loads(bytes(LedgerEntry.objects.get(action="agents.ai_act.classified").body))
        assert entry["detail"]["tier"] == [2, 3]
        assert entry["detail"]["answers"]["D0"]["answer"] is True

    def test_each_answer_needs_a_reason_and_a_question(self) -> None:
        agent = factories.make_agent("registered", tier=2)
        draft = begin_classification(agent, actor=agent.owner)
        with pytest.raises(InvalidInput) as refused:
            answer_questions(draft, {"S1": Answer(True, " "), "X1": Answer(True, "Why")}, actor=agent.owner)
        assert set(refused.value.fields) == {"S1", "X1"}
        answer_questions(draft, reasoned({"S1": True}), actor=agent.owner)
        with pytest.raises(StaleWrite):
            answer_questions(draft, reasoned({"S2": True}), actor=agent.owner, version=draft.version)

    def test_it_is_answered_again_from_the_last_and_a_graver_class_is_not_left_by_its_owner(self) -> None:
        agent = factories.make_agent("registered", tier=3)
        classify_agent(agent, reasoned(CREDIT | {"D0": True} | SILENT), actor=agent.owner)
        draft = begin_classification(agent, actor=agent.owner)
        assert draft.walk.outcome == Outcome.ANNEX_III
        draft = answer_questions(draft, reasoned({"D0": False, "D1": False, "D2": True}), actor=agent.owner)
        with pytest.raises(NotPermitted) as refused:
            conclude_classification(draft, actor=agent.owner)
        assert refused.value.code == "agents.risk.lowered_by_owner"
        concluded = conclude_classification(draft, actor=factories.make_person(Role.COMPLIANCE))
        assert (concluded.number, Agent.objects.get(pk=agent.pk).ai_act_class) == (2, "minimal")
        with pytest.raises(Conflict) as refused_again:
            conclude_classification(concluded, actor=agent.owner)
        assert refused_again.value.code == "agents.ai_act.not_a_draft"

    def test_a_banned_practice_stands_in_its_queue_and_cannot_go_on(self) -> None:
        agent = factories.make_agent("registered", tier=2)
        classify_agent(agent, reasoned(IN_SCOPE | {"P6": True}), actor=agent.owner)
        agent.refresh_from_db()
        assert agent.tier == 4
        assert list(in_queue(Agent.objects.all(), "prohibited")) == [agent]
        staging = next(one for one in prospects(agent, actor=agent.owner) if one.move.name == "stage")
        assert "practice" in [gate.gate for gate in staging.gates if gate.outcome == "fail"]

    def test_who_only_sees_the_agent_does_not_classify_it(self) -> None:
        agent = factories.make_agent("registered", tier=2)
        with pytest.raises(NotPermitted):
            begin_classification(agent, actor=factories.make_person(Role.VIEWER))


@pytest.mark.django_db
class TestDoors:
    def _page(self, principal: Principal) -> Client:
        client = Client()
        client.force_login(principal.person, backend="apps.identity.auth.PersonBackend")
        return client

    def _post(self, page: Client, address: str, said: dict[str, bool], **more: Any) -> Any:
        version = AiActClassification.objects.get(number=None).version
        values = {name: "yes" if yes else "no" for name, yes in said.items()}
        return page.post(address, values | {"version": version, "reason": "As its purpose says"} | more)

    def test_it_is_answered_stage_by_stage_and_concluded(self) -> None:
        agent = factories.make_agent("registered", tier=2)
        page, address = self._page(agent.owner), reverse("agents:ai-act-answer", args=[agent.pk])
        assert "Not classified" in page.get(reverse("agents:ai-act", args=[agent.pk])).content.decode()
        page.post(reverse("agents:ai-act-act", args=[agent.pk, "begin"]))
        refused = self._post(page, address, {"S1": True}, reason="")
        assert (refused.status_code, set(refused.context["form"].errors)) == (422, {"S1.reason", "S2", "S3"})
        stages = (
            {"S1": True, "S2": True, "S3": False}, {"R1": True, "R2": True}, NOT_BANNED, NO_PRODUCT, NO_USE, SILENT,
        )  # fmt: skip
        for said in stages:
            answer = self._post(page, address, said)
            assert answer.status_code == 302, answer.context["form"].errors
        shown = page.get(address).content.decode()
        assert "Minimal risk." in shown
        assert 'name="S1"' in page.get(address, {"stage": "scope"}).content.decode()
        page.post(reverse("agents:ai-act-act", args=[agent.pk, "conclude"]))
        told = page.get(reverse("agents:ai-act", args=[agent.pk])).content.decode()
        assert "As its purpose says" in told
        assert Agent.objects.get(pk=agent.pk).ai_act_class == "minimal"
        viewer = self._page(factories.make_person(Role.VIEWER))
        assert "Answer again" not in viewer.get(reverse("agents:ai-act", args=[agent.pk])).content.decode()
        assert viewer.get(address).status_code == 403

    def test_a_decisive_answer_makes_the_rest_of_its_stage_superfluous(self) -> None:
        agent = factories.make_agent("registered", tier=2)
        begin_classification(agent, actor=agent.owner)
        page, address = self._page(agent.owner), reverse("agents:ai-act-answer", args=[agent.pk])
        assert self._post(page, address, {"S2": False}).status_code == 302
        assert "Out of scope." in page.get(address).content.decode()

    def test_rest_classifies_in_one_call_and_names_what_is_missing(self) -> None:
        agent = factories.make_agent("registered", tier=2)
        client, address = factories.client_of(agent.owner), f"/api/v1/agents/{agent.pk}/ai-act"
        assert len(client.get("/api/v1/ai-act/questionnaire").json()["stages"]) == 7
        said = CREDIT | {"D0": True}
        body = {"answers": {name: {"answer": yes, "reason": "Why"} for name, yes in said.items()}}
        open_still = client.post(address, body, format="json")
        assert (open_still.status_code, open_still.json()["code"]) == (400, "agents.ai_act.not_decided")
        assert AiActClassification.objects.count() == 0
        body["answers"] |= {name: {"answer": False, "reason": "Why"} for name in SILENT}
        done = client.post(address, body, format="json")
        assert (done.status_code, done.json()["outcome"], done.json()["number"]) == (
            201,
            "high_risk_annex_iii",
            1,
        )
        (listed,) = client.get(address).json()["results"]
        assert listed["path"][4]["because"] == ["H6"]
        assert client.get(f"/api/v1/agents/{agent.pk}").json()["ai_act_class"] == "high_risk"
