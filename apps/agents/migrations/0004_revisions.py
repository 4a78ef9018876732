"""The database writes down the whole record of an agent at every version, whichever door the change took."""

from django.db import migrations

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
INSERT INTO agents_agentrevision (agent_id, version, record, recorded_at)
  SELECT id, version, to_jsonb(agents_agent), updated_at FROM agents_agent;
REVOKE INSERT, UPDATE, DELETE ON agents_agentrevision FROM chancery_app;
"""
GONE = """
DROP TRIGGER agents_agent_changed ON agents_agent;
DROP TRIGGER agents_agent_begun ON agents_agent;
DROP FUNCTION agents_keep_revision();
GRANT INSERT, UPDATE, DELETE ON agents_agentrevision TO chancery_app;
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0003_registry_record")]
    operations = [migrations.RunSQL(TRIGGER, GONE)]
