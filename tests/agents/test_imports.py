"""Tables of agents: in with a dry run, out as they are shown."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient, Client
from django.urls import reverse
from openpyxl import Workbook, load_workbook

from apps.agents.models import (
    Agent,
    Claim,
    CurationJob,
    CustomField,
)
from apps.agents.services.drafting import put_on_record
from apps.agents.services.jobs import run_job, undo_job
from apps.agents.services.registry import edit_agent
from apps.agents.services.rows import ImportRequest, plan_import
from apps.agents.tabular import ROWS_A_PIECE, read_table, write_csv
from apps.identity.models import Principal
from apps.identity.roles import Role
from apps.kit.errors import InvalidInput
from tests import factories
from tests.agents.test_curation import STATES, done, make_some

pytestmark = pytest.mark.django_db


def table(*rows: dict[str, Any]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


class TestImport:
    def test_every_row_is_shown_and_nothing_written(self, curator: Principal) -> None:
        agent = factories.make_agent("registered", tier=2, name="desk")
        rows = read_table(
            "x.csv",
            table(
                {"name": "desk", "framework": "crewai", "owner": "", "data sensitivity": ""},
                {
                    "name": "newcomer",
                    "framework": "",
                    "owner": agent.owner.person.email,
                    "data sensitivity": "4",
                },
                {"name": "broken", "framework": "", "owner": "Nobody Here", "data sensitivity": "9"},
            ),
        )
        job = plan_import(rows, ImportRequest("CMDB"), actor=curator)
        first, second, third = job.items.all()
        assert (first.agent, first.after, first.state) == (agent, {"framework": "crewai"}, STATES.WAITING)
        assert second.after == {"name": "newcomer", "owner": str(agent.owner_id), "data_sensitivity": 4}
        assert set(third.problems) == {"owner", "data sensitivity"}
        assert Agent.objects.count() == 1
        done(job, curator)
        assert Agent.objects.get(name="newcomer").data_sensitivity == 4
        assert not Agent.objects.filter(name="broken").exists()

    def test_an_import_does_not_overrule_a_person_unless_it_is_their_word(self, curator: Principal) -> None:
        agent = factories.make_agent("registered", tier=2, name="desk")
        edit_agent(agent, {"framework": "langgraph"}, actor=curator)
        rows = [{"name": "desk", "framework": "crewai", "business_service": "Cards"}]
        job = plan_import(rows, ImportRequest("CMDB"), actor=curator)
        assert "framework" in job.items.get().problems
        done(job, curator)
        agent.refresh_from_db()
        assert (agent.framework, agent.business_service) == ("langgraph", "Cards")
        assert Claim.objects.get(agent=agent, field="business_service").origin == "imported"
        done(plan_import(rows, ImportRequest("me", as_own_word=True), actor=curator), curator)
        agent.refresh_from_db()
        assert agent.framework == "crewai"

    def test_the_same_table_again_changes_nothing(self, curator: Principal) -> None:
        rows = [{"name": "one", "purpose": "Does."}, {"name": "two", "purpose": "Does too."}]
        done(plan_import(rows, ImportRequest("CMDB"), actor=curator), curator)
        again = plan_import(rows, ImportRequest("CMDB"), actor=curator)
        assert set(again.items.values_list("state", flat=True)) == {STATES.UNCHANGED}
        assert Agent.objects.count() == 2

    def test_two_rows_that_mean_one_agent_are_refused(self, curator: Principal) -> None:
        agent = factories.make_agent("registered", tier=2, name="desk")
        rows = [{"name": "desk", "framework": "a"}, {"number": agent.ref, "framework": "b"}]
        job = plan_import(rows, ImportRequest("x"), actor=curator)
        assert [item.state for item in job.items.all()] == [STATES.WAITING, STATES.FAILED]

    def test_a_name_two_agents_have_must_be_made_clear(self, curator: Principal) -> None:
        for _ in range(2):
            factories.make_agent("registered", tier=1, name="twin")
        item = plan_import(
            [{"name": "twin", "framework": "x"}], ImportRequest("x"), actor=curator
        ).items.get()
        assert item.problems == {"": "2 agents have this name; name it by number or id"}

    def test_custom_fields_are_checked_and_kept_beside_each_other(self, curator: Principal) -> None:
        CustomField.objects.create(key="cost_centre", label="Cost centre", kind="text", pattern=r"\d{4}")
        CustomField.objects.create(key="vendor", label="Vendor", kind="text")
        agent = factories.make_agent("registered", tier=1, name="desk", custom={"vendor": "Acme"})
        done(
            plan_import([{"name": "desk", "custom.cost_centre": "1234"}], ImportRequest("x"), actor=curator),
            curator,
        )
        agent.refresh_from_db()
        assert agent.custom == {"vendor": "Acme", "cost_centre": "1234"}
        job = done(
            plan_import([{"name": "desk", "custom.cost_centre": "x"}], ImportRequest("x"), actor=curator),
            curator,
        )
        assert job.items.get().problems == {"custom.cost_centre": r"Enter text of the form \d{4}"}

    def test_undo_of_an_import_gives_values_back(self, curator: Principal) -> None:
        agent = factories.make_agent("registered", tier=2, name="desk")
        job = done(
            plan_import([{"name": "desk", "framework": "x"}], ImportRequest("i"), actor=curator), curator
        )
        run_job(undo_job(job, actor=curator).pk)
        agent.refresh_from_db()
        assert agent.framework == ""

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("a.txt", b"x", ".csv, .xlsx or .json"),
            ("a.csv", b"\xff\xfe\x00", "UTF-8"),
            ("a.csv", b"name\n", "no row"),
            ("a.csv", b"name,name\na,b\n", "same heading"),
            ("a.xlsx", b"PK nonsense", "no workbook"),
            ("a.json", b"{", "no JSON"),
            ("a.json", b"[1]", "list of objects"),
        ],
    )
    def test_a_file_that_cannot_be_read_is_told(self, name: str, content: bytes, words: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            read_table(name, content)
        assert words in refused.value.fields["file"]

    def test_a_workbook_is_read(self) -> None:
        book = Workbook()
        book.active.append(["Name", "Data sensitivity"])
        book.active.append(["desk", 3])
        file = io.BytesIO()
        book.save(file)
        assert read_table("x.xlsx", file.getvalue()) == [{"Name": "desk", "Data sensitivity": "3"}]

    def test_by_page(self, page: Client) -> None:
        file = io.BytesIO(table({"name": "desk", "colour": "blue"}))
        file.name = "agents.csv"
        answer = page.post(reverse("agents:import"), {"file": file, "source": "Sheet", "make_new": "on"})
        job = CurationJob.objects.get()
        assert answer.headers["Location"] == reverse("agents:job", args=[job.pk])
        assert b"colour" in page.get(answer.headers["Location"]).content
        bad = io.BytesIO(b"\x00")
        bad.name = "agents.pdf"
        assert page.post(reverse("agents:import"), {"file": bad, "source": "x"}).status_code == 422


async def _export(client: AsyncClient, kind: str, meanwhile: Callable[[], Any]) -> list[bytes]:
    """The pieces of an export; `meanwhile` happens once the headings and the first rows came."""
    path = reverse("agents:export", args=[kind]) + "?columns=name,purpose&sort=name"
    answer = await client.get(path)
    pieces = aiter(answer)
    first = [await anext(pieces), await anext(pieces)]
    await sync_to_async(meanwhile)()
    return [*first, *[piece async for piece in pieces]]


class TestExport:
    def test_it_holds_exactly_what_is_shown(self, page: Client) -> None:
        make_some(2)
        factories.make_agent("registered", tier=4, name="critical", tags=["a", "b"])
        answer = page.get(reverse("agents:export", args=["csv"]) + "?tier=4&columns=name,tags,tier")
        rows = list(csv.reader(io.StringIO(b"".join(answer).decode("utf-8-sig"))))
        assert rows[0] == ["id", "Agent", "Tags", "Tier"]
        assert [row[1:] for row in rows[1:]] == [["critical", "a; b", "4"]]

    def test_a_formula_does_not_run_and_comes_back_as_it_was(self, page: Client, curator: Principal) -> None:
        factories.make_agent("registered", tier=1, name="=HYPERLINK(1)")
        text = b"".join(page.get(reverse("agents:export", args=["csv"]) + "?columns=name")).decode(
            "utf-8-sig"
        )
        assert "'=HYPERLINK(1)" in text
        job = plan_import(read_table("x.csv", text.encode()), ImportRequest("x"), actor=curator)
        assert [item.state for item in job.items.all()] == [STATES.UNCHANGED]

    def test_a_workbook_and_json_hold_the_same(self, page: Client) -> None:
        factories.make_agent("registered", tier=3, name="desk")
        book = load_workbook(
            io.BytesIO(page.get(reverse("agents:export", args=["xlsx"]) + "?columns=name,tier").content)
        )
        assert [cell.value for cell in book.active[2]][1:] == ["desk", 3]
        (row,) = orjson.loads(
            b"".join(page.get(reverse("agents:export", args=["json"]) + "?columns=name,tier"))
        )
        assert (row["Agent"], row["Tier"]) == ("desk", 3)
        assert page.get(reverse("agents:export", args=["pdf"])).status_code == 404

    def test_it_shows_only_agents_one_may_see(self) -> None:
        ours, theirs = factories.make_team(), factories.make_team()
        factories.make_agent("registered", tier=1, team=ours, name="ours")
        factories.make_agent("registered", tier=1, team=theirs, name="theirs")
        client = Client()
        viewer = factories.make_person(Role.VIEWER, ours)
        client.force_login(viewer.person, backend="apps.identity.auth.PersonBackend")
        text = b"".join(client.get(reverse("agents:export", args=["csv"]))).decode()
        assert "ours" in text
        assert "theirs" not in text

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("kind", ["csv", "json"])
    def test_its_first_bytes_leave_before_the_rest_is_read(self, kind: str) -> None:
        """Through the application that serves it: what changes after the first bytes came stands in the later ones."""
        agents = [Agent(name=f"agent {number:04d}", state="draft") for number in range(ROWS_A_PIECE + 1)]
        curator = factories.make_person(Role.CURATOR)
        put_on_record(agents, actor=curator)
        client = AsyncClient()
        client.force_login(curator.person, backend="apps.identity.auth.PersonBackend")
        pieces = asyncio.run(_export(client, kind, lambda: Agent.objects.update(purpose="Changed.")))
        assert pieces[0] in (b"\xef\xbb\xbfid,Agent,Purpose\r\n", b"[")
        assert [piece.count(b"Changed.") for piece in pieces[1:]] == [0, 1]
        assert b"".join(pieces).count(b"agent 0") == len(agents)

    def test_nothing_written_gives_headings_only(self) -> None:
        assert b"".join(write_csv(["a"], [])).decode("utf-8-sig") == "a\r\n"
