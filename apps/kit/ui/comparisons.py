"""Pictures that compare: expected against observed, counts by two headings, deadlines on a line."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.kit.ui.charts import BandRow, Cell, Expiry, ExpiryStrip, HeatMatrix, data_table, joined, legend
from apps.kit.ui.formats import number

_ROW_H = 28
_LEFT = 2.0  # percent kept free beside zero, so that a dot at zero is whole
_WIDTH = 91.4


def band_dots(rows: Sequence[BandRow], title: str) -> SafeString:
    """Each quantity's certified band in neutral, what was observed as a dot; outside it a labelled diamond."""
    if not rows:
        return SafeString("")
    ceiling = _round_up(max(max(row.observed, row.band[1] if row.band else 0) for row in rows))
    height = _ROW_H * len(rows)
    names = format_html_join("", '<li title="{0}"><code>{0}</code></li>', ((row.label,) for row in rows))
    drawn = joined(_band_row(row, at * _ROW_H + _ROW_H / 2, ceiling) for at, row in enumerate(rows))
    return format_html(
        '<figure><div class="bandg"><ul class="band-h">{}</ul><svg class="chart" height="{}" role="img" aria-label="{}">'
        "{}{}</svg></div>{}{}</figure>",
        names,
        height + 22,
        band_sentence(rows, title),
        _band_grid(ceiling, height),
        drawn,
        legend(
            [("band", "Certified band (5th to 95th percentile)"), ("dot", "Inside"), ("outside", "Outside")]
        ),
        data_table(title, ["Name", "Observed", "Expected"], (_band_cells(row) for row in rows)),
    )


def band_sentence(rows: Sequence[BandRow], title: str) -> str:
    """The finding in words: which quantities lie outside, and what was expected."""
    outside = [f"{row.label} {row.remark}" for row in rows if row.is_outside]
    found = f"Outside: {'; '.join(outside)}." if outside else "All inside."
    return f"{title}, {number(len(rows))} against the certified band. {found}"


def _band_cells(row: BandRow) -> list[str]:
    expected = f"{number(row.band[0], 1)} to {number(row.band[1], 1)}%" if row.band else "never"
    return [row.label, f"{number(row.observed, 1)}%", expected]


def _round_up(value: float) -> float:
    """The next of 5, 10, 20, 40, 60, 80, 100."""
    return next((float(step) for step in (5, 10, 20, 40, 60, 80) if value <= step), 100.0)


def _across(value: float, ceiling: float) -> float:
    return _LEFT + _WIDTH * min(value, ceiling) / ceiling


def _band_grid(ceiling: float, height: int) -> SafeString:
    ticks = [ceiling * part / 4 for part in range(5)]
    return format_html_join(
        "",
        '<line class="c-grid" x1="{0}" x2="{0}" y1="0" y2="{1}"/><text class="mid" x="{0}" y="{2}">{3}%</text>',
        ((f"{_across(tick, ceiling):.2f}%", height, height + 16, f"{tick:g}") for tick in ticks),
    )


def _band_row(row: BandRow, y: float, ceiling: float) -> SafeString:
    return format_html("{}{}", _band_ground(row, y, ceiling), _band_point(row, y, ceiling))


def _band_ground(row: BandRow, y: float, ceiling: float) -> SafeString:
    if row.band is None:
        return SafeString("")
    left, right = (_across(value, ceiling) for value in row.band)
    ground = format_html(
        '<rect class="c-band" x="{}" width="{}" y="{}" height="14"/>',
        f"{left:.2f}%",
        f"{max(right - left, 0.4):.2f}%",
        f"{y - 7:.1f}",
    )
    if row.median is None:
        return ground
    at = f"{_across(row.median, ceiling):.2f}%"
    return format_html(
        '{0}<line class="c-axis" x1="{1}" x2="{1}" y1="{2}" y2="{3}"/>',
        ground,
        at,
        f"{y - 7:.1f}",
        f"{y + 7:.1f}",
    )


def _band_point(row: BandRow, y: float, ceiling: float) -> SafeString:
    """A dot inside the band; outside a diamond with its remark, where neither band nor edge is in the way."""
    across = _across(row.observed, ceiling)
    if not row.is_outside:
        return format_html('<circle class="c-dot" cx="{}" cy="{}" r="4"/>', f"{across:.2f}%", f"{y:.1f}")
    left, right = (_across(value, ceiling) for value in row.band or (row.observed, row.observed))
    fits = max(across, right) < 55
    return format_html(
        '<svg x="{0}" y="{1}" overflow="visible"><path class="c-anomaly" d="M0-6.5L6.5 0 0 6.5-6.5 0z"/></svg>'
        '<svg x="{2}" y="{1}" overflow="visible"><text x="{3}" y="4" class="tx-anom{4}">{5}</text></svg>',
        f"{across:.2f}%",
        f"{y:.1f}",
        f"{max(across, right) if fits else min(across, left):.2f}%",
        "12" if fits else "-12",
        "" if fits else " end",
        row.remark,
    )


def heat_step(count: int, largest: int) -> int:
    """0 to 5 on the ink ramp: 0 for none, then even steps of the square root, so that small counts differ."""
    if count <= 0 or largest <= 0:
        return 0
    return min(5, 1 + int(5 * (count / largest) ** 0.5 - 1e-9))


def heat_table(matrix: HeatMatrix) -> SafeString:
    """Counts by two headings as a table whose ground is the ink ramp; sums at the end and below."""
    largest = max((cell.count for _, cells in matrix.rows for cell in cells), default=0)
    heads = format_html_join(
        "", '<th scope="col" class="num">{}</th>', ((words,) for words in [*matrix.columns, "All"])
    )
    body = format_html_join(
        "", "<tr>{}</tr>", ((_heat_row(words, cells, largest),) for words, cells in matrix.rows)
    )
    sums = [sum(cells[at].count for _, cells in matrix.rows) for at in range(len(matrix.columns))]
    foot = format_html_join("", '<td class="num">{}</td>', ((number(total),) for total in [*sums, sum(sums)]))
    return format_html(
        '<div class="tbl-x" role="region" tabindex="0" aria-label="{0}"><table class="t t-plain matrix">'
        '<caption class="vh">{0}</caption><thead><tr><th scope="col">{1}</th>{2}</tr></thead><tbody>{3}</tbody>'
        '<tfoot><tr><th scope="row">All</th>{4}</tr></tfoot></table></div>',
        matrix.caption,
        matrix.corner,
        heads,
        body,
        foot,
    )


def _heat_row(words: str | SafeString, cells: Sequence[Cell], largest: int) -> SafeString:
    drawn = format_html_join(
        "", '<td class="h{}">{}</td>', ((heat_step(c.count, largest), _heat_cell(c)) for c in cells)
    )
    total = number(sum(cell.count for cell in cells))
    return format_html('<th scope="row">{}</th>{}<td class="sum">{}</td>', words, drawn, total)


def _heat_cell(cell: Cell) -> SafeString:
    if not cell.href:
        return format_html("<span>{}</span>", number(cell.count))
    return format_html('<a href="{}">{}</a>', cell.href, number(cell.count))


def expiry_strip(strip: ExpiryStrip) -> SafeString:
    """One dot for each certification on a line of days; due ones and late ones take shape and hue."""
    if not strip.items:
        return SafeString("")
    dots = joined(_expiry_dots(strip))
    ticks = format_html_join(
        "",
        '<line class="c-grid" x1="{0}" x2="{0}" y1="0" y2="44"/><text class="{2}" x="{0}" y="60">{1}</text>',
        (
            (
                f"{_days_across(day, strip.span_days):.2f}%",
                "today" if day == 0 else f"{day} d",
                "end" if day == strip.span_days else "mid",
            )
            for day in strip.marks
        ),
    )
    ordered = sorted(strip.items, key=lambda item: item.days)
    return format_html(
        '<figure><svg class="chart" height="64" role="img" aria-label="{}">{}'
        '<line class="c-axis" x1="0" x2="100%" y1="44" y2="44"/>{}</svg>{}{}</figure>',
        expiry_sentence(strip),
        ticks,
        dots,
        legend([("late", "Expired"), ("due", "Within 30 days"), ("dot", "Later")]),
        data_table(
            "Certifications by expiry", ["Agent", "Days left"], ([i.label, number(i.days)] for i in ordered)
        ),
    )


def expiry_sentence(strip: ExpiryStrip) -> str:
    """The finding in words: how many have run out, how many do within 30 days, which is next."""
    late = sum(item.days <= 0 for item in strip.items)
    due = [item for item in strip.items if 0 < item.days <= 30]
    coming = min(due, key=lambda item: item.days, default=None)
    following = f"; next is {coming.label} in {coming.days} days" if coming else ""
    return f"{number(len(strip.items))} certifications: {late} expired, {len(due)} run out within 30 days{following}."


def _days_across(days: int, span: int) -> float:
    """Percent across: the first tenth is for what has run out, by at most 10 days."""
    return 10 + 88 * min(days, span) / span if days > 0 else 10 + max(days, -10)


def _expiry_dots(strip: ExpiryStrip) -> list[SafeString]:
    """Dots stacked where several fall on about the same day (columns of one percent, five high)."""
    heights: dict[int, int] = {}
    drawn = []
    for item in sorted(strip.items, key=lambda one: one.days):
        across = _days_across(item.days, strip.span_days)
        level = heights.get(round(across), 0)
        heights[round(across)] = level + 1
        drawn.append(_expiry_dot(item, across, 37 - 8 * min(level, 4)))
    return drawn


def _expiry_dot(item: Expiry, across: float, y: int) -> SafeString:
    if item.days <= 0:
        return format_html(
            '<svg x="{}" y="{}" overflow="visible"><rect class="c-violation" x="-3.5" y="-3.5" width="7" height="7"/></svg>',
            f"{across:.2f}%",
            y,
        )
    shape = ("c-flagged", "4") if item.days <= 30 else ("c-dot", "3")
    return format_html('<circle class="{}" cx="{}" cy="{}" r="{}"/>', shape[0], f"{across:.2f}%", y, shape[1])
