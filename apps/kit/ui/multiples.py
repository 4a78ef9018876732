"""Small multiples: several quantities over one time axis, one below the other, with what happened marked through all of them.

As in charts.py: positions are attributes, colours are classes, and the data stands as a table below.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.kit.ui.charts import data_table, joined, legend

_TOP: Final = 30.0
_BOTTOM: Final = 76.0
_HEIGHT: Final = 90
_AXIS: Final = 98
_NEAR: Final = 0.06  # marks nearer than this share one label


@dataclass(frozen=True)
class Panel:
    """One quantity: a value for each stretch of time (None: not known) and its words; `usual` is drawn as a band of its own."""

    label: str
    values: Sequence[float | None]
    words: Sequence[str]
    usual: float | None = None
    usual_words: str = ""
    is_alarm: bool = False

    @property
    def known(self) -> list[int]:
        return [at for at, value in enumerate(self.values) if value is not None]


@dataclass(frozen=True)
class Mark:
    """Something that happened at a share (0 to 1) of the time axis; `number` leads to its words below."""

    at: float
    number: int


def small_multiples(
    caption: str, labels: Sequence[str], panels: Sequence[Panel], marks: Sequence[Mark]
) -> SafeString:
    """Panels without any value are left out; nothing at all where none has one."""
    shown = [panel for panel in panels if panel.known]
    if not shown:
        return SafeString("")
    pictures = joined(_picture(panel, labels, marks, is_last=panel is shown[-1]) for panel in shown)
    fell = any(panel.is_alarm for panel in shown)
    keys = [
        ("line", "Observed"),
        *([("band", "Usual before"), ("outside", "Newest, got worse")] if fell else []),
    ]
    rows = ([label, *(panel.words[at] for panel in shown)] for at, label in enumerate(labels))
    table = data_table(caption, ["From", *(panel.label for panel in shown)], rows)
    return format_html('<figure class="multiples">{}{}{}</figure>', pictures, legend(keys), table)


def _picture(panel: Panel, labels: Sequence[str], marks: Sequence[Mark], *, is_last: bool) -> SafeString:
    low, high = _range(panel)
    parts = [_usual(panel, low, high), _marks(marks), *_lines(panel, low, high), _newest(panel, low, high)]
    if is_last:
        parts.append(_time_axis(labels))
    last = panel.words[panel.known[-1]]
    usual = f"usual {panel.usual_words}" if panel.usual is not None else ""
    return format_html(
        '<svg class="chart" height="{}" role="img" aria-label="{}">'
        '<text class="tx-b" x="0" y="11">{}</text><text x="100%" y="11" class="end">{}</text>{}'
        '<line class="c-axis" x1="0" x2="100%" y1="{}" y2="{}"/></svg>',
        _AXIS if is_last else _HEIGHT,
        f"{panel.label}: {last} at last{', ' + usual if usual else ''}.",
        panel.label,
        f"{last}{', ' + usual if usual else ''}",
        joined(parts),
        f"{_BOTTOM + 2:.0f}",
        f"{_BOTTOM + 2:.0f}",
    )


def _range(panel: Panel) -> tuple[float, float]:
    values = [value for value in (*panel.values, panel.usual) if value is not None]
    low, high = min(values), max(values)
    spread = (high - low) or max(abs(high), 0.1)
    return max(0.0, low - spread / 4), high + spread / 4


def _y(value: float, low: float, high: float) -> float:
    return _TOP + (_BOTTOM - _TOP) * (high - value) / (high - low)


def _x(at: int, count: int) -> float:
    return 100 * (at + 0.5) / count


def _usual(panel: Panel, low: float, high: float) -> SafeString:
    if panel.usual is None:
        return SafeString("")
    y = _y(panel.usual, low, high)
    return format_html('<rect class="c-band" x="0" width="100%" y="{}" height="7"/>', f"{y - 3.5:.1f}")


def _lines(panel: Panel, low: float, high: float) -> Iterable[SafeString]:
    """A line for each stretch without a gap; a value that stands alone is a dot."""
    count = len(panel.values)
    for stretch in _stretches(panel.known):
        points = [(_x(at, count), _y(panel.values[at] or 0.0, low, high)) for at in stretch]
        if len(points) == 1:
            x, y = points[0]
            yield format_html('<circle class="c-dot" cx="{}%" cy="{}" r="1.75"/>', f"{x:.2f}", f"{y:.1f}")
            continue
        yield format_html(
            '<svg width="100%" height="{0}" viewBox="0 0 100 {0}" preserveAspectRatio="none">'
            '<polyline class="c-line" points="{1}"/></svg>',
            _HEIGHT,
            " ".join(f"{x:.2f},{y:.1f}" for x, y in points),
        )


def _stretches(known: Sequence[int]) -> list[list[int]]:
    found: list[list[int]] = []
    for at in known:
        if found and found[-1][-1] == at - 1:
            found[-1].append(at)
        else:
            found.append([at])
    return found


def _newest(panel: Panel, low: float, high: float) -> SafeString:
    """The newest value: a dot, or a diamond where it fell."""
    at = panel.known[-1]
    x, y = _x(at, len(panel.values)), _y(panel.values[at] or 0.0, low, high)
    if panel.is_alarm:
        return format_html(
            '<svg x="{}%" y="{}" overflow="visible"><path class="c-anomaly" d="M0 -5l5 5-5 5-5-5z"/></svg>',
            f"{x:.2f}",
            f"{y:.1f}",
        )
    return format_html('<circle class="c-dot" cx="{}%" cy="{}" r="2.5"/>', f"{x:.2f}", f"{y:.1f}")


def _marks(marks: Sequence[Mark]) -> SafeString:
    lines = (
        format_html(
            '<line class="c-now" x1="{0}%" x2="{0}%" y1="27" y2="{1}"/>',
            f"{100 * mark.at:.2f}",
            f"{_BOTTOM + 2:.0f}",
        )
        for mark in marks
    )
    labels = (
        format_html(
            '<text x="{}%" y="25" class="mid">{}</text>',
            f"{50 * (some[0].at + some[-1].at):.2f}",
            str(some[0].number) if len(some) == 1 else f"{some[0].number}\N{EN DASH}{some[-1].number}",
        )
        for some in _near_each_other(marks)
    )
    return joined([*lines, *labels])


def _near_each_other(marks: Sequence[Mark]) -> list[list[Mark]]:
    """Marks in groups that one label stands over, in the order of time."""
    found: list[list[Mark]] = []
    for mark in sorted(marks, key=lambda mark: mark.number):
        if found and mark.at - found[-1][0].at < _NEAR:
            found[-1].append(mark)
        else:
            found.append([mark])
    return found


def _time_axis(labels: Sequence[str]) -> SafeString:
    places = [("0", "", labels[0]), ("50%", "mid", labels[len(labels) // 2]), ("100%", "end", labels[-1])]
    return joined(
        format_html('<text x="{}" y="{}" class="{}">{}</text>', x, _AXIS - 4, css, words)
        for x, css, words in places
    )
