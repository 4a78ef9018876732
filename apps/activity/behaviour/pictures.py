"""What is usual as pictures: pure functions from a profile to safe SVG, by the rules of apps.kit.ui.charts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.activity.behaviour.profile import Profile, Spread, signed_log
from apps.activity.behaviour.wording import range_words, shares, usual_range
from apps.kit.ui.charts import BandRow, data_table, joined, legend
from apps.kit.ui.comparisons import band_dots
from apps.kit.ui.formats import milliseconds, number, percent

MOST_ROWS: Final = 10
ROW_H: Final = 28
LEFT: Final = 2.0
WIDTH: Final = 94.0
HOURS_H: Final = 96.0
WIDTHS: Final = 1.645  # of a normal distribution: from the 5th to the 95th percentile


@dataclass(frozen=True)
class RangeRow:
    """One quantity: the least and most seen, within which nearly all lie, what is typical; `words` beside it."""

    label: str
    least: float
    usual: tuple[float, float]
    typical: float
    most: float
    words: str


def tools_picture(profile: Profile, certified: Profile | None) -> SafeString:
    """Each tool's share of the calls; against the certified band where there is one."""
    found = shares(profile.tools)[:MOST_ROWS]
    if certified is None or not certified.calls:
        return _bars([(name, 100 * share) for name, share in found], "Share of calls by tool")
    rows = [BandRow(name, 100 * share, _band(name, certified, profile.calls)) for name, share in found]
    return band_dots(rows, "Share of calls by tool")


def hours_picture(profile: Profile) -> SafeString:
    """Calls by the hour of the day they began, UTC."""
    counts = [profile.hours.get(str(hour), 0.0) for hour in range(24)]
    peak = max(counts) or 1.0
    step = 100 / 24
    columns = format_html_join(
        "",
        '<rect class="c-bar" x="{}%" width="{}%" y="{}" height="{}"><title>{}</title></rect>',
        (
            (
                f"{step * hour + 0.5:.2f}",
                f"{step - 1:.2f}",
                f"{HOURS_H * (1 - count / peak) + 4:.1f}",
                f"{max(HOURS_H * count / peak, 1.5 if count else 0):.1f}",
                f"{hour:02d}:00, {number(count)} calls",
            )
            for hour, count in enumerate(counts)
        ),
    )
    marks = format_html_join(
        "",
        '<text x="{}%" y="118">{}</text>',
        ((f"{step * hour:.2f}", f"{hour:02d}:00") for hour in (0, 6, 12, 18)),
    )
    busiest = counts.index(max(counts))
    return format_html(
        '<figure><svg class="chart" height="124" role="img" aria-label="Calls by hour of the day, UTC; most at {}:00">'
        '{}<line class="c-axis" x1="0" x2="100%" y1="101" y2="101"/>{}</svg>{}</figure>',
        f"{busiest:02d}",
        columns,
        marks,
        data_table(
            "Calls by hour, UTC",
            ["Hour", "Calls"],
            [(f"{h:02d}:00", number(count)) for h, count in enumerate(counts)],
        ),
    )


def sequences_picture(profile: Profile) -> SafeString:
    """What comes after what most often, each with its share of all that follows the first."""
    ranked = sorted(profile.pairs.items(), key=lambda one: -one[1])[:MOST_ROWS]
    if not ranked:
        return SafeString("")
    follows: dict[str, float] = {}
    for pair, count in profile.pairs.items():
        before = pair.partition(" > ")[0]
        follows[before] = follows.get(before, 0.0) + count
    rows: list[tuple[str, str, float]] = []
    for pair, count in ranked:
        before, _, after = pair.partition(" > ")
        rows.append((before, after, count / follows[before]))
    lines = format_html_join(
        "",
        '<tr><th scope="row"><code>{}</code></th><td class="wrap"><code>{}</code><svg class="chart" height="6" '
        'aria-hidden="true"><rect class="c-bar" width="{}%" height="4"/></svg></td><td class="num">{}</td></tr>',
        ((before, after, f"{100 * share:.1f}", percent(share, 0)) for before, after, share in rows),
    )
    return format_html(
        '<div class="tbl"><table class="t t-compact"><caption class="vh">Which tool follows which, the most frequent first'
        '</caption><thead><tr><th scope="col">After</th><th scope="col">comes</th>'
        '<th scope="col" class="num">Share</th></tr></thead><tbody>{}</tbody></table></div>',
        lines,
    )


def latency_picture(profile: Profile) -> SafeString:
    """How long each tool takes."""
    rows = [
        _range_row(name, profile.latency[name], milliseconds(profile.latency[name].typical))
        for name, _ in shares(profile.tools)[:MOST_ROWS]
        if name in profile.latency and profile.latency[name].count
    ]
    return _ranges(rows, "How long a call takes")


def arguments_picture(profile: Profile) -> SafeString:
    """The ranges of figures and lengths in the arguments, the most used first."""
    ranked = sorted(profile.numbers.items(), key=lambda one: -one[1].count)[:MOST_ROWS]
    rows = [_range_row(name, spread, range_words(spread)) for name, spread in ranked]
    return _ranges(rows, "Figures and lengths in the arguments")


def _band(name: str, certified: Profile, calls: float) -> tuple[float, float] | None:
    """Within which a share lies nine times in ten, if it is what it was when certified."""
    share = certified.tools.get(name, 0.0) / certified.calls
    if not share:
        return None
    reach = WIDTHS * sqrt(share * (1 - share) * (1 / certified.calls + 1 / max(calls, 1.0)))
    return 100 * max(0.0, share - reach), 100 * min(1.0, share + reach)


def _range_row(label: str, spread: Spread, words: str) -> RangeRow:
    return RangeRow(label, spread.low, usual_range(spread), spread.typical, spread.high, words)


def _bars(rows: Sequence[tuple[str, float]], title: str) -> SafeString:
    ceiling = max((share for _, share in rows), default=1.0) or 1.0
    drawn = format_html_join(
        "",
        '<rect class="c-bar" x="0" width="{}%" y="{}" height="12"/><text x="{}%" dx="6" y="{}">{}%</text>',
        (
            (f"{78 * share / ceiling:.2f}", at * ROW_H + 8, f"{78 * share / ceiling:.2f}", at * ROW_H + 18, number(share, 1))
            for at, (_, share) in enumerate(rows)
        ),
    )  # fmt: skip
    return _figure(
        [name for name, _ in rows],
        drawn,
        title,
        data_table(title, ["Tool", "Share"], [(name, f"{number(share, 1)}%") for name, share in rows]),
    )


def _ranges(rows: Sequence[RangeRow], title: str) -> SafeString:
    """Each on a scale of its own, logarithmic: from the least to the most seen."""
    if not rows:
        return SafeString("")
    drawn = joined(_range_line(row) for row in rows)
    table = data_table(
        title,
        ["Name", "Least", "Usual from", "Usual to", "Most"],
        [(row.label, *(f"{v:.4g}" for v in (row.least, *row.usual, row.most))) for row in rows],
    )
    keys = legend([("band", "Nearly all calls"), ("line", "Least to most"), ("dot", "Typical")])
    return format_html(
        '<figure><ul class="ranges" aria-label="{}">{}</ul>{}{}</figure>', title, drawn, keys, table
    )


def _range_line(row: RangeRow) -> SafeString:
    """What is measured, the tool on a line of its own before its argument, and its range; both may wrap."""
    tool, _, argument = row.label.partition(": ")
    return format_html(
        '<li><span><code>{}</code>{}</span><svg class="chart" height="{}" role="img" aria-label="{}">{}</svg></li>',
        tool,
        format_html("<br>{}", argument) if argument else "",
        ROW_H,
        row.words,
        _range(row, ROW_H / 2),
    )


def _range(row: RangeRow, y: float) -> SafeString:
    low, high = signed_log(row.least), signed_log(row.most)
    places = [_across(signed_log(v), low, high) for v in (row.least, row.most, *row.usual, row.typical)]
    least, most, begin, end, typical = places
    return format_html(
        '<rect class="c-band" x="{2}%" width="{3}%" y="{5}" height="12"/>'
        '<line class="c-axis" x1="{0}%" x2="{1}%" y1="{4}" y2="{4}"/><circle class="c-dot" cx="{6}%" cy="{4}" r="4"/>'
        '<text x="100%" y="{7}" class="end">{8}</text>',
        *(f"{place:.2f}" for place in (least, most, begin, max(end - begin, 0.8))),
        f"{y:.1f}",
        f"{y - 6:.1f}",
        f"{typical:.2f}",
        f"{y + 4:.1f}",
        row.words,
    )


def _across(value: float, low: float, high: float) -> float:
    share = (value - low) / (high - low) if high > low else 0.5
    return LEFT + 0.7 * WIDTH * min(1.0, max(0.0, share))


def _figure(names: Iterable[str], drawn: SafeString, title: str, below: SafeString) -> SafeString:
    told = list(names)
    heads = format_html_join("", '<li title="{0}"><code>{0}</code></li>', ((name,) for name in told))
    return format_html(
        '<figure><div class="bandg"><ul class="band-h">{}</ul><svg class="chart" height="{}" role="img" aria-label="{}">{}'
        "</svg></div>{}</figure>",
        heads,
        ROW_H * len(told) + 4,
        title,
        drawn,
        below,
    )
