"""Curating the register as its staff do it: import, bulk edit and undo, inline edit, merge, the inbox, the graph."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from bench.rig import Stack

pytestmark = pytest.mark.browser


def import_table(page: Page, folder: Path, rows: str, source: str = "Sheet") -> None:
    file = folder / "agents.csv"
    file.write_text(rows)
    page.goto("/agents/import/")
    page.get_by_label("File").set_input_files(file)
    page.get_by_label("Source").fill(source)
    page.get_by_role("button", name="Read and preview").click()
    expect(page.get_by_text("This is a preview. Nothing is written yet.")).to_be_visible()


def apply(page: Page, name: str = "Apply to") -> None:
    page.get_by_role("button", name=re.compile(name)).click()
    expect(page.locator("#job .notice-good")).to_contain_text("Done", timeout=20_000)


def test_a_table_is_taken_in_and_told_row_by_row(page: Page, tmp_path: Path) -> None:
    import_table(
        page, tmp_path, "name,purpose,data sensitivity\nimport one,Reads mail,2\nimport two,Writes mail,9\n"
    )
    expect(page.get_by_role("row", name=re.compile("import two"))).to_contain_text("Enter one of 1, 2, 3, 4")
    apply(page)
    page.goto("/agents/?sort=-created")
    expect(page.get_by_role("link", name="import one", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="import two", exact=True)).to_have_count(0)


def test_many_agents_are_edited_and_the_edit_is_undone(page: Page, tmp_path: Path) -> None:
    import_table(page, tmp_path, "name,framework\nbulk one,agno\nbulk two,agno\nbulk three,agno\n")
    apply(page)
    page.goto("/agents/?framework=agno")
    page.get_by_label("Select all on this page").check()
    expect(page.locator("[data-picked]")).to_have_text("3 selected")
    page.get_by_role("button", name="Edit…").click()
    page.locator("select[name='environment.verb']").select_option("set")
    page.locator("select[name=environment]").select_option("test")
    page.get_by_label("Reason").fill("They moved.")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("row", name=re.compile("bulk two"))).to_contain_text("Test")
    apply(page, "Apply to 3 agents")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#job .notice-good")).to_contain_text("3 done", timeout=20_000)
    page.goto("/agents/?framework=agno&environment=test")
    expect(page.get_by_text("No agent matches")).to_be_visible()


def test_a_field_is_edited_where_it_stands(page: Page, tmp_path: Path) -> None:
    import_table(page, tmp_path, "name\ninline one\n")
    apply(page)
    page.goto("/agents/?sort=-created")
    page.get_by_role("link", name="inline one", exact=True).click()
    line = page.locator(".facts-edit dd", has=page.get_by_label("Edit business service of inline one"))
    page.get_by_label("Edit business service of inline one").focus()
    page.keyboard.press("Enter")
    page.locator("input[name=business_service]").fill("Cards")
    page.keyboard.press("Enter")
    expect(line).to_contain_text("Cards")
    page.reload()
    expect(line).to_contain_text("Cards")


def test_two_records_are_merged_and_parted_again(page: Page, tmp_path: Path) -> None:
    import_table(page, tmp_path, "name,business_service\ntwin kept,Twins\ntwin gone,Twins\n")
    apply(page)
    page.goto("/agents/?sort=-created&columns=business_service")
    for name in ("twin kept", "twin gone"):
        page.get_by_label(f"Select {name}").check()
    page.get_by_role("button", name="Merge two…").click()
    page.get_by_label(re.compile("twin kept")).check()
    page.get_by_label("Why they are one agent").fill("The same service.")
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("twin kept")
    expect(page.get_by_text("was merged into this record by")).to_be_visible()
    page.get_by_role("button", name="Undo the merge").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("twin gone")


def test_an_export_is_uploaded_and_put_on_record(page: Page, tmp_path: Path) -> None:
    card = {
        "name": "Parcel tracker", "description": "Tells customers where their parcel is.", "version": "1.0.0",
        "url": "https://agents.example.org/parcels", "protocolVersion": "0.3.0", "capabilities": {},
        "defaultInputModes": ["text"], "defaultOutputModes": ["text"],
        "skills": [{"id": "track", "name": "Track a parcel", "description": "Finds it.", "tags": ["parcel"]}],
    }  # fmt: skip
    file = tmp_path / "agent-card.json"
    file.write_text(json.dumps(card))
    page.goto("/discovery/upload/")
    page.locator("input[type=file]").set_input_files(file)
    page.locator("main form button[type=submit]").first.click()
    page.goto("/discovery/?tab=files")
    expect(page.get_by_text("Parcel tracker").first).to_be_visible()


def test_the_graph_is_focused_zoomed_and_read_as_a_table(page: Page, stack: Stack, tmp_path: Path) -> None:
    import_table(page, tmp_path, "name\ngraph agent\n")
    apply(page)
    with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {stack.api_key}"}) as api:
        agent = next(
            one for one in api.get("/api/v1/agents").json()["results"] if one["name"] == "graph agent"
        )
        made = api.post("/api/v1/tools", json={"name": "graph tool"})
        assert made.status_code == 201, made.text
        tool = made.json()
        ends = {"source": {"kind": "agent", "id": agent["id"]}, "target": {"kind": "tool", "id": tool["id"]}}
        assert api.post("/api/v1/dependencies", json=ends | {"relation": "calls"}).status_code == 201
    page.goto("/graph/")
    page.get_by_placeholder(re.compile("Focus on an agent")).fill("graph tool")
    page.locator("#graph-found").get_by_role("link", name="graph tool").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("If graph tool stops")
    expect(page.locator("#table").get_by_role("link", name="graph agent")).to_be_visible()
    picture = page.locator("[data-graph]")
    whole = picture.get_attribute("viewBox")
    page.get_by_role("button", name="Zoom in").click()
    assert picture.get_attribute("viewBox") != whole
    page.get_by_role("button", name="Whole").click()
    assert picture.get_attribute("viewBox") is not None
    page.locator("a.node", has_text="graph agent").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("If graph agent stops")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_do_not_scroll_sideways(page: Page, stack: Stack, theme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.context.add_cookies([{"name": "theme", "value": theme, "url": stack.url}])
    for path in ("/agents/", "/agents/jobs/", "/agents/import/", "/agents/at/", "/quality/", "/campaigns/", "/campaigns/new/",
                 "/graph/", "/discovery/", "/discovery/upload/"):  # fmt: skip
        page.goto(path)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{path} is {wide} px too wide at {width}"
