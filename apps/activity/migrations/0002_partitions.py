"""Daily partitions of spans and calls, made ahead by a function that the application may call.

Making a partition needs the tables' owner; the application owns nothing, so the function runs as its owner
(SECURITY DEFINER), takes a number of days and touches nothing else. Rows that fell into the default
partition move when the partition of their day is made.
"""

from django.db import migrations

FUNCTION = """
CREATE FUNCTION activity_create_partitions(days_ahead int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
  parent text; day date; part text; low uuid; high uuid; made int := 0;
BEGIN
  IF days_ahead NOT BETWEEN 0 AND 400 THEN
    RAISE EXCEPTION 'days_ahead must lie between 0 and 400' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  FOREACH parent IN ARRAY ARRAY['activity_span', 'activity_toolcall'] LOOP
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
FIRST_ID = """
CREATE FUNCTION activity_first_id(day date) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT rpad(lpad(to_hex((extract(epoch FROM day) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("activity", "0001_initial")]
    operations = [
        migrations.RunSQL(FIRST_ID, "DROP FUNCTION activity_first_id(date)"),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION activity_create_partitions(int)"),
        migrations.RunSQL("SELECT activity_create_partitions(14)", migrations.RunSQL.noop),
    ]
