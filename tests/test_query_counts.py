"""What a page asks of the database does not grow with the fleet, and stays under a bound."""

from __future__ import annotations

import pytest

from bench.queries import PAGES, measured

pytestmark = pytest.mark.django_db
MOST = 30


def test_queries_per_page_do_not_grow_with_the_fleet() -> None:
    few, many = measured(4), measured(24)
    assert {name: many[name] for name in PAGES if many[name] > few[name]} == {}
    assert max(many.values()) <= MOST, many
