-- Executions, by retention class and then by the time in their ids: whole leaves are dropped, rows are not deleted.

-- A tenant's hot_ttl_days rounds up to the class that its executions are kept in.
CREATE FUNCTION app.ttl_class(hot_ttl_days integer)
RETURNS smallint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN (SELECT min(class) FROM unnest('{7,14,30,60,90,365}'::smallint[]) AS class WHERE class >= hot_ttl_days);

-- n8n's states in their order: a delivery never moves an execution back. The last four are final.
CREATE FUNCTION app.execution_rank(status text)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN array_position('{new,running,waiting,unknown,crashed,canceled,error,success}'::text[], status);

CREATE FUNCTION app.is_final(status text)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN status IN ('crashed', 'canceled', 'error', 'success');

CREATE FUNCTION app.execution_mode(execution_data jsonb)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN left(execution_data ->> 'mode', 255);

CREATE TABLE app.workflow_executions (
  ttl_class smallint NOT NULL,  -- partition key: the class of its tenant
  id uuid NOT NULL,             -- partition key: UUIDv7 of started_at as it was first told
  tenant_id uuid NOT NULL DEFAULT app.tenant(),
  workflow_id uuid NOT NULL,
  n8n_execution_id text CHECK (length(n8n_execution_id) BETWEEN 1 AND 255),
  status text NOT NULL DEFAULT 'running' CHECK (app.execution_rank(status) IS NOT NULL),
  started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  execution_data jsonb,
  error_message text,
  created_at timestamptz NOT NULL DEFAULT now(),
  -- n8n's mode, so that counting by it does not fetch every execution_data from TOAST
  mode text GENERATED ALWAYS AS (app.execution_mode(execution_data)) STORED,
  PRIMARY KEY (ttl_class, id),
  -- reaches the tenant through the workflow, whose tenant is the same one
  FOREIGN KEY (tenant_id, workflow_id) REFERENCES app.workflows (tenant_id, id) ON DELETE CASCADE
) PARTITION BY LIST (ttl_class);

CREATE INDEX workflow_executions_newest ON app.workflow_executions (tenant_id, id DESC);
CREATE INDEX workflow_executions_of_workflow ON app.workflow_executions (tenant_id, workflow_id, id DESC);
CREATE INDEX workflow_executions_by_status ON app.workflow_executions (tenant_id, status, id DESC);
CALL app.isolate('app.workflow_executions');

-- Makes one leaf and attaches it, which does not block readers or writers as CREATE ... PARTITION OF would.
-- No grant on leaves and no policy: they are reached through their parent or not at all.
CREATE PROCEDURE app.add_leaf(class_table text, leaf text, lower_bound text, upper_bound text)
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
-- Days for the short classes, weeks to 90 days, 30 days above; what is older goes to the class's backlog leaf.
CREATE FUNCTION app.keep_leaves_ready(moment timestamptz DEFAULT now())
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
  FOR class IN SELECT * FROM (VALUES (7, 1), (14, 1), (30, 7), (60, 7), (90, 7), (365, 30)) AS c (days, step) LOOP
    class_table := format('workflow_executions_c%s', class.days);
    day := (today - class.days) / class.step * class.step;
    IF to_regclass('app.' || class_table) IS NULL THEN
      EXECUTE format('CREATE TABLE app.%I PARTITION OF app.workflow_executions FOR VALUES IN (%s) PARTITION BY RANGE (id)',
        class_table, class.days);
      EXECUTE format('ALTER TABLE app.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', class_table);
      CALL app.add_leaf(class_table, class_table || '_backlog', 'MINVALUE',
        quote_literal(app.uuid7_floor(to_timestamp(day * 86400))));
      made := made + 1;
    ELSE  -- from where the leaves end, if that is earlier: days on which this did not run leave no gap
      day := least(day, (
        SELECT max(right(c.relname, 8))::date - date '1970-01-01' + class.step
        FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid
        WHERE inhparent = to_regclass('app.' || class_table) AND c.relname NOT LIKE '%backlog'
      ));
    END IF;
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
GRANT EXECUTE ON FUNCTION app.keep_leaves_ready TO flo_app;
SELECT app.keep_leaves_ready();

CREATE FUNCTION app.require_not_reopened(old_status text, new_status text)
RETURNS boolean
LANGUAGE plpgsql
IMMUTABLE
AS $$
BEGIN
  IF app.is_final(old_status) AND NOT app.is_final(new_status) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'execution_is_final',
      message = format('body.status: the execution has ended with %s and does not go back to %s.', old_status, new_status);
  END IF;
  RETURN true;
END
$$;

-- The newest executions before an id: of the last two days first, and further back only while rows are missing, since
-- planning over every leaf costs more than reading a page.
CREATE FUNCTION app.newest_executions(of_workflow uuid, with_status text, before uuid, wanted integer)
RETURNS SETOF app.workflow_executions
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_custom_plan  -- only a plan for these very bounds leaves leaves out
AS $$
DECLARE
  top uuid := coalesce(before, app.uuid7_floor(now() + interval '2 days'));  -- no execution starts further ahead
  latest timestamptz := least(now(), app.uuid7_moment(top));
  bottom uuid;
  days integer;
  found integer;
BEGIN
  FOREACH days IN ARRAY '{2,30,100000}'::integer[] LOOP
    bottom := app.uuid7_floor(greatest(latest - make_interval(days => days), to_timestamp(0)));
    RETURN QUERY
    SELECT e.*
    FROM app.workflow_executions AS e
    WHERE e.id >= bottom AND e.id < top
      AND (of_workflow IS NULL OR e.workflow_id = of_workflow)
      AND (with_status IS NULL OR e.status = with_status)
    ORDER BY e.id DESC
    LIMIT wanted;
    GET DIAGNOSTICS found = ROW_COUNT;
    wanted := wanted - found;
    EXIT WHEN wanted = 0;
    top := bottom;
  END LOOP;
END
$$;
