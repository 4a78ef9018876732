"""A person's word: good once, for this very call, from somebody else, also when two answer at once."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.agents.models import Agent, Tool
from apps.identity.models import LedgerEntry, Principal
from apps.identity.roles import Role
from apps.kit.errors import Conflict, DomainError, InvalidInput, NotPermitted
from apps.oversight.models import Approval, Decision, StandingApproval
from apps.oversight.services.approvals import (
    Answer,
    answer_approval,
    answer_together,
    carry_out,
    expire_approvals,
    hand_over_approval,
    withdraw_approval,
)
from apps.oversight.services.control import LevelChoice, set_level
from apps.oversight.services.decisions import Question, decide
from apps.oversight.services.standing import Consent, give_standing_approval, revoke_standing_approval
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Principal:
    return factories.make_person(Role.OPERATOR)


@pytest.fixture
def agent() -> Agent:
    return make_watched()


def make_watched() -> Agent:
    """An agent whose refunds wait for a person."""
    agent = factories.make_agent("production", tier=1, team=factories.make_team())
    Tool.objects.create(name="refund", server="pay", side_effect="external")
    choice = LevelChoice("approves", "Money leaves.", agent=agent, tool="pay/refund")
    set_level(choice, actor=factories.make_person(Role.ADMINISTRATOR))
    return agent


def ask(agent: Agent, amount: float = 5, **about: Any) -> Decision:
    question = Question(
        "pay/refund", arguments={"amount": amount}, call_id=about.pop("call_id", "c1"), **about
    )
    return decide(agent, question, actor=agent.principal)


def waiting(agent: Agent, **about: Any) -> Approval:
    decision = ask(agent, **about)
    assert decision.outcome == "ask"
    return Approval.objects.get(pk=decision.approval_id)


def test_an_approved_call_is_made_once(agent: Agent, operator: Principal) -> None:
    approval = waiting(agent)
    assert ask(agent).approval_id == approval.pk, "asking again opens no second one"
    assert ask(agent, approval=str(approval.pk)).code == "approval.pending"
    answer_approval(approval, Answer(True, seen_digest=approval.seen_digest, open_s=4.0), actor=operator)
    first, second = (ask(agent, approval=str(approval.pk)) for _ in range(2))
    assert (first.outcome, first.code) == ("allow", "approval.given")
    assert (second.outcome, second.code) == ("deny", "approval.used")
    entry = LedgerEntry.objects.get(action="oversight.approval.approved")
    assert approval.seen_digest in bytes(entry.body).decode()


def test_who_cannot_carry_the_id_uses_the_consent_by_making_the_same_call(
    agent: Agent, operator: Principal
) -> None:
    approval = waiting(agent, call_id="first", conversation_id="talk")
    assert ask(agent, call_id="again", conversation_id="talk").approval_id == approval.pk
    answer_approval(approval, Answer(True), actor=operator)
    assert ask(agent, amount=6, call_id="other", conversation_id="talk").outcome == "ask"
    found = [ask(agent, call_id=name, conversation_id="talk").outcome for name in ("third", "fourth")]
    assert found == ["allow", "ask"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda agent: {"amount": 6}, "approval.mismatch"),
        (lambda agent: {"operation": "all"}, "approval.mismatch"),
        (lambda agent: {"on_behalf_of": "somebody@example.org"}, "approval.mismatch"),
        (
            lambda agent: Tool.objects.get().__class__.objects.update(schema_hash="other") and {},
            "approval.mismatch",
        ),
        (lambda agent: Approval.objects.update(usable_until=timezone.now()) and {}, "approval.out_of_date"),
    ],
)
def test_what_differs_from_what_was_approved_is_refused(
    change: Any, code: str, agent: Agent, operator: Principal
) -> None:
    approval = waiting(agent)
    answer_approval(approval, Answer(True), actor=operator)
    decision = ask(agent, approval=str(approval.pk), **change(agent))
    assert (decision.outcome, decision.code) == ("deny", code)
    approval.refresh_from_db()
    assert approval.state == "approved"


def test_changed_arguments_are_the_ones_that_may_be_used(agent: Agent, operator: Principal) -> None:
    approval = waiting(agent, amount=500)
    answer_approval(approval, Answer(True, arguments={"amount": 50}), actor=operator)
    assert ask(agent, amount=500, approval=str(approval.pk)).code == "approval.mismatch"
    assert ask(agent, amount=50, approval=str(approval.pk)).outcome == "allow"
    approval.refresh_from_db()
    assert (approval.arguments, approval.changed_arguments) == ({"amount": 500}, {"amount": 50})


def test_who_may_answer(agent: Agent, operator: Principal) -> None:
    approval = waiting(agent, on_behalf_of=operator.person.email)
    refused: list[tuple[Principal, type[DomainError]]] = [
        (operator, NotPermitted),
        (agent.principal, NotPermitted),
        (factories.make_person(Role.VIEWER), NotPermitted),
        (factories.make_person(Role.OPERATOR, factories.make_team()), NotPermitted),
    ]
    for actor, error in refused:
        with pytest.raises(error):
            answer_approval(approval, Answer(True), actor=actor)
    with pytest.raises(InvalidInput):
        hand_over_approval(approval, operator, actor=agent.owner, reason="Knows it.")
    answer_approval(approval, Answer(False, "Not this one."), actor=agent.owner)
    assert ask(agent, on_behalf_of=operator.person.email, approval=str(approval.pk)).code == "approval.denied"


def test_silence_comes_to_a_denial_and_a_withdrawn_one_is_answered_no_more(
    agent: Agent, operator: Principal
) -> None:
    first, second = waiting(agent), waiting(agent, call_id="c2", amount=6)
    assert expire_approvals(timezone.now() + timedelta(days=1)) == 2
    assert ask(agent, approval=str(first.pk)).code == "approval.expired"
    third = waiting(agent, call_id="c3", amount=7)
    withdraw_approval(third, actor=agent.principal)
    with pytest.raises(Conflict) as refused:
        answer_approval(third, Answer(True), actor=operator)
    assert refused.value.code == "approval.settled"
    together = answer_together(
        [second, third, waiting(agent, call_id="c4", amount=8)], Answer(True, "Alike."), actor=operator
    )
    assert (len(together.answered), len(together.refused)) == (1, 2)


def test_consent_in_advance_is_capped_limited_and_taken_back(agent: Agent, operator: Principal) -> None:
    until = timezone.now() + timedelta(days=1)
    consent = Consent("pay/refund", 2, until, "Small ones.", limits={"amount": {"most": 10}})
    given = give_standing_approval(agent, consent, actor=operator)
    assert ask(agent, amount=11, call_id="a").outcome == "ask"
    assert ask(agent, amount=10, call_id="b").code == "approval.standing"
    revoke_standing_approval(given, actor=operator, reason="Enough.")
    assert ask(agent, amount=10, call_id="c").outcome == "ask"
    again = give_standing_approval(agent, Consent("pay/refund", 1, until, "One more."), actor=operator)
    assert [ask(agent, call_id=name).outcome for name in ("d", "e")] == ["allow", "ask"]
    assert StandingApproval.objects.get(pk=again.pk).used == 1


def test_over_rest_the_agent_sees_its_own_and_a_stranger_nothing(agent: Agent, operator: Principal) -> None:
    key = factories.client_of(agent.principal, "decide")
    asked = key.post(
        "/api/v1/decisions",
        {"tool": "pay/refund", "arguments": {"amount": 5}, "call_id": "r1"},
        format="json",
    ).json()
    assert asked["outcome"] == "ask"
    url = f"/api/v1/approvals/{asked['approval_id']}"
    assert key.get(url).json()["state"] == "pending"
    stranger = factories.make_agent("production", tier=1)
    assert factories.client_of(stranger.principal, "decide").get(url).status_code == 404
    assert key.post(f"{url}/answer", {"approves": True}, format="json").status_code == 403
    person = factories.client_of(operator)
    answered = person.post(
        f"{url}/answer", {"approves": True, "arguments": {"amount": 4}, "reason": "Less."}, format="json"
    )
    assert (answered.status_code, answered.json()["arguments"]) == (200, {"amount": 4})
    body = {
        "tool": "pay/refund",
        "arguments": {"amount": 4},
        "call_id": "r1",
        "approval": asked["approval_id"],
    }
    assert key.post("/api/v1/decisions", body, format="json").json()["code"] == "approval.given"


def test_what_is_for_people_is_carried_out_by_one(operator: Principal) -> None:
    agent = factories.make_agent("production", tier=1)
    choice = LevelChoice("human_only", "By hand.", agent=agent, tool="pay/refund")
    set_level(choice, actor=factories.make_person(Role.ADMINISTRATOR))
    assert ask(agent).code == "oversight.human_only"
    approval = Approval.objects.get()
    with pytest.raises(Conflict) as refused:
        answer_approval(approval, Answer(True), actor=operator)
    assert refused.value.code == "approval.for_people_only"
    carry_out(approval, actor=operator, note="Paid by hand.")
    assert ask(agent, approval=str(approval.pk)).code == "approval.done"


@pytest.mark.django_db(transaction=True)
def test_of_those_who_answer_and_use_at_once_one_wins() -> None:
    agent = make_watched()
    people = [factories.make_person(Role.OPERATOR) for _ in range(4)]
    approval = waiting(agent)
    found: list[str] = []

    def together(work: Any, *arguments: Any) -> None:
        try:
            found.append(work(*arguments))
        except DomainError as error:
            found.append(error.code)
        finally:
            connection.close()

    def run(jobs: list[tuple[Any, ...]]) -> list[str]:
        found.clear()
        threads = [threading.Thread(target=together, args=job) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(found)

    def answer(person: Principal) -> str:
        return answer_approval(approval, Answer(True), actor=person).state

    assert run([(answer, person) for person in people]) == ["approval.settled"] * 3 + ["approved"]
    use = [(lambda: ask(agent, approval=str(approval.pk)).code,) for _ in range(5)]
    assert run(use) == ["approval.given"] + ["approval.used"] * 4
    approval.refresh_from_db()
    assert approval.state == "used"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("given", "allowed", "words"),
    [
        (Answer(True), True, ""),
        (Answer(True, arguments={"amount": 4}), False, '{"amount": 4}'),
        (Answer(False, "Ask me tomorrow."), False, "Ask me tomorrow."),
    ],
)
def test_a_client_waits_for_the_person(given: Answer, allowed: bool, words: str, live_server: Any) -> None:
    from chancery_sdk import Call, Client

    agent, person = make_watched(), factories.make_person(Role.OPERATOR)
    token = factories.make_key(agent.principal, ["decide", "ingest"]).token
    client = Client(live_server.url, token, wait_for_person_s=30, decision_timeout_s=20, interval_s=30)
    found: list[Any] = []
    call = Call("pay/refund", {"amount": 5}, call_id="sdk-1")
    asking = threading.Thread(target=lambda: found.append(client.decide(call)))
    asking.start()
    for _ in range(200):
        if approval := Approval.objects.first():
            break
        asking.join(0.05)
    answer_approval(approval, given, actor=person)
    asking.join(30)
    client.close(0)
    assert (found[0].allowed, words in found[0].words) == (allowed, True)
    assert Approval.objects.get().state == (
        "used" if allowed else "denied" if not given.approves else "approved"
    )
