"""The tokens keep text and shapes readable for everybody, in both themes; colour lives nowhere else."""

import itertools
import re
from pathlib import Path

import pytest

from .colours import SIGHTS, contrast, distance, seen

CSS = Path(__file__).parents[2] / "static" / "css"
SHEETS = sorted(CSS.glob("*.css"))
GROUNDS = ("paper", "surface", "sunken", "raised", "hover", "select")
OUTCOMES = ("allowed", "flagged", "anomaly", "violation")
FILLS = ("allowed-fill", "flagged-fill", "anomaly-fill", "violation-fill", "ink")
LEAST_DISTANCE = 11.0  # CIE76 between any two chart fills
MOST_BYTES = 64_000

TEXT = [
    *itertools.product(("ink", "ink-2", "ink-3", "accent"), GROUNDS),
    *((outcome, ground) for outcome in OUTCOMES for ground in (*GROUNDS, f"{outcome}-wash")),
    *(("ink", f"{name}-wash") for name in (*OUTCOMES, "accent")),
    *itertools.product(("ink-2", "ink-3", "accent"), ("violation-wash",)),
    *itertools.product(("ink-2", "accent"), ("flagged-wash",)),
    ("ink-2", "heat-0"),
    ("on-violation", "violation-solid"),
    ("on-accent", "accent"),
    ("on-accent", "accent-2"),
    ("on-ink", "ink"),
    *(("ink", f"heat-{step}") for step in (0, 1, 2, 3)),
    *(("on-heat-hi", f"heat-{step}") for step in (4, 5)),
]
SHAPES = [
    *itertools.product(("edge",), ("paper", "surface", "raised")),
    *itertools.product(("focus",), (*GROUNDS, "violation-wash")),
    *itertools.product((*FILLS[:4], "violation-solid", "series", "series-2"), ("paper", "surface")),
]


def tokens(theme: str) -> dict[str, str]:
    """Token names to #rrggbb in one theme."""
    sheet = (CSS / "tokens.css").read_text()
    found = re.findall(r"--([\w-]+):\s*light-dark\((#\w{6}), (#\w{6})\)", sheet)
    return {name: light if theme == "light" else dark for name, light, dark in found}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("pairs", "least"), [(TEXT, 4.5), (SHAPES, 3.0)], ids=["text", "shapes"])
def test_every_pair_has_enough_contrast(theme: str, pairs: list[tuple[str, str]], least: float) -> None:
    colours = tokens(theme)
    ratios = {f"{one} on {ground}": contrast(colours[one], colours[ground]) for one, ground in pairs}
    assert {pair: round(ratio, 2) for pair, ratio in ratios.items() if ratio < least} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("sight", SIGHTS)
def test_chart_fills_stay_apart_for_every_kind_of_sight(theme: str, sight: str) -> None:
    colours = tokens(theme)
    apart = {
        (one, other): distance(seen(colours[one], SIGHTS[sight]), seen(colours[other], SIGHTS[sight]))
        for one, other in itertools.combinations(FILLS, 2)
    }
    assert {pair: round(value, 1) for pair, value in apart.items() if value < LEAST_DISTANCE} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_fills_get_stronger_with_severity_without_hue(theme: str) -> None:
    colours = tokens(theme)
    strengths = [contrast(colours[f"{name}-fill"], colours["paper"]) for name in OUTCOMES]
    assert strengths[0] == min(strengths)
    assert strengths[3] > strengths[1]


def test_colours_stand_in_the_tokens_alone() -> None:
    colour = re.compile(r"#[0-9a-fA-F]{3,8}\b(?![^{]*\{)|rgba?\(|hsla?\(|oklch\(")
    found = {sheet.name: colour.findall(sheet.read_text()) for sheet in SHEETS if sheet.name != "tokens.css"}
    assert {name: colours for name, colours in found.items() if colours} == {}


def test_every_token_that_is_used_exists() -> None:
    text = "".join(sheet.read_text() for sheet in SHEETS)
    declared = set(re.findall(r"--([\w-]+)\s*:", text))
    assert set(re.findall(r"var\(--([\w-]+)", text)) - declared == set()


def test_sheets_stay_small() -> None:
    assert sum(sheet.stat().st_size for sheet in SHEETS) < MOST_BYTES


def test_sheets_fetch_nothing() -> None:
    assert [sheet.name for sheet in SHEETS if re.search(r"url\(|@import", sheet.read_text())] == []
