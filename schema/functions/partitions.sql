-- Partitions of executions by retention class and time: made ahead, sealed, and dropped as a whole.

-- How many days of each class, and how many a partition of it spans.
CREATE OR REPLACE FUNCTION app.retention_classes(OUT days integer, OUT width_days integer)
RETURNS SETOF record
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$ VALUES (7, 1), (14, 1), (30, 7), (60, 7), (90, 7), (365, 30) $$;

-- The id at whose moment, or before, a partition must end for all its rows to be past the class.
CREATE OR REPLACE FUNCTION app.partitions_end_before(class integer, moment timestamptz)
RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
AS $$
  SELECT app.uuid7_floor(to_timestamp(
    floor((extract(EPOCH FROM moment) / 86400 - c.days) / c.width_days) * c.width_days * 86400
  ))
  FROM app.retention_classes() AS c WHERE c.days = class
$$;

-- The partition key of an execution: its tenant's class while that has a partition for it, else 0, the overflow.
CREATE OR REPLACE FUNCTION app.retention_class_for(id uuid, class smallint, moment timestamptz DEFAULT now())
RETURNS smallint
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN CASE WHEN id < app.uuid7_floor(moment - make_interval(days => class)) THEN 0 ELSE class END;

CREATE OR REPLACE FUNCTION app.partitions(
  OUT partition_name text, OUT retention_class integer, OUT starts timestamptz, OUT ends timestamptz
)
RETURNS SETOF record
LANGUAGE sql
STABLE
SET timezone = 'UTC'
AS $$
  SELECT
    c.relname, k.days, right(c.relname, 8)::timestamptz,
    right(c.relname, 8)::timestamptz + make_interval(days => k.width_days)
  FROM app.retention_classes() AS k
  JOIN pg_class AS c ON c.relname ~ format('^workflow_executions_c%s_[0-9]{8}$', k.days)
  WHERE c.relnamespace = 'app'::regnamespace AND c.relispartition AND c.relkind = 'r'
$$;

-- Makes one partition and attaches it, which does not block readers or writers as CREATE ... PARTITION OF would.
-- No grant on partitions and no policy: they are reached through their parent or not at all.
CREATE OR REPLACE PROCEDURE app.add_partition(class_table text, partition_name text, lower_bound text, upper_bound text)
LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format('CREATE TABLE app.%I (LIKE app.workflow_executions INCLUDING ALL)', partition_name);
  EXECUTE format('ALTER TABLE app.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', partition_name);
  EXECUTE format('CREATE INDEX ON app.%I (tenant_id, n8n_execution_id)', partition_name);
  CALL app.plan_for_large_tenants(format('app.%I', partition_name));
  EXECUTE format('ALTER TABLE app.%I ATTACH PARTITION app.%I FOR VALUES FROM (%s) TO (%s)',
    class_table, partition_name, lower_bound, upper_bound);
END
$$;

-- Keeps the partitions of every class ready from the start of its window to 14 days ahead. Returns how many it made.
CREATE OR REPLACE FUNCTION app.create_partitions(moment timestamptz DEFAULT now())
RETURNS integer
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET lock_timeout = '2s'  -- attaching waits for writers of workflows, and new ones wait behind it
AS $$
DECLARE
  today bigint := floor(extract(EPOCH FROM moment) / 86400);
  class record;
  class_table text;
  partition_name text;
  day bigint;  -- of the Unix epoch; in seconds it outgrows integer in 2038
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('app.create_partitions', 0));
  FOR class IN SELECT * FROM app.retention_classes() LOOP
    class_table := format('workflow_executions_c%s', class.days);
    -- from where the partitions end, if that is earlier: days on which this did not run leave no gap
    day := least((today - class.days) / class.width_days * class.width_days, (
      SELECT floor(extract(EPOCH FROM max(p.ends)) / 86400)
      FROM app.partitions() AS p WHERE p.retention_class = class.days
    ));
    WHILE day <= today + 14 LOOP
      partition_name := format('%s_%s', class_table, to_char(to_timestamp(day * 86400), 'YYYYMMDD'));
      IF to_regclass('app.' || partition_name) IS NULL THEN
        CALL app.add_partition(class_table, partition_name,
          quote_literal(app.uuid7_floor(to_timestamp(day * 86400))),
          quote_literal(app.uuid7_floor(to_timestamp((day + class.width_days) * 86400))));
        made := made + 1;
      END IF;
      day := day + class.width_days;
    END LOOP;
  END LOOP;
  RETURN made;
END
$$;

REVOKE ALL ON PROCEDURE app.add_partition FROM PUBLIC;
REVOKE ALL ON FUNCTION app.create_partitions FROM PUBLIC, flo_app;
GRANT EXECUTE ON FUNCTION app.create_partitions TO flo_job;

-- Moves the next executions of a tenant from a former class to its present one, or to the overflow partition when they
-- are past it. Deliveries of the same executions wait for the lock. Returns how many, and the last id.
CREATE OR REPLACE FUNCTION app.reclassify(
  tenant uuid, left_class smallint, after uuid, most integer, OUT moved integer, OUT last uuid
)
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
  class smallint := (SELECT h.class FROM app.hot_policies AS h WHERE h.tenant_id = tenant);
  ids uuid[];
BEGIN
  PERFORM set_config('app.tenant_id', tenant::text, true), set_config('app.moving', 'on', true);
  ids := ARRAY(
    SELECT e.id FROM app.workflow_executions AS e
    WHERE e.tenant_id = tenant AND e.retention_class = left_class AND e.retention_class <> class AND e.id > after
    ORDER BY e.id LIMIT most
  );
  last := ids[cardinality(ids)];
  PERFORM app.lock_executions(ids, left_class);
  UPDATE app.workflow_executions AS e SET retention_class = app.retention_class_for(e.id, class)
  WHERE e.retention_class = left_class AND e.id = ANY (ids) AND e.id BETWEEN ids[1] AND last;
  GET DIAGNOSTICS moved = ROW_COUNT;
END
$$;

-- Whether the tenant has changed to a longer class than this one.
CREATE OR REPLACE FUNCTION app.is_kept_longer(tenant uuid, class integer)
RETURNS boolean
LANGUAGE sql
STABLE
RETURN EXISTS (SELECT FROM app.hot_policies AS h WHERE h.tenant_id = tenant AND h.class > is_kept_longer.class);

CREATE OR REPLACE FUNCTION app.break_seal()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE app.sealed_partitions AS s SET broken_at = clock_timestamp()
  WHERE s.partition_name = TG_TABLE_NAME AND s.broken_at IS NULL;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO app.touched_executions (id, partition_name) VALUES (NEW.id, TG_TABLE_NAME) ON CONFLICT DO NOTHING;
  END IF;
  RETURN NULL;
END
$$;

-- How long statements of this transaction wait for a lock. Who needs one of everybody's asks for it shortly and again,
-- and waits longer when that has failed: requests that overlap never let go all at once, but who waits comes next.
CREATE OR REPLACE FUNCTION app.wait_for_locks(patience interval)
RETURNS void
LANGUAGE sql
AS $$ SELECT set_config('lock_timeout', (extract(EPOCH FROM patience) * 1000)::integer::text, true) $$;

-- Its lock waits for the partition's writers, so from here on each write breaks the seal: also of one that began under
-- an earlier seal, found it broken, and commits after the next one.
CREATE OR REPLACE FUNCTION app.seal_partition(partition_name text, patience interval DEFAULT '20 ms')
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM app.wait_for_locks(patience);
  IF NOT EXISTS (SELECT FROM app.partitions() AS l WHERE l.partition_name = seal_partition.partition_name) THEN
    RAISE EXCEPTION USING errcode = 'FL404', message = 'There is no such partition.';
  END IF;
  EXECUTE format('LOCK TABLE app.%I IN SHARE ROW EXCLUSIVE MODE', partition_name);
  IF NOT EXISTS (
    SELECT FROM pg_trigger WHERE tgname = 'break_seal' AND tgrelid = to_regclass('app.' || partition_name)
  ) THEN
    EXECUTE format('CREATE TRIGGER break_seal AFTER INSERT OR UPDATE OR DELETE ON app.%I'
      ' FOR EACH ROW EXECUTE FUNCTION app.break_seal()', partition_name);
  END IF;
  INSERT INTO app.sealed_partitions AS s (partition_name) VALUES (seal_partition.partition_name)
  ON CONFLICT ON CONSTRAINT sealed_partitions_pkey DO UPDATE SET sealed_at = now(), broken_at = NULL;
END
$$;

-- Drops a sealed partition, last in the transaction that marks its files as stored. Its locks block nobody for long:
-- they are acquired in the order of those who write executions, each within `patience` or not at all (55P03).
CREATE OR REPLACE FUNCTION app.drop_partition(partition_name text, patience interval DEFAULT '15 ms')
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM app.wait_for_locks(patience);
  IF NOT EXISTS (
    SELECT FROM app.partitions() AS p
    WHERE p.partition_name = drop_partition.partition_name
      AND p.ends <= now() - make_interval(days => p.retention_class)
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL404', message = 'There is no such partition, or it is not past its class.';
  END IF;
  EXECUTE format('LOCK TABLE ONLY app.%I IN ACCESS EXCLUSIVE MODE', left(partition_name, -9));
  EXECUTE format('LOCK TABLE app.%I IN ACCESS EXCLUSIVE MODE', partition_name);
  DELETE FROM app.touched_executions AS t WHERE t.partition_name = drop_partition.partition_name;
  DELETE FROM app.sealed_partitions AS s WHERE s.partition_name = drop_partition.partition_name AND s.broken_at IS NULL;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'seal_broken',
      message = 'The partition has changed since it was sealed.';
  END IF;
  EXECUTE format('DROP TABLE app.%I', partition_name);
END
$$;

REVOKE ALL ON FUNCTION app.break_seal, app.seal_partition, app.drop_partition FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.seal_partition, app.drop_partition TO flo_job;

SELECT app.create_partitions();  -- those of a new database: later ones are made by the schedule
