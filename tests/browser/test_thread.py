"""The main job by page, as its users do it, in a real Chromium against the real processes."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from playwright.sync_api import Page, expect

from bench.rig import Stack

pytestmark = pytest.mark.browser
RISK = {"data_sensitivity": "3", "decision_authority": "3", "blast_radius": "2", "regulatory_exposure": "2"}


class Agent:
    """An agent with the standard SDK and exporter, configured by the lines the page showed."""

    def __init__(self, environment: dict[str, str]) -> None:
        name, _, value = environment["OTEL_EXPORTER_OTLP_HEADERS"].partition("=")
        exporter = OTLPSpanExporter(
            f"{environment['OTEL_EXPORTER_OTLP_ENDPOINT']}/v1/traces", headers={name: unquote(value)}
        )
        self.provider = TracerProvider(
            resource=Resource.create({"service.name": environment["OTEL_SERVICE_NAME"]})
        )
        self.provider.add_span_processor(SimpleSpanProcessor(exporter))

    def call(self, *tools: str) -> None:
        tracer = self.provider.get_tracer("any.framework")
        for tool in tools:
            told = {
                "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool, "gen_ai.agent.name": "refund_agent",
                "gen_ai.conversation.id": "conv-1",
            }  # fmt: skip
            with tracer.start_as_current_span(f"execute_tool {tool}", attributes=told):
                pass


def mint(page: Page) -> Agent:
    page.goto("/keys/")
    page.get_by_label("Name").fill("Order desk")
    page.get_by_role("button", name="Mint key").click()
    expect(page.get_by_text("The token is shown once.")).to_be_visible()
    lines = page.locator("pre.code").inner_text().splitlines()
    return Agent(dict(line.split("=", 1) for line in lines))


def choose_person(page: Page, label: str, name: str) -> None:
    page.get_by_label(label, exact=True).select_option(label=name)


def add_person(page: Page, name: str) -> None:
    page.goto("/people/new/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("E-mail address").fill(f"{name.split()[0].lower()}@example.org")
    page.get_by_role("button", name="Add person").click()
    expect(page.get_by_text("This password is shown once.")).to_be_visible()


def adopt(page: Page) -> str:
    """Adopt the discovered agent; returns the path of its record."""
    page.goto("/discovery/")
    page.get_by_role("row", name=re.compile("refund_agent")).get_by_role("link", name="Adopt…").click()
    page.get_by_label("Purpose").fill("Refunds customers whose order went wrong.")
    choose_person(page, "Owner", "Marta Lindqvist")
    choose_person(page, "Deputy", "Samir Haddad")
    for field, level in RISK.items():
        page.locator(f"select[name={field}]").select_option(level)
    expect(page.locator("#risk-preview")).to_contain_text("Tier 3 High")
    page.get_by_role("button", name="Adopt into the register").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("refund_agent")
    return page.url


def move_to_production(page: Page, record: str) -> None:
    page.goto(f"{record}lifecycle/")
    page.get_by_role("button", name="Move to production").click()


def test_an_unknown_agent_is_noticed_adopted_certified_released_and_stopped(page: Page) -> None:
    for name in ("Marta Lindqvist", "Samir Haddad"):
        add_person(page, name)
    agent = mint(page)
    page.goto("/feed/")
    expect(page.locator("#live")).to_have_text("Live")
    before = page.locator("ol.feed > li").count()  # what other tests sent to the same Chancery
    agent.call("lookup_order", "refund_order")
    expect(page.locator("ol.feed > li")).to_have_count(before + 2, timeout=3000)
    expect(page.locator("ol.feed > li").first).to_contain_text("Allowed")

    record = adopt(page)
    page.goto(f"{record}tools/policy/")
    page.get_by_role("button", name="Set policy").click()
    expect(page.get_by_text("Any other tool is a violation.")).to_be_visible()

    move_to_production(page, record)
    expect(page.get_by_role("alert")).to_contain_text(
        "It is tier 3 and holds no active certification that covers it."
    )
    page.goto(f"{record}certification/")
    page.get_by_role("link", name="Certify against EU AI Act").click()
    for choice in page.locator("select[name^=control-]").all():
        choice.select_option("pass")
    page.get_by_label("Evidence").fill("Supervised trial of 40 conversations.")
    page.get_by_role("button", name="Certify", exact=True).click()
    expect(page.get_by_text("Certified until").first).to_be_visible()
    move_to_production(page, record)
    expect(page.locator(".docket")).to_contain_text("Production")

    page.goto("/feed/?outcome=violation")
    expect(page.locator("#live")).to_have_text("Live")
    agent.call(*["export_customers"] * 5)
    expect(page.locator("ol.feed > li.is-violation")).to_have_count(5, timeout=3000)
    page.goto(record)
    expect(page.get_by_text("Stopped. All tool calls are refused.")).to_be_visible()

    page.get_by_role("link", name="See the stop").click()
    expect(page.locator("#containment")).to_contain_text("Contained.", timeout=5000)
    expect(page.get_by_role("row", name=re.compile("export_customers"))).to_have_count(5)
    page.get_by_role("button", name="Reset breaker…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Corrective action").fill("The export tool was removed")
    dialog.get_by_label("Reason").fill("It was a slip.")
    dialog.get_by_role("button", name="Reset breaker").click()
    expect(page.locator(".docket")).to_contain_text("On trial")

    page.goto(record)
    page.keyboard.press("g")
    page.keyboard.press("s")
    dialog = page.get_by_role("dialog", name="Trip breaker")
    dialog.get_by_label("Reason").fill("Once more by hand.")
    dialog.get_by_role("button", name="Trip breaker").click()
    expect(page.locator(".docket")).to_contain_text("Tripped")
    expect(page.locator("#containment")).to_contain_text("Contained.", timeout=5000)

    page.goto("/ledger/")
    for words in (
        "noticed it",
        "adopted it",
        "certified it against",
        "moved it to production",
        "tripped its breaker",
        "reset its breaker",
    ):
        expect(page.get_by_text(words).first).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_do_not_scroll_sideways(page: Page, stack: Stack, theme: str, width: int) -> None:
    page.context.add_cookies([{"name": "chancery_theme", "value": theme, "url": stack.url}])
    page.set_viewport_size({"width": width, "height": 900})
    for path in (
        "/",
        "/feed/",
        "/agents/",
        "/discovery/",
        "/findings/",
        "/certifications/",
        "/frameworks/",
        "/ledger/",
        "/keys/",
        "/people/",
        "/kit/",
    ):
        page.goto(path)
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_single_keys_lead_to_search_and_palette(page: Page) -> None:
    mint(page).call("lookup_order")
    page.goto("/agents/")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette")).to_be_visible()
    page.keyboard.type("refund")
    expect(
        page.locator("#palette").get_by_role("option", name=re.compile("refund_agent")).first
    ).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("#main").press("?")
    expect(page.locator("#keys")).to_be_visible()
