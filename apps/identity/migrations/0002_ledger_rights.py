"""Roles, default grants, an append-only ledger that the database itself defends, and who stands for Chancery in it.

`chancery_app` may read and write ordinary tables and may only add to the ledger. `chancery_sequencer` may
take from the queue and add leaves and checkpoints. Neither owns anything. The triggers are ENABLE ALWAYS so
that `session_replication_role` does not skip them.
"""

import uuid

from django.db import migrations

SYSTEM_ID = uuid.UUID("00000000-0000-7000-8000-000000000001")
RECORDS = ("identity_ledgerentry", "identity_ledgerleaf", "identity_ledgercheckpoint")

ROLES = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'chancery_app') THEN CREATE ROLE chancery_app NOLOGIN; END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'chancery_sequencer') THEN
    CREATE ROLE chancery_sequencer NOLOGIN;
  END IF;
END $$;
GRANT USAGE ON SCHEMA public TO chancery_app, chancery_sequencer;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO chancery_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO chancery_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO chancery_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO chancery_app;
REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM chancery_app;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON
  identity_ledgerentry, identity_ledgerpending, identity_ledgerleaf, identity_ledgercheckpoint FROM chancery_app;
GRANT INSERT ON identity_ledgerentry TO chancery_app;
GRANT SELECT ON identity_ledgerentry, identity_ledgerpending, identity_ledgerleaf, identity_ledgercheckpoint
  TO chancery_sequencer;
GRANT DELETE ON identity_ledgerpending TO chancery_sequencer;
GRANT INSERT ON identity_ledgerleaf, identity_ledgercheckpoint TO chancery_sequencer;
"""

GUARD = """
CREATE FUNCTION ledger_refuses_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION 'the ledger is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE FUNCTION ledger_queue_entry() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO public.identity_ledgerpending (entry_id) VALUES (NEW.id);
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION ledger_queue_entry() FROM PUBLIC;
CREATE TRIGGER ledger_queue AFTER INSERT ON identity_ledgerentry
  FOR EACH ROW EXECUTE FUNCTION ledger_queue_entry();
ALTER TABLE identity_ledgerentry ENABLE ALWAYS TRIGGER ledger_queue;
ALTER TABLE identity_ledgerpending SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
"""

PER_TABLE = """
CREATE TRIGGER ledger_keeps_rows BEFORE UPDATE OR DELETE ON {table}
  FOR EACH ROW EXECUTE FUNCTION ledger_refuses_change();
CREATE TRIGGER ledger_keeps_table BEFORE TRUNCATE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuses_change();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER ledger_keeps_rows;
ALTER TABLE {table} ENABLE ALWAYS TRIGGER ledger_keeps_table;
"""

UNDO = (
    """
DROP TRIGGER ledger_queue ON identity_ledgerentry;
DROP FUNCTION ledger_queue_entry();
"""
    + "".join(
        f"DROP TRIGGER ledger_keeps_rows ON {table}; DROP TRIGGER ledger_keeps_table ON {table};"
        for table in RECORDS
    )
    + "DROP FUNCTION ledger_refuses_change();"
)


def add(apps, schema_editor):
    apps.get_model("identity", "Principal").objects.get_or_create(
        pk=SYSTEM_ID, defaults={"kind": "service", "name": "Chancery"}
    )


def remove(apps, schema_editor):
    apps.get_model("identity", "Principal").objects.filter(pk=SYSTEM_ID).delete()


class Migration(migrations.Migration):
    replaces = [("identity", "0003_system_principal"), ("identity", "0008_deliveries_by_endpoint")]
    dependencies = [("identity", "0001_initial")]
    operations = [
        migrations.RunSQL(ROLES, migrations.RunSQL.noop),
        migrations.RunSQL(GUARD + "".join(PER_TABLE.format(table=table) for table in RECORDS), UNDO),
        migrations.RunPython(add, remove),
    ]
