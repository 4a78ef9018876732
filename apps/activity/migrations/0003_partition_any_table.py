"""The partition function serves every table that is partitioned on ids, whichever app it belongs to."""

from django.db import migrations

FUNCTION = """
CREATE OR REPLACE FUNCTION activity_create_partitions(days_ahead int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
  parent text; day date; part text; low uuid; high uuid; made int := 0;
BEGIN
  IF days_ahead NOT BETWEEN 0 AND 400 THEN
    RAISE EXCEPTION 'days_ahead must lie between 0 and 400' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  FOR parent IN SELECT name FROM activity_partitioned_tables LOOP
    FOR offset_days IN -1 .. days_ahead LOOP
      day := (now() AT TIME ZONE 'UTC')::date + offset_days;
      part := format('%s_p%s', parent, to_char(day, 'YYYYMMDD'));
      CONTINUE WHEN to_regclass('public.' || part) IS NOT NULL;
      low := activity_first_id(day);
      high := activity_first_id(day + 1);
      EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING ALL)', part, parent);
      EXECUTE format(
        'WITH moved AS (DELETE FROM public.%I WHERE id >= $1 AND id < $2 RETURNING *) INSERT INTO public.%I SELECT * FROM moved',
        parent || '_default', part) USING low, high;
      EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', parent, part, low, high);
      made := made + 1;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;
"""
# Only tables with a primary key on `id` alone and a partition for what no other takes are cut by day on ids.
TABLES = """
CREATE VIEW activity_partitioned_tables AS
SELECT c.relname::text AS name FROM pg_catalog.pg_partitioned_table p
JOIN pg_catalog.pg_class c ON c.oid = p.partrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0] AND a.attname = 'id'
WHERE p.partstrat = 'r' AND p.partdefid <> 0 ORDER BY c.relname
"""


class Migration(migrations.Migration):
    dependencies = [("activity", "0002_partitions")]
    operations = [
        migrations.RunSQL(TABLES, "DROP VIEW activity_partitioned_tables"),
        migrations.RunSQL(FUNCTION, migrations.RunSQL.noop),
    ]
