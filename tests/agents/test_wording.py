"""What may not stand in a record, and what a name from outside becomes."""

from __future__ import annotations

import pytest

from apps.agents.models import Agent
from apps.agents.services.registry import edit_agent
from apps.identity.roles import Role
from apps.kit.errors import InvalidInput
from tests import factories
from tests.activity.otlp import drain, post, request, tool_span

HIDDEN = "pay\N{RIGHT-TO-LEFT OVERRIDE}tnega"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", HIDDEN, "U+202E"),
        ("name", "bell\a", "U+0007"),
        ("countries", ["zz"], "ISO 3166"),
        ("countries", ["fi"], "capital"),
        ("endpoints", ["javascript:alert(1)"], "https://"),
        ("endpoints", ["data:text/html,x"], "https://"),
        ("endpoints", ["https://a b"], "https://"),
    ],
)
def test_a_record_refuses_what_would_mislead(field: str, value: object, words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        edit_agent(factories.make_agent(), {field: value}, actor=factories.make_person(Role.CURATOR))
    assert words in refused.value.fields[field]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "endpoint", ["https://agents.example.org/a", "agents.example.org:8443", "grpcs://x:1/y"]
)
def test_a_record_takes_addresses_of_services(endpoint: str) -> None:
    agent = factories.make_agent()
    edit_agent(
        agent, {"endpoints": [endpoint], "countries": ["FI"]}, actor=factories.make_person(Role.CURATOR)
    )
    assert Agent.objects.get(pk=agent.pk).endpoints == [endpoint]


@pytest.mark.django_db(transaction=True)
def test_an_invisible_character_in_a_reported_name_is_made_visible() -> None:
    token = factories.make_key(factories.make_source(), ["ingest"]).token
    post(request([tool_span(agent=HIDDEN)]), token)
    drain()
    assert Agent.objects.get().name == "pay\N{REPLACEMENT CHARACTER}tnega"
