-- Weeks of the history of rows: made ahead, and dropped when they are archived.

CREATE OR REPLACE FUNCTION app.history_partitions(OUT partition_name text, OUT starts timestamptz, OUT ends timestamptz)
RETURNS SETOF record
LANGUAGE sql
STABLE
SET timezone = 'UTC'
AS $$
  SELECT c.relname, right(c.relname, 8)::timestamptz, right(c.relname, 8)::timestamptz + interval '7 days'
  FROM pg_class AS c
  WHERE c.relnamespace = 'app'::regnamespace AND c.relispartition AND c.relname ~ '^row_history_[0-9]{8}$'
$$;

-- Makes the weeks from this one to 14 days ahead, with what has gone to the overflow meanwhile. Returns how many.
CREATE OR REPLACE FUNCTION app.create_history_partitions(moment timestamptz DEFAULT now())
RETURNS integer
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET lock_timeout = '2s'  -- writers wait behind it
AS $$
DECLARE
  week timestamptz := date_trunc('week', moment);
  partition_name text;
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('app.create_history_partitions', 0));
  WHILE week <= moment + interval '14 days' LOOP
    partition_name := 'row_history_' || to_char(week, 'YYYYMMDD');
    IF to_regclass('app.' || partition_name) IS NULL THEN
      EXECUTE format('CREATE TABLE app.%I (LIKE app.row_history INCLUDING ALL)', partition_name);
      CALL app.plan_for_large_tenants(format('app.%I', partition_name));
      IF EXISTS (
        SELECT FROM app.row_history AS h WHERE h.recorded_at >= week AND h.recorded_at < week + interval '7 days'
      ) THEN
        LOCK TABLE app.row_history IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('INSERT INTO app.%I SELECT * FROM app.row_history AS h WHERE h.recorded_at >= $1'
          ' AND h.recorded_at < $2', partition_name) USING week, week + interval '7 days';
        DELETE FROM app.row_history AS h WHERE h.recorded_at >= week AND h.recorded_at < week + interval '7 days';
      END IF;
      EXECUTE format('ALTER TABLE app.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', partition_name);
      EXECUTE format('ALTER TABLE app.row_history ATTACH PARTITION app.%I FOR VALUES FROM (%L) TO (%L)',
        partition_name, week, week + interval '7 days');
      made := made + 1;
    END IF;
    week := week + interval '7 days';
  END LOOP;
  RETURN made;
END
$$;

-- Drops the next week that ended before a moment and is archived, but for what holds keep, which moves to the overflow.
-- Returns whether there was one. Its lock blocks nobody for long: it is acquired within 15 ms or not at all (55P03).
CREATE OR REPLACE FUNCTION app.drop_history(before timestamptz)
RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '15ms'
AS $$
DECLARE
  due record;
BEGIN
  SELECT p.* INTO due FROM app.history_partitions() AS p WHERE p.ends <= before ORDER BY p.starts LIMIT 1;
  IF due IS NULL OR EXISTS (
    SELECT FROM app.row_history AS h
    WHERE h.recorded_at >= due.starts AND h.recorded_at < due.ends AND NOT app.has_holds(h.tenant_id)
  ) THEN
    RETURN false;
  END IF;
  LOCK TABLE ONLY app.row_history IN ACCESS EXCLUSIVE MODE;
  EXECUTE format('ALTER TABLE app.row_history DETACH PARTITION app.%I', due.partition_name);
  EXECUTE format('ALTER TABLE app.%I NO FORCE ROW LEVEL SECURITY', due.partition_name);
  EXECUTE format('INSERT INTO app.row_history SELECT * FROM app.%I', due.partition_name);
  EXECUTE format('DROP TABLE app.%I', due.partition_name);
  RETURN true;
END
$$;

REVOKE ALL ON FUNCTION app.create_history_partitions, app.drop_history FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.create_history_partitions, app.drop_history TO flo_job;

SELECT app.create_history_partitions();
