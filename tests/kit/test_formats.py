"""Numbers, times and hashes read as the design says."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from apps.kit.ui import formats
from apps.kit.ui.tags.marks import amount

NOW = datetime(2026, 11, 23, 14, 32, 7, 412000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "decimals", "said"),
    [
        (1204, 0, "1,204"),
        (Decimal("1204.5"), 2, "1,204.50"),
        (0.5, 0, "1"),
        (-1204, 0, "-1,204"),
        (None, 0, formats.DASH),
    ],
)
def test_numbers_have_separators(value: float | None, decimals: int, said: str) -> None:
    assert formats.number(value, decimals) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.4, "0.4 ms"),
        (2, "2 ms"),
        (860, "860 ms"),
        (2400, "2.4 s"),
        (185_000, "3 min 5 s"),
        (120_000, "2 min"),
        (3_599_900, "1 h"),
        (7_500_000, "2 h 5 min"),
        (86_400_000 * 9 + 14_400_000, "9 days 4 h"),
        (18_446_744_074_000, "584 years 344 days"),
    ],
)
def test_durations_take_their_fitting_unit(value: float, said: str) -> None:
    assert formats.milliseconds(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Decimal("999999.99"), "999,999.99"),
        (Decimal("500000000.10"), "500 M"),
        (1_254_000, "1.25 M"),
        (-12_340_000_000, "-12.3 bn"),
        (None, formats.DASH),
    ],
)
def test_large_amounts_are_shortened(value: float | None, said: str) -> None:
    assert formats.short_amount(value) == said


def test_a_shortened_amount_tells_the_exact_one_in_its_title() -> None:
    assert amount(Decimal("500000000.10")) == '<span title="500,000,000.10">500 M</span>'
    assert amount(Decimal("0.12")) == "0.12"


@pytest.mark.parametrize(
    ("distance", "said"),
    [
        (timedelta(), "now"),
        (timedelta(seconds=-5), "5 s ago"),
        (timedelta(minutes=-26), "26 min ago"),
        (timedelta(hours=-23), "23 h ago"),
        (timedelta(hours=3), "in 3 h"),
        (timedelta(days=-1), "22 Nov 14:32"),
        (timedelta(days=9), "2 Dec 14:32"),
        (timedelta(days=-365), "23 Nov 2025 14:32"),
    ],
)
def test_times_are_relative_under_a_day_and_absolute_after(distance: timedelta, said: str) -> None:
    assert formats.spoken_time(NOW + distance, NOW) == said


def test_a_time_carries_the_machine_form_and_the_zone() -> None:
    element = formats.time_element(NOW, "when", now=NOW)
    assert 'datetime="2026-11-23T14:32:07.412+00:00"' in element
    assert 'title="Monday 23 November 2026 14:32:07 UTC"' in element


def test_a_date_has_no_time_of_day() -> None:
    assert formats.time_element(date(2026, 12, 2)) == '<time class="" datetime="2026-12-02">2 Dec 2026</time>'


def test_a_hash_stands_in_groups_of_four() -> None:
    assert formats.hash_groups("9c41e07be1f0") == "9c41 e07b e1f0"
    assert formats.hash_groups("9c41e07be1f0", 2) == "9c41 e07b"
    assert formats.hash_groups("0193f0a2-0000-7000-8000-00000000abcd").startswith("0193 f0a2 0000 7000")


@pytest.mark.parametrize(
    ("distance", "left"),
    [
        (timedelta(days=9), 9),
        (timedelta(days=8, seconds=1), 9),
        (timedelta(seconds=1), 1),
        (timedelta(), 0),
        (timedelta(seconds=-1), 0),
        (timedelta(days=-6), -6),
    ],
)
def test_a_day_begun_counts_as_a_day_left(distance: timedelta, left: int) -> None:
    assert formats.days_until(NOW + distance, NOW) == left
