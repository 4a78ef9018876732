"""The database writes down the whole record of an agent at every version, whichever door the change took; and the
risk policy that ships applies."""

import django.utils.timezone
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

TRIGGER = """
CREATE FUNCTION agents_keep_revision() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO public.agents_agentrevision (agent_id, version, record, recorded_at)
  VALUES (NEW.id, NEW.version, to_jsonb(NEW), clock_timestamp());
  RETURN NULL;
END $$;
CREATE TRIGGER agents_agent_begun AFTER INSERT ON agents_agent
  FOR EACH ROW EXECUTE FUNCTION agents_keep_revision();
CREATE TRIGGER agents_agent_changed AFTER UPDATE ON agents_agent
  FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version) EXECUTE FUNCTION agents_keep_revision();
REVOKE INSERT, UPDATE, DELETE ON agents_agentrevision FROM chancery_app;
"""
GONE = """
DROP TRIGGER agents_agent_changed ON agents_agent;
DROP TRIGGER agents_agent_begun ON agents_agent;
DROP FUNCTION agents_keep_revision();
GRANT INSERT, UPDATE, DELETE ON agents_agentrevision TO chancery_app;
"""
STANDARD = {"combination": "highest", "floors": {"high_risk": 3, "prohibited": 4}}
NOTE = (
    "Ships with the product: the highest of the four answers, at least tier 3 where the EU AI Act class is high risk "
    "and tier 4 where it is a prohibited practice. Facts are shown beside the answers and do not raise the tier."
)


def begin(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    now = django.utils.timezone.now()
    values = {
        "name": "The highest answer",
        "note": NOTE,
        "rules": STANDARD,
        "state": "applied",
        "applied_at": now,
        "reason": "Ships with the product.",
        "finished_at": now,
    }
    apps.get_model("agents", "RiskPolicy").objects.get_or_create(number=1, defaults=values)


class Migration(migrations.Migration):
    replaces = [
        ("agents", "0004_revisions"),
        ("agents", "0012_risk_policies"),
        ("agents", "0019_model_prices"),
    ]
    dependencies = [("agents", "0001_initial")]
    operations = [
        migrations.RunSQL(TRIGGER, GONE),
        migrations.RunPython(begin, migrations.RunPython.noop),
    ]
