"""The list of agents with 100,000 of them: pages, filters, orders, search, export, a bulk edit of 10,000.

    python bench/tables.py            100,000 agents, 40 requests of each kind, a bulk edit of 10,000
    python bench/tables.py --quick    5,000 agents, 15 requests of each kind, a bulk edit of 500

Requests go through Django's handler with sessions, filters with their counts and the drawn page; the bulk edit is
planned (the preview), done and undone through the services that the page calls. Keys: `list_p95_ms`,
`filter_p95_ms`, `sort_p95_ms` (every order in turn), `deep_p95_ms` (the hundredth page by its cursor), `queues_ms` (the
quality page), `export_rows_per_s` (CSV), `bulk_plan_s`, `bulk_agents_per_s`, `undo_agents_per_s`, `agents`.
"""

from __future__ import annotations

import html
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import django

import tests.services  # starts servers and sets the environment before Django loads

django.setup()

from django.test import Client
from django.urls import reverse

from apps.agents.columns import SORTS
from apps.agents.models import Agent, CurationJob
from apps.agents.operations import Operation
from apps.agents.services.jobs import advance_job, start_job, undo_job
from apps.agents.services.writing import plan_bulk_edit
from apps.identity.models import Principal, Team
from apps.identity.roles import Role
from bench import fleet
from bench.rig import arguments, percentile, result, say
from tests import factories


def p95(times: int, ask: Callable[[int], str], client: Client) -> float:
    """Milliseconds; the first three warm up and do not count."""
    taken = []
    for number in range(times + 3):
        url = ask(number)
        begun = time.perf_counter()
        answer = client.get(url)
        taken.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, (url, answer.status_code)
    return round(percentile(taken[3:], 0.95), 1)


def deep_page(client: Client, pages: int) -> str:
    """The address of the page so many pages in, by following the cursors as a person would."""
    url = where = reverse("agents:list")
    for _ in range(pages):
        following = re.search(r'rel="next" href="([^"]+)"', client.get(url).content.decode())
        if following is None:
            break
        url = where + html.unescape(following[1])
    return url


def bulk(size: int, actor: Principal) -> dict[str, float]:
    picked = Agent.objects.filter(
        pk__in=list(Agent.objects.order_by("pk").values_list("pk", flat=True)[:size])
    )
    begun = time.perf_counter()
    job = plan_bulk_edit(picked, [Operation("tags", "add", ["measured"])], actor=actor, reason="Measured")
    planned = time.perf_counter() - begun
    start_job(job, actor=actor)
    done = work(job)
    job.refresh_from_db()
    assert (job.done, job.failed) == (size, 0)
    undone = work(undo_job(job, actor=actor))
    assert not Agent.objects.filter(tags__contains=["measured"]).exists()
    return {
        "bulk_plan_s": round(planned, 2), "bulk_agents_per_s": round(size / done),
        "undo_agents_per_s": round(size / undone),
    }  # fmt: skip


def work(job: CurationJob) -> float:
    begun, worked = time.perf_counter(), 0
    while step := advance_job(job.pk):
        worked += step
        if worked % 1000 == 0:
            say(f"{job.title}: {worked:,} of {job.total:,}")
    return time.perf_counter() - begun


def main() -> int:
    given = arguments(__doc__ or "").parse_args()
    size, times, edited = (5000, 15, 500) if given.quick else (100_000, 40, 10_000)
    fleet.load_agents(fleet.sketches(size))
    actor = factories.make_person(Role.ADMINISTRATOR)
    client = Client()
    client.force_login(actor.person, backend="apps.identity.auth.PersonBackend")
    where, team = reverse("agents:list"), Team.objects.order_by("pk").values_list("pk", flat=True)[0]
    filters = (
        f"?team={team}",
        "?tier=4&tier=3&state=production",
        "?certification=due",
        "?tag=invoices",
        "?queue=no-owner",
    )
    orders = [f"?sort={sign}{key}" for key in SORTS for sign in ("", "-")]
    say("pages")
    figures = {
        "list_p95_ms": p95(times, lambda number: where, client),
        "filter_p95_ms": p95(times, lambda number: where + filters[number % len(filters)], client),
        "sort_p95_ms": p95(times, lambda number: where + orders[number % len(orders)], client),
    }
    deep = deep_page(client, 100)
    figures["deep_p95_ms"] = p95(times, lambda number: deep, client)
    figures["queues_ms"] = p95(3, lambda number: reverse("agents:quality"), client)
    say("export")
    begun = time.perf_counter()
    rows = b"".join(client.get(reverse("agents:export", args=["csv"]))).count(b"\r\n") - 1
    figures["export_rows_per_s"] = round(rows / (time.perf_counter() - begun))
    result(**figures, **bulk(edited, actor), agents=size)
    return 0


if __name__ == "__main__":
    assert tests.services
    sys.exit(main())
