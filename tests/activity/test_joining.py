"""What is told in pieces: reports joined to one call, answers counted once, verdicts that are revised."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from auditlog.models import LogEntry

from apps.activity.feed import line
from apps.activity.models import CallKey, OutboxItem, ToolCall
from apps.activity.pipeline.relatives import read_traces
from apps.activity.pipeline.step import step
from apps.activity.pipeline.store import read_spans
from apps.activity.services import Verdict, record_verdicts
from apps.agents.models import Agent, Dependency, ObservedModel, ObservedTool
from apps.identity.roles import Role
from apps.identity.services.ledger import system_principal
from apps.oversight.services.policies import set_tool_policy
from tests import factories
from tests.activity.otlp import drain, log_request, post, request, span, tool_span

pytestmark = pytest.mark.django_db(transaction=True)
TRACE = b"t" * 16
SCOPE = "openinference.instrumentation.x"


@pytest.fixture
def token() -> str:
    return factories.make_key(factories.make_source(), ["ingest"]).token


def of_kind(kind: str, span_id: bytes, parent: bytes = b"", **attributes: Any) -> Any:
    told = {"openinference.span.kind": kind} | {k.replace("__", "."): v for k, v in attributes.items()}
    return span(kind, told, trace_id=TRACE, span_id=span_id, parent_span_id=parent)


def test_two_calls_that_prove_to_be_one_are_joined_in_the_older_and_counted_once(token: str) -> None:
    nameless, of_call = {"gen_ai.tool.call.id": ""}, {"gen_ai.tool.call.id": "call-1"}
    post(request([tool_span(trace_id=TRACE, span_id=b"a" * 8, attributes=nameless)]), token)
    drain()
    older = ToolCall.objects.get()
    post(request([tool_span(trace_id=TRACE, span_id=b"b" * 8, attributes=of_call, error="it failed")]), token)
    drain()
    assert (ToolCall.objects.count(), ObservedTool.objects.get().calls) == (2, 2)
    younger = ToolCall.objects.exclude(pk=older.pk).get()
    post(
        request(
            [tool_span(trace_id=TRACE, span_id=b"a" * 8, attributes=of_call, start_time_unix_nano=10**18)]
        ),
        token,
    )
    drain()
    joined = ToolCall.objects.get()
    assert (joined.pk, joined.call_id, joined.status, joined.outcome) == (
        older.pk,
        "call-1",
        "error",
        "flagged",
    )
    assert joined.position > older.position
    assert line(joined)["replaces"] == [str(younger.pk)], "whoever shows the younger takes it away"
    assert (ObservedTool.objects.get().calls, Dependency.objects.get().calls) == (1, 1)
    assert set(CallKey.objects.values_list("call_id", flat=True)) == {older.pk}


def test_a_models_answer_is_counted_once_however_many_ancestors_follow(token: str) -> None:
    answer = of_kind("LLM", b"m" * 8, b"p" * 8, llm__model_name="m-1")
    for one in (
        answer,
        of_kind("AGENT", b"p" * 8, b"q" * 8, agent__name="inner"),
        of_kind("AGENT", b"q" * 8, b"r" * 8, agent__name="outer"),
        of_kind("CHAIN", b"r" * 8),
    ):
        post(request([one], scope=SCOPE), token)
        drain()
    assert list(ObservedModel.objects.values_list("agent__name", "model", "calls")) == [("inner", "m-1", 1)]


def test_a_models_answer_is_counted_once_when_its_ancestor_waited_behind_it(token: str) -> None:
    post(request([of_kind("LLM", b"m" * 8, b"p" * 8, llm__model_name="m-1")], scope=SCOPE), token)
    post(request([of_kind("AGENT", b"p" * 8, agent__name="inner")], scope=SCOPE), token)
    for row in OutboxItem.objects.order_by("pk").values_list("pk", flat=True):
        step([row])
    assert list(ObservedModel.objects.values_list("agent__name", "calls")) == [("inner", 1)]


def test_of_a_long_trace_only_what_a_span_needs_is_read(token: str) -> None:
    root = of_kind("CHAIN", b"r" * 8, session__id="conv-9", input__value="x" * 2000)
    parent = of_kind("CHAIN", b"p" * 8, b"r" * 8)
    others = [of_kind("CHAIN", number.to_bytes(8), b"r" * 8) for number in range(1, 300)]
    post(request([root, parent, *others], scope=SCOPE), token)
    drain()
    tool = of_kind("TOOL", b"t" * 8, b"p" * 8, tool__name="lookup")
    post(request([tool], scope=SCOPE), token)
    fresh = read_spans(OutboxItem.objects.get().span_ids)
    (trace,) = read_traces(fresh, []).values()
    assert set(trace.spans) == {b"t" * 8, b"p" * 8, b"r" * 8}
    assert trace.spans[b"r" * 8].attributes == {}
    assert trace.resolve(fresh[0]).conversation_id == "conv-9"
    drain()
    assert ToolCall.objects.get(tool_name="lookup").conversation_id == "conv-9"


def test_the_id_of_a_call_is_found_in_an_answer_stored_before(token: str) -> None:
    answer = of_kind(
        "LLM", b"m" * 8,
        **{"llm__output_messages__0__message__tool_calls__0__tool_call__id": "call-7",
           "llm__output_messages__0__message__tool_calls__0__tool_call__function__name": "lookup",
           "llm__output_messages__0__message__tool_calls__0__tool_call__function__arguments": '{"id": 1}'},
    )  # fmt: skip
    post(request([answer], scope=SCOPE), token)
    drain()
    tool = of_kind("TOOL", b"t" * 8, tool__name="lookup", input__value='{"id": 1}', agent__name="x")
    post(request([tool], scope=SCOPE), token)
    drain()
    assert ToolCall.objects.get().call_id == "call-7"


def verdicts_of(call: ToolCall) -> dict[str, Verdict]:
    return {
        "violation": Verdict(call.pk, "violation", "not allowed", "policy"),
        "blocked": Verdict(call.pk, "blocked", "it was refused", "enforcement"),
        "anomaly": Verdict(call.pk, "anomaly", "never before", "baseline", judge="baseline"),
    }


def judged(token: str, *outcomes: str) -> ToolCall:
    post(request([tool_span()]), token)
    drain()
    call = ToolCall.objects.latest("pk")
    for outcome in outcomes:
        record_verdicts([verdicts_of(call)[outcome]])
    call.refresh_from_db()
    return call


def test_a_judge_may_think_again(token: str) -> None:
    call = judged(token, "violation", "blocked")
    assert (call.outcome, call.outcome_reason, call.outcome_code) == (
        "blocked",
        "it was refused",
        "enforcement",
    )
    record_verdicts([Verdict(call.pk, "allowed", "", "")])
    call.refresh_from_db()
    assert call.outcome == "allowed"


@pytest.mark.parametrize("order", list(permutations(["anomaly", "violation", "blocked"])))
def test_among_judges_the_gravest_last_word_stands(order: tuple[str, ...], token: str) -> None:
    last_of_rules = [outcome for outcome in order if outcome != "anomaly"][-1]
    assert judged(token, *order).outcome == last_of_rules


def test_a_call_told_as_done_then_as_refused_is_blocked(token: str) -> None:
    """The reporter's second word comes by itself through the pipeline, whatever came first."""
    conversation = {"session.id": "s-1", "tool_use_id": "toolu_1", "tool_name": "Bash"}
    scope = "com.anthropic.claude_code.tracing"
    done = span("claude_code.tool", conversation, trace_id=TRACE, span_id=b"a" * 8)
    refused = span(
        "claude_code.tool.blocked_on_user", {"decision": "reject"}, trace_id=TRACE, parent_span_id=b"a" * 8
    )
    post(request([done], scope=scope), token)
    drain()
    record_verdicts([Verdict(ToolCall.objects.get().pk, "violation", "not allowed", "policy")])
    post(request([refused], scope=scope), token)
    drain()
    assert (ToolCall.objects.get().status, ToolCall.objects.get().outcome) == ("denied", "blocked")


CLAUDE = "com.anthropic.claude_code.tracing"


def forbid_what_follows() -> None:
    """Whoever has been seen may call nothing of what it calls."""
    set_tool_policy(Agent.objects.get(), ["nothing_of_this"], actor=factories.make_person(Role.OPERATOR))


@pytest.mark.parametrize("said", ["reject", "denied"])
def test_a_refusal_is_believed_only_of_clients_that_refuse(said: str, token: str) -> None:
    for attributes in ({}, {"decision": said}):
        post(request([tool_span(attributes=attributes)]), token)
        drain()
        forbid_what_follows()
    last = ToolCall.objects.latest("position")
    assert (last.status, last.outcome) == ("ok", "violation")


def claude_span(name: str, **attributes: Any) -> Any:
    whole = name == "claude_code.tool"
    ids = {"span_id": b"a" * 8} if whole else {"parent_span_id": b"a" * 8}
    told = {"session.id": "s-1", "tool_use_id": "toolu_1", "tool_name": "Bash"} if whole else {}
    return span(name, told | attributes, trace_id=TRACE, **ids)


@pytest.mark.parametrize("order", [("refused", "ran"), ("ran", "refused")])
def test_a_call_that_ran_was_not_refused(order: tuple[str, str], token: str) -> None:
    """Whichever of the two is told first."""
    pieces = {
        "ran": lambda: claude_span("claude_code.tool.execution", success="true"),
        "refused": lambda: claude_span("claude_code.tool.blocked_on_user", decision="reject"),
    }
    first = span("claude_code.tool", {"session.id": "s-0", "tool_use_id": "toolu_0", "tool_name": "Read"})
    post(request([first], scope=CLAUDE), token)
    drain()
    forbid_what_follows()
    for piece in (lambda: claude_span("claude_code.tool"), *(pieces[name] for name in order)):
        post(request([piece()], scope=CLAUDE), token)
        drain()
    last = ToolCall.objects.get(call_id="toolu_1")
    assert (last.status, last.outcome) == ("ok", "violation")


@pytest.mark.parametrize("order", [("refused", "ran"), ("ran", "refused")])
def test_a_log_that_says_refused_does_not_undo_a_span_that_shows_a_run(
    order: tuple[str, str], token: str
) -> None:
    """The span keeps no result, and both come by themselves: what was proven once is not forgotten."""
    ids = {"session.id": "s-1", "tool_use_id": "toolu_1", "tool_name": "Bash"}
    pieces = {
        "ran": request([claude_span("claude_code.tool"), claude_span("claude_code.tool.execution", success="true")],
                       scope=CLAUDE),
        "refused": log_request("claude_code.tool_decision", ids | {"decision": "reject"}),
    }  # fmt: skip
    for name in order:
        path = "/v1/traces" if name == "ran" else "/v1/logs"
        assert post(pieces[name], token, path).status_code == 200
        drain()
    call = ToolCall.objects.get()
    assert (call.status, call.outcome, call.ran) == ("ok", "allowed", True)


def test_what_telemetry_changed_is_chancerys_own_act(token: str) -> None:
    post(request([tool_span()]), token)
    drain()
    entry = LogEntry.objects.get_for_object(Agent.objects.get()).get(action=LogEntry.Action.CREATE)
    assert entry.additional_data["principal"]["id"] == str(system_principal().pk)


@pytest.mark.parametrize("hidden", ["export_customers", "mcp__evil__lookup_order"])
def test_a_call_does_not_hide_behind_the_ids_of_another_tools_call(hidden: str, token: str) -> None:
    first = tool_span(attributes={"gen_ai.tool.call.id": "call_1"})
    same_call = tool_span(hidden, attributes={"gen_ai.tool.call.id": "call_1"})
    later = first.start_time_unix_nano + 5_000_000_000
    same_span = tool_span(
        hidden, trace_id=first.trace_id, span_id=first.span_id, start_time_unix_nano=later,
        end_time_unix_nano=later + 1_000_000, attributes={"gen_ai.tool.call.id": "call_2"},
    )  # fmt: skip
    for one in (first, same_call, same_span, first):
        assert post(request([one]), token).status_code == 200
        drain()
    told = sorted(f"{call.mcp_server}/{call.tool_name}" for call in ToolCall.objects.all())
    expected = "evil/lookup_order" if "evil" in hidden else "/export_customers"
    assert told == sorted(["/lookup_order", expected, expected])
