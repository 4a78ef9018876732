"""Paths, conditions and addresses of read-backs, as they are read."""

from __future__ import annotations

from typing import Any

import pytest

from apps.activity.effects.asking import question_of
from apps.activity.effects.judging import Facts, Seen, holds, judge_observed, same
from apps.activity.effects.paths import Nothing, is_path, steps_of, value_at
from apps.activity.effects.rules import Address, Condition, Rule, check_rule
from apps.kit.errors import InvalidInput
from apps.kit.ids import new_id
from tests.activity.test_effects import SEEN


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("items[1].id", 7), ("items.1.id", 7), ("text.deep", "x"), ("items[9]", Nothing.MISSING),
        ("text.deep.deeper", Nothing.MISSING), ("", {"items": [{}, {"id": 7}], "text": '{"deep": "x"}'}),
    ],
)  # fmt: skip
def test_a_path_leads_through_names_places_and_json_in_texts(path: str, found: Any) -> None:
    held = {"items": [{}, {"id": 7}], "text": '{"deep": "x"}'}
    assert value_at(held, steps_of(path)) == found


@pytest.mark.parametrize("path", ["a..b", ".a", "a[", "a[x]", "a b", "a()", "a" * 300, "a.{b}", "a[-1]", "ä"])
def test_what_is_no_path_is_refused(path: str) -> None:
    assert not is_path(path)


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ("12", 12, True), (12.50, "12.5", True), ("007", "7", False), (True, 1, False), (None, None, True),
        ("hmac:" + "a" * 24, "hmac:" + "a" * 24, True), ("hmac:" + "a" * 24, "A-1", None), ("sNaN", 1, False),
        ("[e-mail]", "[e-mail]", None), (Nothing.UNRECORDED, 1, None), (Nothing.MISSING, 1, False),
    ],
)  # fmt: skip
def test_values_are_equal_as_far_as_they_are_recorded(one: Any, two: Any, expected: bool | None) -> None:
    assert same(one, two) is expected


def test_hidden_values_are_matched_by_their_hashes_and_decide_nothing_else() -> None:
    first = Facts({}, {"id": "hmac:" + "a" * 24})
    later = [Seen(new_id(), Facts({"refund_id": "hmac:" + "a" * 24}, {"status": "hmac:" + "b" * 24}))]
    assert judge_observed(SEEN, first, later, is_over=True).why == "not_recorded"
    there = Rule(60, SEEN.observed, condition=Condition("exists", "status"))
    assert judge_observed(there, first, later, is_over=False).effect == "verified"


def test_conditions_hold_of_what_stands_there() -> None:
    first = Facts({"amount": 12.5}, {})
    assert holds(Condition("equals_field", "sum", None, "arguments.amount"), "12.50", first)
    assert holds(Condition("contains", "words", "done"), "all done", first)
    assert holds(Condition("contains", "tags", 3), [1, 3], first)
    assert holds(Condition("exists", "id"), None, first) is False


@pytest.mark.parametrize(
    "url",
    [
        "https://{arguments.host}/x", "https://u:p@erp.example.org/", "ftp://erp.example.org/", "https://e.org/{id}",
        "https://e.org/#{result.id}", "https://e.org/{result.id", "//e.org/", "https://[::1/",
    ],
)  # fmt: skip
def test_an_address_leads_where_it_was_declared_to(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_rule(Rule(60, address=Address(url)))
    assert "address.url" in refused.value.fields


def test_a_value_stays_one_piece_of_an_address() -> None:
    facts = Facts({"id": "../admin?x=1#y", "none": None, "list": [1]}, {})
    assert (
        question_of("https://e.org/r/{arguments.id}", facts).url == "https://e.org/r/..%2Fadmin%3Fx%3D1%23y"
    )
    assert question_of("https://e.org/r/{arguments.list}", facts).why == "unfit_field"
    assert question_of("https://e.org/r/{arguments.none}", facts).why == "no_field"
