-- One backlog for all classes (ttl_class 0): what arrives too late for its leaf, what must stay when its leaf goes, and
-- copies of what was archived. So leaves leave no gap behind, and their classes need no backlog of their own.

CREATE FUNCTION app.ttl_classes(OUT days integer, OUT step integer)  -- and how many days a leaf of it spans
RETURNS SETOF record
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$ VALUES (7, 1), (14, 1), (30, 7), (60, 7), (90, 7), (365, 30) $$;

-- Leaves that end at or before this id's moment have every row past the class.
CREATE FUNCTION app.retired_before(class integer, moment timestamptz)
RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
AS $$
  SELECT app.uuid7_floor(to_timestamp(floor((extract(EPOCH FROM moment) / 86400 - c.days) / c.step) * c.step * 86400))
  FROM app.ttl_classes() AS c WHERE c.days = class
$$;

-- Where an execution belongs: in its tenant's class while that has a leaf for it, else in the backlog.
CREATE FUNCTION app.class_for(id uuid, class smallint, moment timestamptz DEFAULT now())
RETURNS smallint
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN CASE WHEN id < app.uuid7_floor(moment - make_interval(days => class)) THEN 0 ELSE class END;

CREATE FUNCTION app.leaves(OUT leaf text, OUT class integer, OUT starts timestamptz, OUT ends timestamptz)
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

CREATE TABLE app.workflow_executions_backlog (LIKE app.workflow_executions INCLUDING ALL);
ALTER TABLE app.workflow_executions_backlog ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE UNIQUE INDEX workflow_executions_backlog_n8n ON app.workflow_executions_backlog (tenant_id, n8n_execution_id);
ALTER TABLE app.workflow_executions ATTACH PARTITION app.workflow_executions_backlog FOR VALUES IN (0);

-- Moves what the classes' own backlogs hold, and drops them.
CREATE POLICY migration ON app.workflow_executions TO flo_owner USING (true) WITH CHECK (true);
DO $$
DECLARE
  left_class integer;
BEGIN
  PERFORM set_config('app.moving', 'on', true);
  FOR left_class IN SELECT days FROM app.ttl_classes() LOOP
    EXECUTE format('LOCK TABLE app.workflow_executions_c%s_backlog', left_class);
    UPDATE app.workflow_executions AS e SET ttl_class = 0
    WHERE e.ttl_class = left_class AND e.id < (SELECT app.uuid7_floor(min(l.starts)) FROM app.leaves() AS l WHERE l.class = left_class);
    EXECUTE format('DROP TABLE app.workflow_executions_c%s_backlog', left_class);
  END LOOP;
END
$$;
DROP POLICY migration ON app.workflow_executions;

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
GRANT EXECUTE ON FUNCTION app.keep_leaves_ready TO flo_job;

-- Merges deliveries and writes what they come to. What starts before its class's leaves goes to the backlog, and so does what
-- may be archived already: flomastr.late looks there.
CREATE OR REPLACE FUNCTION app.record_executions(deliveries jsonb)
RETURNS SETOF app.merged_delivery
LANGUAGE plpgsql
AS $$
DECLARE
  n8n_ids text[] := ARRAY(
    SELECT DISTINCT d ->> 'n8n_execution_id' FROM jsonb_array_elements(deliveries) AS d WHERE d ->> 'n8n_execution_id' <> ''
  );
  archived uuid := (
    SELECT f.last_id FROM app.archive_files AS f
    WHERE f.tenant_id = app.tenant() AND f.source = 'workflow_executions' AND f.state = 'stored'
    ORDER BY f.last_id DESC LIMIT 1
  );
  results app.merged_delivery[];
BEGIN
  -- two transactions that record one execution take turns, else both would find nothing
  PERFORM pg_advisory_xact_lock(turn)
  FROM (SELECT DISTINCT app.turn(n8n_id) AS turn FROM unnest(n8n_ids) AS n8n_id ORDER BY 1) AS turns;

  results := ARRAY(SELECT m FROM app.merge_deliveries(deliveries, n8n_ids) AS m);

  INSERT INTO app.workflow_executions (
    ttl_class, id, workflow_id, n8n_execution_id, status, started_at, finished_at, execution_data, error_message
  )
  SELECT
    CASE WHEN (r.execution).id <= archived THEN 0 ELSE app.class_for((r.execution).id, (r.execution).ttl_class) END,
    (r.execution).id, (r.execution).workflow_id, (r.execution).n8n_execution_id, (r.execution).status,
    (r.execution).started_at, (r.execution).finished_at, (r.execution).execution_data, (r.execution).error_message
  FROM unnest(results) AS r
  WHERE r.outcome = 'created';

  -- asked first, since an UPDATE that finds nothing still opens every partition
  IF EXISTS (SELECT FROM unnest(results) AS r WHERE r.outcome = 'updated' AND r.known) THEN
    UPDATE app.workflow_executions AS e
    SET status = (r.execution).status, started_at = (r.execution).started_at,
      finished_at = (r.execution).finished_at, execution_data = (r.execution).execution_data,
      error_message = (r.execution).error_message
    FROM unnest(results) AS r
    WHERE r.outcome = 'updated' AND r.known AND (r.execution).tenant_id IS NOT NULL
      AND e.ttl_class = (r.execution).ttl_class AND e.id = (r.execution).id;
  END IF;

  RETURN QUERY SELECT * FROM unnest(results);
END
$$;
