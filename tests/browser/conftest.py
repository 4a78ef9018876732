"""A real Chromium against the real processes, started once for all tests here (tests/scheduling.py)."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from bench.rig import Stack, running
from tests import mcp_servers

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium on this machine, and CI must have one")
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    program = f"{sys.executable} {mcp_servers.PROGRAM}"
    allowed = {"CHANCERY_OUTGOING_ALLOW": "127.0.0.1", "CHANCERY_GATEWAY_COMMANDS": program}
    with running(**allowed, CHANCERY_GATEWAY_WATCH_S="1") as started:
        yield started


@pytest.fixture(scope="package")
def chromium(stack: Stack) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def signed_in(stack: Stack, chromium: Browser) -> Any:
    """The cookies of a person who signed in by the form, once."""
    context = chromium.new_context(base_url=stack.url)
    page = context.new_page()
    page.set_default_timeout(20_000)
    sign_in(page, stack.email, stack.password)
    cookies = context.storage_state()
    context.close()
    return cookies


@pytest.fixture
def page(stack: Stack, chromium: Browser, signed_in: Any) -> Iterator[Page]:
    """A signed-in page that fails the test on any console error (a policy violation is one)."""
    context = chromium.new_context(base_url=stack.url, storage_state=signed_in)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_default_timeout(10_000)
    page.goto("/")
    yield page
    context.close()
    assert not [words for words in complaints if "status of 4" not in words], complaints


def sign_in(page: Page, email: str, password: str) -> None:
    page.goto("/login/")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
