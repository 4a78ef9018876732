"""Tags for pictures of data; the drawing is in apps.kit.ui.charts and apps.kit.ui.comparisons."""

from django.template import Library

from apps.kit.ui import charts, comparisons, trends

register = Library()
for _picture in (
    charts.outcome_chart,
    charts.sparkline,
    comparisons.band_dots,
    comparisons.heat_table,
    comparisons.expiry_strip,
    trends.trend_chart,
):
    register.simple_tag(_picture)
