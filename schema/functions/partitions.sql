-- Where executions lie: leaves by class and time, which are made ahead, sealed, and dropped as a whole.

CREATE OR REPLACE FUNCTION app.ttl_classes(OUT days integer, OUT step integer)  -- and how many days a leaf of it spans
RETURNS SETOF record
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$ VALUES (7, 1), (14, 1), (30, 7), (60, 7), (90, 7), (365, 30) $$;

-- Leaves that end at or before this id's moment have every row past the class.
CREATE OR REPLACE FUNCTION app.retired_before(class integer, moment timestamptz)
RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
AS $$
  SELECT app.uuid7_floor(to_timestamp(floor((extract(EPOCH FROM moment) / 86400 - c.days) / c.step) * c.step * 86400))
  FROM app.ttl_classes() AS c WHERE c.days = class
$$;

-- Where an execution belongs: in its tenant's class while that has a leaf for it, else in the backlog.
CREATE OR REPLACE FUNCTION app.class_for(id uuid, class smallint, moment timestamptz DEFAULT now())
RETURNS smallint
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN CASE WHEN id < app.uuid7_floor(moment - make_interval(days => class)) THEN 0 ELSE class END;

CREATE OR REPLACE FUNCTION app.leaves(OUT leaf text, OUT class integer, OUT starts timestamptz, OUT ends timestamptz)
RETURNS SETOF record
LANGUAGE sql
STABLE
SET timezone = 'UTC'
AS $$
  SELECT c.relname, k.days, right(c.relname, 8)::timestamptz, right(c.relname, 8)::timestamptz + make_interval(days => k.step)
  FROM app.ttl_classes() AS k
  JOIN pg_class AS c ON c.relname ~ format('^workflow_executions_c%s_[0-9]{8}$', k.days)
  WHERE c.relnamespace = 'app'::regnamespace AND c.relispartition AND c.relkind = 'r'
$$;

-- Makes one leaf and attaches it, which does not block readers or writers as CREATE ... PARTITION OF would.
-- No grant on leaves and no policy: they are reached through their parent or not at all.
CREATE OR REPLACE PROCEDURE app.add_leaf(class_table text, leaf text, lower_bound text, upper_bound text)
LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format('CREATE TABLE app.%I (LIKE app.workflow_executions INCLUDING ALL)', leaf);
  EXECUTE format('ALTER TABLE app.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', leaf);
  -- finds a delivery, and is unique within the leaf; app.record_executions keeps it unique across leaves
  EXECUTE format('CREATE UNIQUE INDEX ON app.%I (tenant_id, n8n_execution_id)', leaf);
  EXECUTE format('ALTER TABLE app.%I ATTACH PARTITION app.%I FOR VALUES FROM (%s) TO (%s)',
    class_table, leaf, lower_bound, upper_bound);
END
$$;

-- Keeps the leaves of every class ready from the start of its window to 14 days ahead. Returns how many it made.
CREATE OR REPLACE FUNCTION app.keep_leaves_ready(moment timestamptz DEFAULT now())
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
  leaf text;
  day bigint;  -- of the Unix epoch; in seconds it outgrows integer in 2038
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('app.keep_leaves_ready', 0));
  FOR class IN SELECT * FROM app.ttl_classes() LOOP
    class_table := format('workflow_executions_c%s', class.days);
    -- from where the leaves end, if that is earlier: days on which this did not run leave no gap
    day := least((today - class.days) / class.step * class.step, (
      SELECT floor(extract(EPOCH FROM max(l.ends)) / 86400) FROM app.leaves() AS l WHERE l.class = class.days
    ));
    WHILE day <= today + 14 LOOP
      leaf := format('%s_%s', class_table, to_char(to_timestamp(day * 86400), 'YYYYMMDD'));
      IF to_regclass('app.' || leaf) IS NULL THEN
        CALL app.add_leaf(class_table, leaf,
          quote_literal(app.uuid7_floor(to_timestamp(day * 86400))),
          quote_literal(app.uuid7_floor(to_timestamp((day + class.step) * 86400))));
        made := made + 1;
      END IF;
      day := day + class.step;
    END LOOP;
  END LOOP;
  RETURN made;
END
$$;

REVOKE ALL ON PROCEDURE app.add_leaf FROM PUBLIC;
REVOKE ALL ON FUNCTION app.keep_leaves_ready FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.keep_leaves_ready TO flo_app, flo_job;

-- Moves the next executions of a tenant out of a class that is not its own: to its class, or to the backlog when they
-- are past it. Deliveries of the same executions wait for their turn. Returns how many, and the last id.
CREATE OR REPLACE FUNCTION app.move_to_class(
  tenant uuid, left_class smallint, after uuid, most integer, OUT moved integer, OUT last uuid
)
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
  class smallint := (SELECT app.ttl_class(t.hot_ttl_days) FROM app.tenants AS t WHERE t.id = tenant);
  ids uuid[];
BEGIN
  PERFORM set_config('app.tenant_id', tenant::text, true), set_config('app.moving', 'on', true);
  ids := ARRAY(
    SELECT e.id FROM app.workflow_executions AS e
    WHERE e.tenant_id = tenant AND e.ttl_class = left_class AND e.ttl_class <> class AND e.id > after
    ORDER BY e.id LIMIT most
  );
  last := ids[cardinality(ids)];
  PERFORM app.take_turns(ids, left_class);
  UPDATE app.workflow_executions AS e SET ttl_class = app.class_for(e.id, class)
  WHERE e.ttl_class = left_class AND e.id = ANY (ids) AND e.id BETWEEN ids[1] AND last;
  GET DIAGNOSTICS moved = ROW_COUNT;
END
$$;

CREATE OR REPLACE FUNCTION app.break_seal()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE app.sealed_leaves AS s SET broken_at = clock_timestamp() WHERE s.leaf = TG_TABLE_NAME AND s.broken_at IS NULL;
  RETURN NULL;
END
$$;

-- Its lock waits for the leaf's writers, so from here on each write breaks the seal.
CREATE OR REPLACE FUNCTION app.seal_leaf(leaf text)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '20ms'
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM app.leaves() AS l WHERE l.leaf = seal_leaf.leaf) THEN
    RAISE EXCEPTION USING errcode = 'FL404', message = 'There is no such leaf.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'break_seal' AND tgrelid = to_regclass('app.' || leaf)) THEN
    EXECUTE format('CREATE TRIGGER break_seal AFTER INSERT OR UPDATE OR DELETE ON app.%I'
      ' FOR EACH ROW EXECUTE FUNCTION app.break_seal()', leaf);
  END IF;
  INSERT INTO app.sealed_leaves AS s (leaf) VALUES (seal_leaf.leaf)
  ON CONFLICT ON CONSTRAINT sealed_leaves_pkey DO UPDATE SET sealed_at = now(), broken_at = NULL;
END
$$;

-- Drops a sealed leaf, last in the transaction that makes its files count. Nobody waits behind its locks for long: they
-- are taken in the order of those who write executions, each within 15 ms or not at all (55P03).
CREATE OR REPLACE FUNCTION app.drop_leaf(leaf text)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '15ms'
AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM app.leaves() AS l WHERE l.leaf = drop_leaf.leaf AND l.ends <= now() - make_interval(days => l.class)
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL404', message = 'There is no such leaf, or it is not past its class.';
  END IF;
  EXECUTE format('LOCK TABLE ONLY app.%I IN ACCESS EXCLUSIVE MODE', left(leaf, -9));
  EXECUTE format('LOCK TABLE app.%I IN ACCESS EXCLUSIVE MODE', leaf);
  DELETE FROM app.sealed_leaves AS s WHERE s.leaf = drop_leaf.leaf AND s.broken_at IS NULL;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'seal_broken', message = 'The leaf has changed since it was sealed.';
  END IF;
  EXECUTE format('DROP TABLE app.%I', leaf);
END
$$;

REVOKE ALL ON FUNCTION app.break_seal, app.seal_leaf, app.drop_leaf FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.seal_leaf, app.drop_leaf TO flo_job;

SELECT app.keep_leaves_ready();  -- those of a new database: later ones are made by the schedule
