"""One figure over days, drawn as a line with its ends written out. Positions in attributes, colour in classes."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.kit.ui.charts import data_table
from apps.kit.ui.formats import number


def trend_chart(points: Sequence[tuple[str, int]], caption: str, unit: str = "Agents") -> SafeString:
    """`points` are (label, value), oldest first. Empty for fewer than two: one point is no trend."""
    if len(points) < 2:
        return SafeString("")
    top = max(value for _, value in points) or 1
    step = 100 / (len(points) - 1)
    line = " ".join(f"{step * at:.2f},{96 - 90 * value / top:.2f}" for at, (_, value) in enumerate(points))
    (first, began), (last, ended) = points[0], points[-1]
    picture = format_html(
        '<svg class="chart chart-trend" role="img" aria-label="{}: from {} on {} to {} on {}, highest {}">'
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" height="100" y="14">'
        '<line class="c-axis" x1="0" x2="100" y1="96" y2="96"/><polyline class="c-line" points="{}"/></svg>'
        '<text class="c-text" x="0" y="11">{}</text><text class="c-text" x="100%" y="11" text-anchor="end">{}</text>'
        '<text class="c-text" x="0" y="130">{}</text><text class="c-text" x="100%" y="130" text-anchor="end">{}</text></svg>',
        caption, number(began), first, number(ended), last, number(top), line,
        number(began), number(ended), first, last,
    )  # fmt: skip
    return format_html(
        '<figure class="fig-chart">{}{}</figure>', picture, data_table(caption, ("Day", unit), points)
    )
