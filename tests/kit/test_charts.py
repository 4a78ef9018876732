"""Pictures of data say their finding in words, keep to the policy, and bring their table."""

import re

import pytest

from apps.kit.ui import charts, comparisons, samples
from apps.kit.ui.charts import BandRow, Bin, Cell, Expiry, ExpiryStrip, HeatMatrix, OutcomeSeries

BINS = [
    Bin("13:30", {"allowed": 90, "flagged": 2}),
    Bin("13:31", {"allowed": 95}),
    Bin("13:32", {"allowed": 10, "violation": 1, "blocked": 40}),
]
HOSTILE = '<img src=x onerror="y">'


def heights(picture: str, name: str) -> list[float]:
    """Heights of the stacked fills of one outcome, the legend's swatch left out."""
    return [float(h) for h in re.findall(rf'<rect class="c-{name}" x[^>]*height="([\d.]+)"', picture)]


def test_outcomes_over_time_say_what_was_found() -> None:
    said = charts.outcome_sentence(OutcomeSeries(BINS, "calls", (90, 110)))
    assert said == "238 calls from 13:30 to 13:32, usual 90 to 110 each: 2 flagged, 1 violation, 40 blocked."


def test_a_quiet_time_says_so() -> None:
    said = charts.outcome_sentence(OutcomeSeries([Bin("13:30", {"allowed": 3})]))
    assert said.endswith("none outside policy.")


def test_one_violation_beside_forty_is_still_seen() -> None:
    picture = charts.outcome_chart(OutcomeSeries(BINS))
    assert heights(picture, "violation") == [2.0]
    assert heights(picture, "blocked")[0] > 40


def test_allowed_calls_are_a_line_and_not_a_stack() -> None:
    picture = charts.outcome_chart(OutcomeSeries(BINS))
    assert 'class="c-allowed"' not in picture
    assert picture.count("<polyline") == 1


def test_the_table_below_has_a_row_for_each_bin() -> None:
    picture = charts.outcome_chart(OutcomeSeries(BINS))
    assert picture.count('<tr><th scope="row">') == len(BINS)


def test_nothing_recorded_draws_nothing() -> None:
    assert charts.outcome_chart(OutcomeSeries([])) == ""
    assert comparisons.band_dots([], "Share") == ""
    assert comparisons.expiry_strip(ExpiryStrip([])) == ""


@pytest.mark.parametrize("values", [[5], [0, 0, 0], [1, 1e9], [-3, 4]])
def test_a_sparkline_stays_in_its_box(values: list[float]) -> None:
    line = re.findall(r'points="([^"]*)"', charts.sparkline(values, "Calls"))[0]
    points = [point.split(",") for point in line.split()]
    assert len(points) == len(values)
    assert all(0 <= float(x) <= 84 and 0 <= float(y) <= 20 for x, y in points)


def test_what_lies_outside_its_band_is_named() -> None:
    rows = [BandRow("a", 5, (1, 9)), BandRow("b", 12, (1, 4)), BandRow("c", 2, None)]
    said = comparisons.band_sentence(rows, "Share of calls")
    assert said == (
        "Share of calls, 3 against the certified band. Outside: b 12.0%, expected 1 to 4; c never seen before."
    )
    assert comparisons.band_dots(rows, "Share of calls").count('path class="c-anomaly" d="M0-6.5') == 2


def test_the_heat_ramp_tells_none_from_few() -> None:
    assert [comparisons.heat_step(count, 400) for count in (0, 1, 20, 100, 400)] == [0, 1, 2, 3, 5]
    assert comparisons.heat_step(0, 0) == 0


def test_a_heat_table_adds_up() -> None:
    table = comparisons.heat_table(
        HeatMatrix("Fleet", "Tier", ["A", "B"], [("4", [Cell(1, "/x"), Cell(2)]), ("3", [Cell(3), Cell(4)])])
    )
    assert re.findall(r'<td class="num">(\d+)</td>', table) == ["4", "6", "10"]
    assert re.findall(r'<td class="sum">(\d+)</td>', table) == ["3", "7"]


def test_expiries_say_which_is_next() -> None:
    strip = ExpiryStrip([Expiry("Old", -6), Expiry("Soon", 9), Expiry("Later", 61)])
    assert comparisons.expiry_sentence(strip) == (
        "3 certifications: 1 expired, 1 run out within 30 days; next is Soon in 9 days."
    )


def pictures(label: str) -> list[str]:
    return [
        charts.outcome_chart(OutcomeSeries([Bin(label, {"flagged": 1})] * 6, label, (0, 1), (2, label))),
        charts.sparkline([1, 2], label),
        comparisons.band_dots([BandRow(label, 50, (1, 2), 1.5)], label),
        comparisons.heat_table(HeatMatrix(label, label, [label], [(label, [Cell(1, label)])])),
        comparisons.expiry_strip(ExpiryStrip([Expiry(label, 3)])),
    ]


@pytest.mark.parametrize("at", range(5))
def test_a_picture_keeps_names_as_text_and_has_no_inline_style(at: int) -> None:
    picture = pictures(HOSTILE)[at]
    assert "<img" not in picture
    assert " style=" not in picture
    assert "&lt;img" in picture


@pytest.mark.parametrize(
    "picture", [charts.outcome_chart(samples.outcome_series()), comparisons.expiry_strip(samples.EXPIRIES)]
)
def test_positions_stay_inside_the_picture(picture: str) -> None:
    across = [float(value) for value in re.findall(r' (?:x|cx)="(-?[\d.]+)%"', picture)]
    assert across
    assert all(0 <= value <= 100 for value in across)
