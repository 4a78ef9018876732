"""The live feed as somebody sees it who goes on watching while the server falls over."""

from __future__ import annotations

import os
import time
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from bench.rig import Stack
from tests.activity.otlp import PROTOBUF, request, tool_span

pytestmark = pytest.mark.browser
TOOL = f"seen_once_{os.urandom(4).hex()}"
UP_AGAIN_S = 30.0


def report(stack: Stack, calls: int) -> None:
    """As an exporter does it: again, until it is taken."""
    body = request([tool_span(TOOL) for _ in range(calls)])
    headers = {"content-type": PROTOBUF, "authorization": f"Bearer {stack.ingest_key}"}
    until = time.monotonic() + UP_AGAIN_S
    while True:
        try:
            if httpx.post(f"{stack.url}/v1/traces", content=body, headers=headers).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < until, "the web process did not come back"
        time.sleep(0.2)


def lines(page: Page) -> list[str]:
    return page.locator("[data-feed] > [data-id]").evaluate_all("rows => rows.map((row) => row.dataset.id)")


def test_after_a_break_and_a_pause_every_call_is_there_once(
    stack: Stack, chromium: Browser, signed_in: Any
) -> None:
    context = chromium.new_context(base_url=stack.url, storage_state=signed_in)
    page = context.new_page()
    page.goto(f"/feed/?tool={TOOL}")
    rows, live = page.locator("[data-feed] > [data-id]"), page.locator("#live")
    expect(live).to_have_text("Live")
    report(stack, 3)
    expect(rows).to_have_count(3)

    stack.kill("web")
    expect(live).to_contain_text("Not connected")
    report(stack, 4)
    expect(live).to_have_text("Live", timeout=UP_AGAIN_S * 1000)
    expect(rows).to_have_count(7)

    page.get_by_role("button", name="Pause").click()
    report(stack, 2)
    expect(page.locator("[data-waiting]")).to_have_text("2 waiting")
    assert rows.count() == 7
    page.get_by_role("button", name="Resume").click()
    expect(rows).to_have_count(9)
    assert len(set(lines(page))) == 9
    context.close()
