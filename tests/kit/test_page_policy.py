"""Templates and scripts keep to the content security policy, and name only icons that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = sorted((ROOT / "static" / "js").rglob("*.js"))
ICONS = set(re.findall(r'<symbol id="([\w-]+)"', (ROOT / "static" / "icons.svg").read_text()))
FORBIDDEN = re.compile(
    r"\sstyle\s*=|<style|\son(?!e\b)[a-z]+\s*=|<script(?![^>]*\ssrc=)|javascript:|https?://|hx-on|hx-vals\s*=\s*['\"]js:|\|safe\b|autoescape off"
)


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", TEMPLATES, ids=_relative)
def test_template_has_nothing_inline_outside_or_unescaped(path: Path) -> None:
    assert FORBIDDEN.findall(path.read_text()) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=_relative)
def test_template_names_icons_that_exist(path: Path) -> None:
    text = path.read_text()
    named = set(re.findall(r'{% icon "([\w-]+)"', text)) | set(re.findall(r'icon_name="([\w-]+)"', text))
    named |= set(re.findall(r'{% (?:mark|icon_button|empty_state) "([\w-]+)"', text))
    assert named - ICONS == set()


def test_every_form_that_posts_carries_a_token() -> None:
    without = [
        _relative(path)
        for path in TEMPLATES
        for form in re.findall(r'<form[^>]*method="post".*?</form>', path.read_text(), re.DOTALL)
        if "{% csrf_token %}" not in form
    ]
    assert without == []


@pytest.mark.parametrize("path", SCRIPTS, ids=_relative)
def test_script_builds_no_markup_from_text_and_asks_nobody_else(path: Path) -> None:
    text = path.read_text()
    found = re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://", text
    )
    assert found == []


def test_script_names_icons_that_exist() -> None:
    text = (ROOT / "static" / "js" / "app.js").read_text()
    themes = re.search(r"const themes = {(.*?)};", text)
    assert themes is not None
    assert set(re.findall(r'\["\w*", "([\w-]+)"', themes[1])) <= ICONS


def test_icons_are_drawn_in_one_grid_without_colours() -> None:
    sprite = (ROOT / "static" / "icons.svg").read_text()
    assert len(ICONS) == sprite.count("<symbol ")
    assert sprite.count('viewBox="0 0 16 16"') == sprite.count("<symbol ")
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b|<script|\son\w+=", sprite) == []
