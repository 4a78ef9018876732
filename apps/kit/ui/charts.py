"""Pictures of data as SVG, drawn on the server: pure functions from frozen data to safe markup.

Positions are attributes (percent across, pixels down, so text never scales) and colours are `c-*`
classes: the content security policy allows no inline style. Expected stands before observed: the
baseline is a neutral band behind, and only what lies outside it takes hue, shape and a written label.
Every picture carries `role="img"` with the finding in a sentence, and its data as a table below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.kit.ui.formats import number
from apps.kit.ui.marks import OUTCOMES, PLURALS

STACK: Final = ("allowed", "flagged", "anomaly", "violation", "blocked")
EXCEPTIONS: Final = STACK[1:]
_VOLUME_H: Final = 46.0
_TOP: Final = 66.0
_BASE: Final = 118.0
_HEIGHT: Final = 140
_GAP: Final = 1.0


@dataclass(frozen=True)
class Bin:
    """The calls of one stretch of time: `label` under the axis, counts by outcome."""

    label: str
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def exceptions(self) -> int:
        return sum(self.counts.get(name, 0) for name in EXCEPTIONS)


@dataclass(frozen=True)
class OutcomeSeries:
    """Calls over time. `usual` is the expected range of a bin's total; `event` marks one bin by index."""

    bins: Sequence[Bin]
    unit: str = "calls"
    usual: tuple[float, float] | None = None
    event: tuple[int, str] | None = None


@dataclass(frozen=True)
class BandRow:
    """One quantity against its band, both shares in percent; no band means never seen before."""

    label: str
    observed: float
    band: tuple[float, float] | None
    median: float | None = None

    @property
    def is_outside(self) -> bool:
        return self.band is None or not self.band[0] <= self.observed <= self.band[1]

    @property
    def remark(self) -> str:
        if self.band is None:
            return "never seen before"
        low, high = self.band
        return f"{number(self.observed, 1)}%, expected {number(low)} to {number(high)}"


@dataclass(frozen=True)
class Cell:
    """One count of a heat table and the list it stands for."""

    count: int
    href: str = ""


@dataclass(frozen=True)
class HeatMatrix:
    """Counts by row and column; headings are text or safe marks."""

    caption: str
    corner: str
    columns: Sequence[str | SafeString]
    rows: Sequence[tuple[str | SafeString, Sequence[Cell]]]


@dataclass(frozen=True)
class Expiry:
    """One certification that runs out in `days` (negative: has run out)."""

    label: str
    days: int
    href: str = ""


@dataclass(frozen=True)
class ExpiryStrip:
    """Certifications on one line of days."""

    items: Sequence[Expiry]
    span_days: int = 90
    marks: Sequence[int] = field(default=(0, 30, 60, 90))


def joined(parts: Iterable[SafeString]) -> SafeString:
    """Safe pieces as one."""
    return format_html_join("", "{}", ((part,) for part in parts))


def counted(count: int, name: str) -> str:
    """ "5 violations", "1 anomaly"."""
    return f"{number(count)} {name if count == 1 else PLURALS.get(name, name)}"


def data_table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> SafeString:
    """The same data as a table, folded under the picture."""
    head = format_html_join(
        "", '<th scope="col"{}>{}</th>', ((_num(at), words) for at, words in enumerate(heads))
    )
    lines = format_html_join("", "<tr>{}</tr>", ((_cells(row),) for row in rows))
    return format_html(
        '<details class="as-table"><summary>The same as a table</summary><div class="tbl-x" tabindex="0" role="region" '
        'aria-label="{0}"><table class="t t-compact"><caption class="vh">{0}</caption><thead><tr>{1}</tr></thead>'
        "<tbody>{2}</tbody></table></div></details>",
        caption,
        head,
        lines,
    )


def _num(at: int) -> SafeString:
    return SafeString(' class="num"') if at else SafeString("")


def _cells(row: Sequence[object]) -> SafeString:
    rest = format_html_join("", '<td class="num">{}</td>', ((value,) for value in row[1:]))
    return format_html('<th scope="row">{}</th>{}', row[0], rest)


def _pct(value: float) -> str:
    return f"{value:.2f}%"


def legend(keys: Iterable[tuple[str, str]]) -> SafeString:
    """Swatches and words in stack order; a class of "line" draws a stroke, "dot" a dot, "outside" a diamond."""
    return format_html(
        '<ul class="key">{}</ul>', format_html_join("", "<li>{}{}</li>", ((_swatch(c), w) for c, w in keys))
    )


_SWATCHES: Final = {
    "line": '<path class="c-line" d="M0 6h12"/>',
    "dot": '<circle class="c-dot" cx="6" cy="6" r="4"/>',
    "outside": '<path class="c-anomaly" d="M6 0l6 6-6 6-6-6z"/>',
    "late": '<rect class="c-violation" x="2" y="2" width="8" height="8"/>',
    "due": '<circle class="c-flagged" cx="6" cy="6" r="4.5"/>',
}


def _swatch(kind: str) -> SafeString:
    inside = SafeString(_SWATCHES.get(kind, "")) or format_html(
        '<rect class="c-{}" width="12" height="12"/>', kind
    )
    return format_html('<svg class="sw" viewBox="0 0 12 12" aria-hidden="true">{}</svg>', inside)


# Outcomes over time: volume above, what was not allowed on its own scale below.


def outcome_chart(series: OutcomeSeries) -> SafeString:
    """Volume as a line over its usual band; exceptions stacked on their own scale, because 1% is invisible."""
    if not series.bins:
        return SafeString("")
    peak = max(1, *(one.exceptions for one in series.bins))
    parts = [_volume(series), _exception_axis(peak), _stacks(series.bins, peak), _time_axis(series.bins)]
    if series.event:
        parts.append(_event(*series.event, len(series.bins)))
    picture = format_html(
        '<svg class="chart" height="{}" role="img" aria-label="{}">{}</svg>',
        _HEIGHT,
        outcome_sentence(series),
        joined(parts),
    )
    shown = [name for name in EXCEPTIONS if any(one.counts.get(name) for one in series.bins)]
    keys = [("line", f"All {series.unit}")]
    keys += [("band", "Usual")] if series.usual else []
    keys += [(name, OUTCOMES[name]) for name in shown]
    heads = ["From", "All", *(OUTCOMES[name] for name in EXCEPTIONS)]
    rows = (
        [one.label, number(one.total), *(number(one.counts.get(n, 0)) for n in EXCEPTIONS)]
        for one in series.bins
    )
    return format_html(
        "<figure>{}{}{}</figure>", picture, legend(keys), data_table("Outcomes over time", heads, rows)
    )


def outcome_sentence(series: OutcomeSeries) -> str:
    """The finding in words: how many calls, how many of each exception."""
    total = sum(one.total for one in series.bins)
    sums = {name: sum(one.counts.get(name, 0) for one in series.bins) for name in EXCEPTIONS}
    found = ", ".join(counted(count, name) for name, count in sums.items() if count) or "none outside policy"
    spread = f", usual {number(series.usual[0])} to {number(series.usual[1])} each" if series.usual else ""
    first, last = series.bins[0].label, series.bins[-1].label
    return f"{number(total)} {series.unit} from {first} to {last}{spread}: {found}."


def _volume(series: OutcomeSeries) -> SafeString:
    """The totals as a line on their own scale, which need not start at zero: a line shows change, not amount."""
    totals = [one.total for one in series.bins]
    low, high = _range([*totals, *(series.usual or ())])
    step = 100 / len(totals)
    points = " ".join(
        f"{step * (at + 0.5):.2f},{100 * (high - total) / (high - low):.1f}"
        for at, total in enumerate(totals)
    )
    line = format_html(
        '<svg width="100%" height="{}" viewBox="0 0 100 100" preserveAspectRatio="none">'
        '<polyline class="c-line" points="{}"/></svg>',
        f"{_VOLUME_H:.0f}",
        points,
    )
    return format_html("{}{}", _usual_band(series.usual, low, high), line)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """The ends of a scale with half the spread free on both sides, never below zero."""
    low, high = min(values), max(values)
    spread = (high - low) or max(high, 1)
    return max(0.0, low - spread / 2), high + spread / 4


def _usual_band(usual: tuple[float, float] | None, low: float, high: float) -> SafeString:
    if usual is None:
        return SafeString("")
    bottom, top = (_VOLUME_H * (high - value) / (high - low) for value in usual)
    return format_html(
        '<rect class="c-band" x="0" width="100%" y="{}" height="{}"/><text x="0" y="{}">usual {} to {}</text>',
        f"{top:.1f}",
        f"{max(bottom - top, 1):.1f}",
        f"{min(bottom + 13, _TOP - 4):.0f}",
        number(usual[0]),
        number(usual[1]),
    )


def _exception_axis(peak: int) -> SafeString:
    return format_html(
        '<line class="c-grid" x1="0" x2="100%" y1="{0}" y2="{0}"/><text x="100%" y="{1}" class="end">{2}</text>'
        '<line class="c-axis" x1="0" x2="100%" y1="{3}" y2="{3}"/>',
        f"{_TOP:.0f}",
        f"{_TOP - 4:.0f}",
        number(peak),
        f"{_BASE:.0f}",
    )


def _stacks(bins: Sequence[Bin], peak: int) -> SafeString:
    step = 100 / len(bins)
    pieces = (piece for at, one in enumerate(bins) for piece in _stack(one, step * at, step, peak))
    return format_html_join("", '<rect class="c-{}" x="{}" width="{}" y="{}" height="{}"/>', pieces)


def _stack(one: Bin, left: float, step: float, peak: int) -> Iterable[tuple[str, str, str, str, str]]:
    """The fills of one bin from the axis up, a pixel between them; a single call is still two pixels high."""
    bottom = _BASE - 0.8
    scale = (_BASE - _TOP) / peak
    for name in EXCEPTIONS:
        count = one.counts.get(name, 0)
        if not count:
            continue
        height = max(count * scale - _GAP, 2.0)
        yield name, _pct(left + step * 0.12), _pct(step * 0.76), f"{bottom - height:.1f}", f"{height:.1f}"
        bottom -= height + _GAP


def _time_axis(bins: Sequence[Bin]) -> SafeString:
    places = [("0%", "", bins[0].label), ("100%", "end", bins[-1].label)]
    if len(bins) > 4:
        places.insert(1, ("50%", "mid", bins[len(bins) // 2].label))
    return format_html_join("", '<text x="{}" y="134" class="{}">{}</text>', places)


def _event(at: int, words: str, count: int) -> SafeString:
    across = 100 * (at + 0.5) / count
    side, x = ("end", "-5") if across > 50 else ("", "5")
    return format_html(
        '<svg x="{}" y="0" overflow="visible"><line class="c-now" x1="0" x2="0" y1="0" y2="{}"/>'
        '<text x="{}" y="{}" class="{}">{}</text></svg>',
        _pct(across),
        f"{_BASE:.0f}",
        x,
        f"{_TOP - 4:.0f}",
        side,
        words,
    )


# A trend in a table cell.


def sparkline(values: Sequence[float], label: str, alarm: bool = False) -> SafeString:
    """A trend of 84 by 20 pixels; the last value is a dot, or a square where it is an alarm."""
    if not values:
        return format_html('<span class="faint">{}</span>', "\N{EN DASH}")
    top, low = max(values), min(0.0, *values)
    span = (top - low) or 1
    step = 80 / max(len(values) - 1, 1)
    points = [(2 + step * at, 18 - 15 * (value - low) / span) for at, value in enumerate(values)]
    x, y = points[-1]
    end = (
        format_html(
            '<rect class="c-violation" x="{}" y="{}" width="4" height="4"/>', f"{x - 2:.1f}", f"{y - 2:.1f}"
        )
        if alarm
        else format_html('<circle class="c-dot" cx="{}" cy="{}" r="1.75"/>', f"{x:.1f}", f"{y:.1f}")
    )
    return format_html(
        '<svg class="spark" viewBox="0 0 84 20" role="img" aria-label="{}: last {}, highest {}">'
        '<polyline class="c-line" points="{}"/>{}</svg>',
        label,
        number(values[-1]),
        number(top),
        " ".join(f"{px:.1f},{py:.1f}" for px, py in points),
        end,
    )
