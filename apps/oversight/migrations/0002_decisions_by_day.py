"""Decisions are cut by day on their ids, as calls are: there is one for each call of a governed agent."""

from django.db import migrations

PARTITIONED = """
ALTER TABLE oversight_decision RENAME TO oversight_decision_whole;
CREATE TABLE oversight_decision (LIKE oversight_decision_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
  CONSTRAINT oversight_decision_key PRIMARY KEY (id),
  FOREIGN KEY (agent_id) REFERENCES agents_agent (id) DEFERRABLE INITIALLY DEFERRED,
  FOREIGN KEY (asked_by_id) REFERENCES identity_principal (id) DEFERRABLE INITIALLY DEFERRED
) PARTITION BY RANGE (id);
CREATE TABLE oversight_decision_default PARTITION OF oversight_decision DEFAULT;
INSERT INTO oversight_decision SELECT * FROM oversight_decision_whole;
DROP TABLE oversight_decision_whole;
CREATE INDEX decision_by_agent ON oversight_decision (agent_id, id DESC);
CREATE INDEX decision_by_asker ON oversight_decision (asked_by_id);
"""
WHOLE = """
ALTER TABLE oversight_decision RENAME TO oversight_decision_cut;
CREATE TABLE oversight_decision (LIKE oversight_decision_cut INCLUDING DEFAULTS,
  CONSTRAINT oversight_decision_pkey PRIMARY KEY (id),
  FOREIGN KEY (agent_id) REFERENCES agents_agent (id) DEFERRABLE INITIALLY DEFERRED,
  FOREIGN KEY (asked_by_id) REFERENCES identity_principal (id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO oversight_decision SELECT * FROM oversight_decision_cut;
DROP TABLE oversight_decision_cut;
CREATE INDEX decision_by_agent ON oversight_decision (agent_id, id DESC);
"""


class Migration(migrations.Migration):
    dependencies = [("oversight", "0001_initial"), ("activity", "0003_partition_any_table")]
    operations = [
        migrations.RunSQL(PARTITIONED, WHOLE),
        migrations.RunSQL("SELECT activity_create_partitions(14)", migrations.RunSQL.noop),
    ]
