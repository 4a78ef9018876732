"""What may not be recorded is nowhere in the store, whenever it is told whose it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apps.activity.models import ContentPolicy, Resource, Span, ToolCall
from apps.activity.recording.applying import attributes_under
from apps.activity.recording.policy import MODES, Policy, Rule, Subject
from apps.activity.recording.redaction import redacted
from apps.activity.recording.services import set_content_policy
from apps.agents.models import Tool
from apps.identity.models import LedgerEntry
from apps.identity.roles import Role
from apps.kit.errors import Conflict, InvalidInput, NotPermitted
from tests import factories
from tests.activity.otlp import attribute, drain, log_request, post, request, span, tool_span

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "anna.kern@example.org"
TOLD = {
    "gen_ai.tool.call.arguments": json.dumps({"email": SECRET, "amount": 12.5}),
    "gen_ai.tool.call.result": f"sent to {SECRET}",
    "vendor.invented.note": f"for {SECRET}",
}


@pytest.fixture
def token() -> str:
    return factories.make_key(factories.make_source(), ["ingest"]).token


def set_policy(default: str, *rules: Rule) -> None:
    set_content_policy(default, rules, actor=factories.make_person(Role.COMPLIANCE), reason="Data protection")


def everywhere() -> str:
    """All that is stored of spans, calls and words, as text."""
    with connection.cursor() as cursor:
        found = ""
        for table in ("activity_span", "activity_toolcall", "activity_callwords", "activity_alert"):
            cursor.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")
            found += cursor.fetchone()[0]
    return found


@pytest.mark.parametrize("mode", ["redacted", "hashed", "none"])
def test_content_is_gone_before_it_is_stored(mode: str, token: str) -> None:
    set_policy(mode)
    post(
        request([tool_span(attributes=TOLD), tool_span(attributes=TOLD, error=f"no mail for {SECRET}")]),
        token,
    )
    post(
        log_request("claude_code.user_prompt", {"prompt": f"write to {SECRET}", "prompt_length": 20}),
        token,
        "/v1/logs",
    )
    assert SECRET not in everywhere()  # before the pipeline has seen it
    drain()
    calls = list(ToolCall.objects.all())
    assert SECRET not in everywhere()
    assert {(call.tool_name, call.agent.name) for call in calls} == {("lookup_order", "order_agent")}
    told = {
        "redacted": {"email": "[e-mail]", "amount": 12.5},
        "hashed": {name: calls[0].arguments and calls[0].arguments[name] for name in ("email", "amount")},
        "none": None,
    }
    assert [call.arguments for call in calls] == [told[mode]] * 2
    if mode == "hashed":
        assert calls[0].arguments["email"].startswith("hmac:")
        assert len({*calls[0].arguments.values()}) == 2


@pytest.mark.parametrize("mode", ["redacted", "hashed", "none"])
def test_what_a_resource_says_of_a_person_is_gone_and_what_names_the_software_stays(
    mode: str, token: str
) -> None:
    set_policy(mode)
    told = ExportTraceServiceRequest.FromString(request([tool_span()]))
    for name, value in {"user.email": SECRET, "process.command_line": f"mail --to {SECRET}"}.items():
        told.resource_spans[0].resource.attributes.append(attribute(name, value))
    for _ in range(2):
        post(told.SerializeToString(), token)
    resource = Resource.objects.get()
    assert SECRET not in str(resource.attributes)
    assert resource.attributes["service.name"] == "order-desk"
    assert set(Span.objects.values_list("resource_id", flat=True)) == {resource.pk}


def test_full_costs_nothing_and_changes_nothing(token: str) -> None:
    post(request([tool_span(attributes=TOLD)]), token)
    assert Span.objects.get().attributes["vendor.invented.note"] == f"for {SECRET}"


def test_an_agent_that_is_named_later_is_recorded_as_its_tier_demands(token: str) -> None:
    """At the door nobody knew whose span it was; the stored spans of its trace are made as strict as the call."""
    named = {"openinference.span.kind": "AGENT", "agent.name": "late_agent", "input.value": f"mail {SECRET}"}
    post(request([tool_span(agent="late_agent")]), token)
    drain()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE agents_agent SET tier = 4")
    set_policy("full", Rule("none", tier=4))
    trace, root = b"t" * 16, b"r" * 8
    child = {"openinference.span.kind": "TOOL", "tool.name": "lookup", "input.value": f'{{"to": "{SECRET}"}}'}
    post(request([span("lookup", child, trace_id=trace, parent_span_id=root)]), token)
    drain()
    assert SECRET in everywhere()
    post(request([span("turn", named, trace_id=trace, span_id=root)]), token)
    drain()
    call = ToolCall.objects.get(tool_name="lookup")
    assert (call.agent.name, call.arguments) == ("late_agent", None)
    assert SECRET not in everywhere()


def test_a_rule_of_a_class_of_data_fits_calls_of_tools_that_touch_it(token: str) -> None:
    Tool.objects.create(name="read_record", data_classes=["health"])
    set_policy("full", Rule("hashed", data_class="health"))
    post(request([tool_span("read_record", attributes=TOLD), tool_span(attributes=TOLD)]), token)
    drain()
    hashed, whole = (
        ToolCall.objects.get(tool_name="read_record"),
        ToolCall.objects.get(tool_name="lookup_order"),
    )
    assert hashed.arguments["email"].startswith("hmac:")
    assert whole.arguments["email"] == SECRET


def test_the_strictest_rule_that_fits_holds() -> None:
    policy = Policy(
        1, "redacted", (Rule("full", team="a"), Rule("hashed", tier=4), Rule("none", "a", 4, "health"))
    )
    subject = Subject(frozenset({"a"}), 4, frozenset({"health", "public"}))
    assert policy.mode_for(subject) == "none"
    assert policy.mode_for(Subject(frozenset({"a"}), 4)) == "hashed"
    assert policy.mode_for(Subject(frozenset({"a"}), 1)) == "full"
    assert policy.mode_for(Subject()) == "redacted"


@pytest.mark.parametrize("first", MODES)
@pytest.mark.parametrize("second", MODES)
def test_a_mode_applied_again_changes_nothing_and_a_laxer_one_brings_nothing_back(
    first: str, second: str
) -> None:
    once = attributes_under(first, TOLD, "genai", b"key")
    both = attributes_under(second, once, "genai", b"key")
    if MODES.index(second) <= MODES.index(first):
        assert both == once
    else:
        assert both["chancery.content"] == second
        assert SECRET not in str(both)


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("to anna.kern@example.org, or +49 30 1234567", "to [e-mail], or [phone]"),
        (
            "card 4111 1111 1111 1111 and order 4111 1111 1111 1112",
            "card [card] and order 4111 1111 1111 1112",
        ),
        ("DE89 3704 0044 0532 0130 00 is paid", "[iban] is paid"),
        ("DE88370400440532013000 is none", "DE88370400440532013000 is none"),
        ("SSN 078-05-1120, NINO QQ 12 34 56 C", "SSN [national id], NINO QQ 12 34 56 C"),
        ("NINO AB 12 34 56 C, DNI 12345678Z", "NINO [national id], DNI [national id]"),
        ('{"api_key": "k-1234567", "n": 1}', '{"api_key": "[secret]", "n": 1}'),
        ("AKIAIOSFODNN7EXAMPLE at postgres://u:pw@db/x", "[key] at [url]"),
        ("A-17 on 2026-11-25T03:00:00Z costs 12.50", "A-17 on 2026-11-25T03:00:00Z costs 12.50"),
    ],
)
def test_personal_data_and_secrets_give_way_to_their_kind(words: str, left: str) -> None:
    assert redacted(words) == left
    assert redacted(left) == left


def test_a_policy_is_set_by_whoever_may_version_by_version() -> None:
    with pytest.raises(NotPermitted):
        set_content_policy("none", [], actor=factories.make_person(Role.OPERATOR), reason="x")
    with pytest.raises(InvalidInput):
        set_policy("full", Rule("none", team="nobody"))
    set_policy("redacted")
    with pytest.raises(Conflict):
        set_content_policy("full", [], actor=factories.make_person(Role.COMPLIANCE), reason="x", after=0)
    assert ContentPolicy.objects.get().number == 1
    assert LedgerEntry.objects.filter(action="activity.recording.set").count() == 1


def test_the_page_sets_the_policy_and_how_long_things_are_kept(client: Any) -> None:
    client.force_login(factories.make_person(Role.COMPLIANCE).person)
    client.post("/recording/rules/", {"mode": "hashed", "tier": "4", "reason": "High tier"})
    client.post(
        "/recording/retention/calls/",
        {"days": "400", "is_archived": "on", "reason": "Ten years are not needed"},
    )
    page = client.get("/recording/")
    assert "Hashed" in page.content.decode()
    assert "400" in page.content.decode()
    assert client.get("/api/v1/recording").json()["rules"] == [
        {"mode": "hashed", "team": "", "tier": 4, "data_class": ""}
    ]
    refused = client.post(
        "/api/v1/retention", {"of": "content", "days": 30, "reason": "x"}, content_type="application/json"
    )
    assert (refused.status_code, "no longer" in refused.content.decode()) == (400, True)
