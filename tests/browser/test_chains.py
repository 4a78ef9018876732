"""A decision chain as somebody reads it who looks for the mistake."""

from __future__ import annotations

import json
import os
import re
import time
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from bench.rig import Stack
from tests.activity.otlp import PROTOBUF, request, tool_span

pytestmark = pytest.mark.browser
RUN = f"run-seen-in-a-browser-{os.urandom(4).hex()}"


def report(stack: Stack) -> None:
    """Two agents, two services: the first hands on a status that its source had not said."""
    told: list[tuple[str, str, str, dict[str, Any], Any, str]] = [
        ("payments", "clerk", "trace_payment", {"payment": "PAY-118833"}, {"account": "ACC-77120034", "status": "closed"}, ""),
        ("payments", "clerk", "transfer_to_reconciler", {"account": "ACC-77120034", "status": "open"}, "accepted", ""),
        ("ledger", "reconciler", "read_entries", {"account": "ACC-77120034"}, {"entry": "LE-00912377"}, ""),
        ("ledger", "reconciler", "post_entry", {"entry": "LE-00912377"}, "account is closed", "AccountClosed"),
    ]  # fmt: skip
    traces = {"payments": os.urandom(16), "ledger": os.urandom(16)}
    for at, (service, agent, tool, given, result, error) in enumerate(told):
        begin = time.time_ns() - 30_000_000_000 + at * 1_000_000_000
        attributes = {
            "gen_ai.conversation.id": RUN, "gen_ai.tool.call.arguments": json.dumps(given),
            "gen_ai.tool.call.result": json.dumps(result),
        }  # fmt: skip
        span = tool_span(
            tool, agent, attributes=attributes, error=error, trace_id=traces[service],
            start_time_unix_nano=begin, end_time_unix_nano=begin + 200_000_000,
        )  # fmt: skip
        headers = {"content-type": PROTOBUF, "authorization": f"Bearer {stack.ingest_key}"}
        sent = httpx.post(f"{stack.url}/v1/traces", content=request([span], service), headers=headers)
        assert sent.status_code == 200


def test_the_mistake_is_named_walked_to_by_keys_and_played_back(page: Page, stack: Stack) -> None:
    report(stack)
    inspector = page.locator("#inspector")
    for _ in range(30):
        page.goto(f"/chains/{RUN}/")
        if page.locator("[data-step]").count() == 4:
            break
        page.wait_for_timeout(200)
    expect(page.get_by_text("It probably went wrong at step 2, clerk.")).to_be_visible()
    expect(inspector.get_by_role("heading", name="Step 2, hand-over")).to_be_visible()

    page.keyboard.press("j")
    expect(inspector.get_by_role("heading", name="Step 3, tool call")).to_be_visible()
    page.locator("[data-step='4']").click()
    expect(inspector.get_by_role("heading", name="Step 4, tool call")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?step=4#step-4$"))
    expect(page.locator("#arcs .arc.is-hit")).to_have_count(1)
    page.keyboard.press("[")
    expect(inspector.get_by_role("heading", name="Step 3, tool call")).to_be_visible()

    page.reload()
    expect(inspector.get_by_role("heading", name="Step 3, tool call")).to_be_visible()
    page.get_by_role("button", name="Play back").click()
    expect(inspector.get_by_role("heading", name="Step 4, tool call")).to_be_visible()
    expect(page.get_by_role("button", name="Play back")).to_be_visible()

    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        for path in ("/chains/", f"/chains/{RUN}/", f"/chains/{RUN}/compare/?with={RUN}"):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
    expect(page.get_by_text("Both runs do the same.")).to_be_visible()
