"""Who may open what: every address and method against every kind of actor, from one file.

`matrix.csv` holds the expected status of each cell. A method without a row must answer 405, so a new
address fails here until somebody has written down who may open it. To see what the
product answers now: `CHANCERY_WRITE_MATRIX=1 python -m pytest tests/access`, then read the difference.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from django.db import transaction
from django.urls import reverse

from tests.access.world import ACTORS, METHODS, World, endpoints, make_world

FILE = Path(__file__).with_name("matrix.csv")
WRITING = bool(os.environ.get("CHANCERY_WRITE_MATRIX"))


def expected() -> dict[tuple[str, str], dict[str, str]]:
    with FILE.open() as file:
        return {(row["endpoint"], row["method"]): row for row in csv.DictReader(file)}


def answers(world: World, name: str, method: str, asked: tuple[str, ...] = ACTORS) -> dict[str, str]:
    """The status each of these actors gets; each request is undone."""
    route, parameters = endpoints()[name]
    rest = route.startswith("api/v1/")
    url = reverse(name, kwargs=world.arguments(parameters, route))
    found = {}
    for actor in ACTORS:
        if actor not in asked:
            continue
        client = world.client(actor, rest=rest)
        if client is None:
            found[actor] = "-"
            continue
        with transaction.atomic():
            found[actor] = str(
                client.generic(
                    method, url, "{}" if rest else "", content_type=_type(rest, method)
                ).status_code
            )
            transaction.set_rollback(True)
    return found


def _type(rest: bool, method: str) -> str:
    return "application/json" if rest else "application/x-www-form-urlencoded"


def groups() -> dict[str, list[str]]:
    """Addresses by namespace and resource, so that one world serves a group."""
    found: dict[str, list[str]] = {}
    for name in endpoints():
        found.setdefault(name.rpartition(":")[0] + ":" + name.rpartition(":")[2].split("-")[0], []).append(
            name
        )
    return found


def write_the_matrix() -> None:
    """Not a test: puts into the file what the product answers now."""
    world = make_world()
    rows = [
        {"endpoint": name, "method": method} | answers(world, name, method)
        for name in endpoints()
        for method in METHODS
        if answers(world, name, method, ("administrator",)) != {"administrator": "405"}
    ]
    with FILE.open("w", newline="") as file:  # only now: what stands there survives an address that fails
        writer = csv.DictWriter(file, ["endpoint", "method", *ACTORS], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if WRITING:
    test_write_the_matrix = pytest.mark.django_db(write_the_matrix)


@pytest.mark.django_db
@pytest.mark.parametrize("group", sorted(groups()))
def test_every_actor_gets_the_answer_written_in_the_matrix(group: str) -> None:
    rows, world, wrong = expected(), make_world(), []
    for name in groups()[group]:
        for method in METHODS:
            row = rows.get((name, method), {"administrator": "405"})
            for actor, status in answers(world, name, method, tuple(row)).items():
                if status != row[actor]:
                    wrong.append(f"{method} {name} as {actor}: {status}, expected {row[actor]}")
    assert not wrong, "\n".join(wrong)


def test_the_matrix_names_no_address_that_is_gone() -> None:
    assert {name for name, _ in expected()} <= set(endpoints())
