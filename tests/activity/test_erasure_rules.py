"""How a person's identifiers are found in texts, and what becomes of the values they stand in."""

from __future__ import annotations

import json

import duckdb
import pytest
from django.db import connection

from apps.activity.erasure.leaves import MARK, Eraser
from apps.activity.erasure.patterns import coarse, exact, normal
from apps.activity.erasure.places import Kind, places

MAIL, NUMBER, PHONE = "Anna.Kern@Example.org", "KD-2024-0117", "+49 30 1234567"
KNOWN_BY = [MAIL, NUMBER, PHONE]

FOUND = [
    (MAIL, ["mail%3Danna.kern%40example.org", "x\\nanna.kern@example.org"], ["joanna.kern@example.org", "anna.kern@example.organic"]),
    (PHONE, ["0049301234567", "+49-(30)-123 45 67", "49301234567."], ["49301234568", "149301234567"]),
    (NUMBER, ["kd20240117", "KD 2024 0117"], ["KD-2024-01178", "XKD-2024-0117"]),
    ("Anna Kern", ["anna.kern", "ANNA_KERN", "Anna\\nKern"], ["Anna Kerner", "annakern"]),
    ("Jörg Müller", ["JÖRG MÜLLER", "J\\u00f6rg M\\u00fcller", "Jo\u0308rg Mu\u0308ller"], ["Jorg Muller"]),
    ("4711", ["no 4711", "47 11"], ["47.11", "14711"]),
]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize(("identifier", "hers", "others"), FOUND)
def test_postgres_duckdb_and_python_find_every_spelling(
    identifier: str, hers: list[str], others: list[str]
) -> None:
    pattern = coarse([identifier])
    with connection.cursor() as cursor, duckdb.connect() as database:
        for words in hers:
            nested = json.dumps({"t": json.dumps({"t": words})})
            cursor.execute("SELECT %s ~* %s, %s::jsonb::text ~* %s", [words, pattern, nested, pattern])
            assert cursor.fetchone() == (True, True), words
            assert database.execute("SELECT regexp_matches(?, ?, 'i')", [nested, pattern]).fetchone() == (
                True,
            )
            assert Eraser([identifier], b"salt").text(words) == MARK
    assert not [words for words in others if exact([identifier]).search(words)]


def test_spellings_that_are_found_alike_have_one_hash() -> None:
    assert normal(" +49 (30) 1234567") == normal("0049301234567")
    assert normal("anna.kern@example.org") == normal(MAIL)
    assert normal("ANNA  kern") == normal("Anna.Kern")


def test_what_is_erased_once_is_left_alone_and_only_what_fits_changes() -> None:
    eraser = Eraser(KNOWN_BY, b"salt")
    value = {
        "a": json.dumps({"to": MAIL, "n": [1, None, True]}),
        MAIL: 2,
        "b": '{"broken": "anna.kern@example.org',
    }
    once = eraser.inside(value)
    assert eraser.inside(once) == once
    assert (once["a"], once["b"]) == ('{"to": "[erased]", "n": [1, null, true]}', MARK)
    assert list(once)[1].startswith("erased-")
    untouched = {"a": '{"x":  1}', "b": ["joanna.kern@example.org"]}
    assert eraser.inside(untouched) == untouched


def test_what_holds_content_is_looked_at_and_what_joins_records_keeps_joining_them() -> None:
    """A column that is added to a table of activity is looked at unless somebody says why not."""
    looked_at = {
        f"{place.table}.{column.name}": column.kind for place in places() for column in place.columns
    }
    texts = {"activity_toolcall.arguments", "activity_span.attributes", "activity_resource.attributes"}
    assert {looked_at[one] for one in texts} == {Kind.JSON}
    assert (
        looked_at["oversight_decision.conversation_id"] == looked_at["activity_alert.cause"] == Kind.JOINING
    )
    assert not {"activity_toolcall.tool_name", "activity_span.agent_name"} & looked_at.keys()
