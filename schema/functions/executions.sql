-- Reads executions, and the locks that their writers take.

CREATE OR REPLACE FUNCTION app.is_final(status text)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN status IN ('crashed', 'canceled', 'error', 'success');

CREATE OR REPLACE FUNCTION app.require_not_reopened(old_status text, new_status text)
RETURNS boolean
LANGUAGE plpgsql
IMMUTABLE
AS $$
BEGIN
  IF app.is_final(old_status) AND NOT app.is_final(new_status) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'execution_is_final',
      message = format(
        'body.status: the execution has ended with %s and does not go back to %s.', old_status, new_status
      );
  END IF;
  RETURN true;
END
$$;

-- Whether delivered data takes the place of what is stored: it is longer, written out. What is stored is only fetched
-- where its size leaves that open: jsonb takes at most 4 bytes for a character that it is written out as, and 8 more.
CREATE OR REPLACE FUNCTION app.replaces(delivered jsonb, stored jsonb)
RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN delivered IS NOT NULL AND CASE
  WHEN stored IS NULL THEN true
  WHEN pg_column_size(stored) > 8 * (app.data_length(delivered) + 8) THEN false
  ELSE (app.data_length(delivered), delivered::text COLLATE "C") > (app.data_length(stored), stored::text COLLATE "C")
END;

-- An execution of these values. By name, since ROW(...) cannot be cast to a table that has a column more: a migration
-- may have added one, and this function may not know of it yet.
CREATE OR REPLACE FUNCTION app.execution_row(
  retention_class smallint, id uuid, tenant_id uuid DEFAULT NULL, workflow_id uuid DEFAULT NULL,
  n8n_execution_id text DEFAULT NULL, status text DEFAULT NULL, started_at timestamptz DEFAULT NULL,
  finished_at timestamptz DEFAULT NULL, execution_data jsonb DEFAULT NULL, error_message text DEFAULT NULL,
  created_at timestamptz DEFAULT NULL, mode text DEFAULT NULL
)
RETURNS app.workflow_executions
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
DECLARE
  made app.workflow_executions;
BEGIN
  made.retention_class := retention_class;
  made.id := id;
  made.tenant_id := tenant_id;
  made.workflow_id := workflow_id;
  made.n8n_execution_id := n8n_execution_id;
  made.status := status;
  made.started_at := started_at;
  made.finished_at := finished_at;
  made.execution_data := execution_data;
  made.error_message := error_message;
  made.created_at := created_at;
  made.mode := mode;
  RETURN made;
END
$$;

-- The execution of the current tenant with this id, or none. With a generic plan, which a session makes once: to plan
-- over the partitions takes ten times as long as to read the row in one of them.
CREATE OR REPLACE FUNCTION app.execution_of(wanted uuid)
RETURNS SETOF app.workflow_executions
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
  RETURN QUERY SELECT e.* FROM app.workflow_executions AS e WHERE e.id = wanted;
END
$$;

-- The newest executions before an id: of the last two days first, and further back only while rows are missing, since
-- planning over every partition costs more than reading a page. A tenant's rows lie in its class, in those that it has
-- left until a job has moved them, and in the overflow partition.
CREATE OR REPLACE FUNCTION app.newest_executions_of(
  of_workflow uuid, of_workflows uuid[], with_status text, before uuid, wanted integer
)
RETURNS SETOF app.workflow_executions
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_custom_plan  -- only a plan for these very bounds leaves partitions out
AS $$
DECLARE
  top uuid := coalesce(before, app.uuid7_floor(now() + interval '2 days'));  -- no execution starts further ahead
  latest timestamptz := least(now(), app.uuid7_moment(top));
  classes smallint[] := ARRAY(
    SELECT 0::smallint
    UNION SELECT h.class FROM app.hot_policies AS h WHERE h.tenant_id = app.tenant()
    UNION SELECT c.retention_class FROM app.retention_class_changes AS c WHERE c.tenant_id = app.tenant()
  );
  bottom uuid;
  days integer;
  found integer;
BEGIN
  FOREACH days IN ARRAY '{2,30,100000}'::integer[] LOOP
    bottom := app.uuid7_floor(greatest(latest - make_interval(days => days), to_timestamp(0)));
    RETURN QUERY
    SELECT e.*
    FROM app.workflow_executions AS e
    WHERE e.retention_class = ANY (classes) AND e.id >= bottom AND e.id < top
      AND (of_workflow IS NULL OR e.workflow_id = of_workflow)
      AND (of_workflows IS NULL OR e.workflow_id = ANY (of_workflows))
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

-- As the code before called it.
CREATE OR REPLACE FUNCTION app.newest_executions(of_workflow uuid, with_status text, before uuid, wanted integer)
RETURNS SETOF app.workflow_executions
LANGUAGE sql
STABLE
BEGIN ATOMIC
  SELECT e FROM app.newest_executions_of(of_workflow, NULL, with_status, before, wanted) AS e;
END;

-- The advisory lock of an execution in its tenant: one of 63 (a hash has a sign), always taken in their order, which
-- keeps the lock table small. No table of n8n ids is needed, so dropping a partition leaves nothing behind.
CREATE OR REPLACE FUNCTION app.lock_of(n8n_execution_id text)
RETURNS bigint
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN hashtextextended(app.tenant()::text, mod(hashtext(n8n_execution_id), 32));

-- Takes the locks of executions of the current tenant: their deliveries wait until the transaction ends.
CREATE OR REPLACE FUNCTION app.lock_n8n_ids(n8n_ids text[])
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(locks.key)
  FROM (SELECT DISTINCT app.lock_of(n8n_id) AS key FROM unnest(n8n_ids) AS n8n_id ORDER BY 1) AS locks;
END
$$;

-- For a statement that changes one row: without the lock, a delivery that has read the row before would undo the
-- change.
CREATE OR REPLACE FUNCTION app.await_lock(n8n_execution_id text)
RETURNS boolean
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(app.lock_of(n8n_execution_id));
  RETURN true;
END
$$;

-- Makes the deliveries of these executions of the current tenant wait until the transaction ends.
CREATE OR REPLACE FUNCTION app.lock_executions(ids uuid[], class smallint)
RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
  PERFORM app.lock_n8n_ids(ARRAY(
    SELECT e.n8n_execution_id FROM app.workflow_executions AS e
    WHERE e.retention_class = class AND e.id = ANY (ids) AND e.id BETWEEN ids[1] AND ids[cardinality(ids)]
      AND e.n8n_execution_id IS NOT NULL
  ));
END
$$;
