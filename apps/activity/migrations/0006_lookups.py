"""Spans of a trace are found by id, model answers of a trace by time, calls by the id their model gave them."""

from django.db import migrations, models

FORWARD = """
DROP INDEX span_by_trace;
CREATE INDEX span_by_trace ON activity_span (trace_id, span_id);
CREATE INDEX span_models ON activity_span (trace_id, id) WHERE kind = 'model';
"""
BACK = """
DROP INDEX span_models;
DROP INDEX span_by_trace;
CREATE INDEX span_by_trace ON activity_span (trace_id);
"""


class Migration(migrations.Migration):
    dependencies = [("activity", "0005_verdicts_by_judge")]
    operations = [
        migrations.RunSQL(FORWARD, BACK),
        migrations.AddIndex(
            "toolcall",
            models.Index(
                condition=models.Q(("call_id", ""), _negated=True), fields=["call_id"], name="call_by_call_id"
            ),
        ),
    ]
