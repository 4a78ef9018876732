"""Daily partitions, made ahead and dropped when their time is over by functions that the application may call.

Making a partition needs the tables' owner; the application owns nothing, so the function runs as its owner
(SECURITY DEFINER), takes a number of days and touches nothing else. It serves every table that is partitioned on ids,
whichever app the table belongs to. Rows that fell into the default partition move when the partition of their day is
made.
"""

from django.db import migrations

FIRST_ID = """
CREATE FUNCTION activity_first_id(day date) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT rpad(lpad(to_hex((extract(epoch FROM day) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;
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
FUNCTION = """
CREATE FUNCTION activity_create_partitions(days_ahead int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER
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
REVOKE ALL ON FUNCTION activity_create_partitions(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION activity_create_partitions(int) TO chancery_app;
"""
# The application owns no table: it may drop a day that is over, of a table that is cut by days, and nothing else.
DROP_DAY = """
CREATE FUNCTION activity_drop_day(parent text, day date) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE part text := format('%s_p%s', parent, to_char(day, 'YYYYMMDD'));
BEGIN
  IF NOT EXISTS (SELECT FROM activity_partitioned_tables WHERE name = parent AND name LIKE 'activity\\_%') THEN
    RAISE EXCEPTION 'there are no days of %', parent USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF day >= (now() AT TIME ZONE 'UTC')::date - 1 THEN
    RAISE EXCEPTION 'the day % is not over', day USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF to_regclass('public.' || quote_ident(part)) IS NULL THEN
    RETURN false;
  END IF;
  EXECUTE format('DROP TABLE public.%I', part);
  RETURN true;
END $$;
REVOKE ALL ON FUNCTION activity_drop_day(text, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION activity_drop_day(text, date) TO chancery_app;
"""
CURSORS = """
INSERT INTO activity_feedposition (last) SELECT 0 WHERE NOT EXISTS (SELECT FROM activity_feedposition);
INSERT INTO activity_wordscursor (position) SELECT 0 WHERE NOT EXISTS (SELECT FROM activity_wordscursor);
"""


class Migration(migrations.Migration):
    replaces = [("activity", "0003_partition_any_table"), ("activity", "0013_content_policy")]
    dependencies = [("activity", "0001_initial")]
    operations = [
        migrations.RunSQL(FIRST_ID, "DROP FUNCTION activity_first_id(date)"),
        migrations.RunSQL(TABLES, "DROP VIEW activity_partitioned_tables"),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION activity_create_partitions(int)"),
        migrations.RunSQL(DROP_DAY, "DROP FUNCTION activity_drop_day(text, date)"),
        migrations.RunSQL("SELECT activity_create_partitions(14)", migrations.RunSQL.noop),
        migrations.RunSQL(CURSORS, migrations.RunSQL.noop),
    ]
