"""Page state lives in the address, and changing it starts at the first page."""

from django.http import QueryDict

from apps.kit.ui import query


def test_a_change_keeps_the_rest_and_drops_the_cursor() -> None:
    asked = QueryDict("q=refund&tier=4&tier=3&cursor=abc")
    assert query.query_with(asked, {"sort": "-tier"}) == "?q=refund&tier=4&tier=3&sort=-tier"


def test_paging_keeps_the_cursor_it_sets() -> None:
    assert query.query_with(QueryDict("q=x&cursor=abc"), {"cursor": "def"}) == "?q=x&cursor=def"


def test_nothing_removes_a_key() -> None:
    assert query.query_with(QueryDict("q=x&tier=4"), {"tier": None}) == "?q=x"
    assert query.query_with(QueryDict("tier=4"), {"tier": ""}) == "?"


def test_one_value_of_several_can_go() -> None:
    assert query.query_without(QueryDict("tier=4&tier=3"), "tier", 4) == "?tier=3"
    assert query.query_without(QueryDict("tier=4&tier=3"), "tier") == "?"


def test_values_are_quoted() -> None:
    assert query.query_with(QueryDict(""), {"q": 'a&b="<'}) == "?q=a%26b%3D%22%3C"


def test_the_query_of_the_request_is_left_alone() -> None:
    asked = QueryDict("q=x")
    query.query_with(asked, {"q": "y"})
    assert asked["q"] == "x"


def test_a_heading_sorts_up_then_down() -> None:
    assert query.next_sort(QueryDict(""), "tier") == ("", "?sort=tier")
    assert query.next_sort(QueryDict("sort=tier"), "tier") == ("ascending", "?sort=-tier")
    assert query.next_sort(QueryDict("sort=-tier"), "tier") == ("descending", "?sort=tier")
    assert query.next_sort(QueryDict(""), "tier", "-tier") == ("descending", "?sort=tier")
