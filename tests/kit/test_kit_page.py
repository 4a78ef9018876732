"""The component kit page, which holds every part, is well formed and accessible."""

from collections import Counter
from html.parser import HTMLParser

import pytest
from django.template.loader import render_to_string

from apps.kit.ui import samples

VOID = frozenset({"meta", "link", "input", "br", "hr", "img"})
CONTROLS = frozenset({"input", "select", "textarea"})


class Page(HTMLParser):
    """Collects what the tests ask about a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.names: list[tuple[dict[str, str | None], list[str]]] = []
        self.unwrapped: list[dict[str, str | None]] = []
        self._buttons: list[tuple[dict[str, str | None], list[str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in CONTROLS and "label" not in self.open and dict(attrs).get("type") != "hidden":
            self.unwrapped.append(dict(attrs))
        if tag in VOID:
            return
        self.open.append(tag)
        if tag == "button":
            self._buttons.append((dict(attrs), []))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.unbalanced.append(f"</{tag}> while open: {self.open[-3:]} at line {self.getpos()[0]}")
        while self.open and self.open.pop() != tag:
            pass
        if tag == "button":
            self.names.append(self._buttons.pop())

    def handle_data(self, data: str) -> None:
        if self._buttons:
            self._buttons[-1][1].append(data)

    def having(self, attribute: str) -> list[str]:
        return [value for _, attrs in self.tags if (value := attrs.get(attribute))]


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render_to_string("kit/index.html", samples.page_context()))


def test_every_element_is_closed_where_it_was_opened(page: Page) -> None:
    assert page.unbalanced == []
    assert page.open == []


def test_ids_are_unique(page: Page) -> None:
    assert [name for name, count in Counter(page.having("id")).items() if count > 1] == []


@pytest.mark.parametrize(
    "attribute",
    ["for", "aria-describedby", "aria-labelledby", "aria-controls", "popovertarget", "data-open", "form"],
)
def test_references_lead_somewhere(page: Page, attribute: str) -> None:
    ids = set(page.having("id"))
    assert [value for value in page.having(attribute) if not set(value.split()) <= ids] == []


def test_every_button_has_a_name(page: Page) -> None:
    nameless = [
        attrs for attrs, text in page.names if not attrs.get("aria-label") and not "".join(text).strip()
    ]
    assert nameless == []


def test_every_picture_is_described_or_hidden(page: Page) -> None:
    outer = [attrs for tag, attrs in page.tags if tag == "svg" and ("class" in attrs or "role" in attrs)]
    assert [
        attrs for attrs in outer if attrs.get("aria-hidden") != "true" and not attrs.get("aria-label")
    ] == []


def test_there_is_one_main_heading(page: Page) -> None:
    assert [tag for tag, _ in page.tags].count("h1") == 1


def test_nothing_is_inline(page: Page) -> None:
    assert page.having("style") == []
    assert [name for _, attrs in page.tags for name in attrs if name.startswith("on")] == []
    assert [attrs for tag, attrs in page.tags if tag == "script" and not attrs.get("src")] == []


def test_every_control_has_a_label(page: Page) -> None:
    labelled = set(page.having("for"))
    loose = [a for a in page.unwrapped if a.get("id") not in labelled and not a.get("aria-label")]
    assert loose == []
