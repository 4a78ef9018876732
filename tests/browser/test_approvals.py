"""The inbox as a person uses it: one call approved, such calls approved in advance, another denied with a reason."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, expect

from bench.rig import Stack, manage

pytestmark = pytest.mark.browser
MAKE = """
from apps.agents.services.registry import new_agent
from apps.identity.models import Person
from apps.identity.roles import Scope
from apps.identity.services.keys import KeyRequest, mint_key
from apps.oversight.services.control import LevelChoice, set_level
actor = Person.objects.get(email='bench@example.org').principal
agent = new_agent('Sweep planner', team=None, state='registered')
set_level(LevelChoice('approves', 'Money leaves the house.', agent=agent, tool='treasury/sweep'), actor=actor)
print(mint_key(agent.principal, KeyRequest('Browser', [Scope.DECIDE]), actor=actor).token)
"""


def test_calls_wait_in_the_inbox_and_go_on_as_a_person_says(page: Page, stack: Stack) -> None:
    token = manage(stack.folder, "shell", "-v", "0", "-c", MAKE).split()[-1]
    headers = {"Authorization": f"Bearer {token}"}

    def ask(amount: float) -> str:
        body = {"tool": "treasury/sweep", "arguments": {"amount": amount, "to": "ECB overnight"}}
        answer = httpx.post(f"{stack.url}/api/v1/decisions", json=body, headers=headers, timeout=20)
        return str(answer.raise_for_status().json()["outcome"])

    assert ask(48.2) == "ask"
    page.goto("/approvals/")
    expect(page.get_by_role("heading", name="treasury/sweep")).to_be_visible()
    expect(page.locator("pre.code").first).to_contain_text("48.2")
    expect(page.get_by_text("Money leaves the house.").first).to_be_visible()
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_text("Answered. The agent knows it now.")).to_be_visible()
    assert [ask(48.2), ask(48.2)] == ["allow", "ask"]

    page.goto("/approvals/")
    page.get_by_role("link", name="Approve such calls in advance…").click()
    page.get_by_label("At most so many calls").fill("1")
    page.get_by_label("amount, at most").fill("50")
    page.get_by_label("Reason").fill("Small sweeps.")
    page.get_by_role("button", name="Approve in advance").click()
    expect(page.get_by_text("Such calls go through from now on, within these limits.")).to_be_visible()
    assert [ask(49), ask(49), ask(51)] == ["allow", "ask", "ask"]

    page.goto("/approvals/")
    page.get_by_role("button", name="Deny", exact=True).click()
    expect(page.get_by_text("Say why, the agent is told")).to_be_visible()
    page.get_by_role("article").get_by_label("Reason", exact=True).fill("Not today.")
    page.get_by_role("button", name="Deny", exact=True).click()
    expect(page.get_by_text("Answered. The agent knows it now.")).to_be_visible()
    page.goto("/approvals/decided/")
    expect(page.get_by_text("Not today.")).to_be_visible()


def test_a_policy_is_written_by_form_and_waits_for_somebody_else(page: Page) -> None:
    page.goto("/policies/new/")
    page.get_by_role("link", name="Hours").click()
    page.get_by_label("Name").fill("Office hours")
    page.get_by_label("Tool", exact=True).fill("treasury/nothing")
    page.get_by_label("From hour").fill("8")
    page.get_by_label("Before hour").fill("18")
    page.get_by_role("button", name="Save the draft").click()
    expect(page.get_by_text('There is no Tool::"treasury/nothing".')).to_be_visible()
    page.goto("/policies/new/?kind=cedar")
    page.get_by_label("Name").fill("Only by day")
    page.get_by_label("Policy", exact=True).fill(
        "forbid(principal, action, resource) when { context.time.hour < 6 };"
    )
    page.get_by_role("button", name="Save the draft").click()
    expect(page.get_by_role("heading", name="Only by day")).to_be_visible()
    page.get_by_role("button", name="Propose…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("Nobody watches at night.")
    dialog.get_by_role("button", name="Propose").click()
    expect(page.get_by_text("A second person has to read it.")).to_be_visible()
    expect(page.get_by_role("button", name="Review…")).to_have_count(0)
