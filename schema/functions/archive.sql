-- Which rows are due for the archive, and their deletion once their file is verified.

-- The ids of the oldest of the newest so many executions of workflows of a tenant; the lowest id, if one has fewer. One
-- class after the other, so that the partitions of other classes are left out.
CREATE OR REPLACE FUNCTION app.first_ids(tenant uuid, workflows uuid[], most integer)
RETURNS TABLE (workflow_id uuid, first_id uuid)
LANGUAGE sql
STABLE
AS $$
  WITH classes AS MATERIALIZED (
    SELECT 0::smallint AS class
    UNION SELECT h.class FROM app.hot_policies AS h WHERE h.tenant_id = tenant
    UNION SELECT c.retention_class FROM app.retention_class_changes AS c WHERE c.tenant_id = tenant
  )
  SELECT w.id, coalesce(n.ids[most], '00000000-0000-0000-0000-000000000000')
  FROM unnest(workflows) AS w (id)
  CROSS JOIN LATERAL (
    SELECT ARRAY(
      SELECT newest.id FROM classes AS c
      CROSS JOIN LATERAL (
        SELECT e.id FROM app.workflow_executions AS e
        WHERE e.retention_class = c.class AND e.tenant_id = tenant AND e.workflow_id = w.id
        ORDER BY e.id DESC LIMIT most
      ) AS newest
      ORDER BY newest.id DESC LIMIT most
    ) AS ids
  ) AS n
$$;

-- That of one workflow, for code of the release before.
CREATE OR REPLACE FUNCTION app.first_of_newest(tenant uuid, workflow uuid, most integer)
RETURNS uuid
LANGUAGE sql
STABLE
AS $$ SELECT f.first_id FROM app.first_ids(tenant, ARRAY[workflow], most) AS f $$;

-- For how many days a final execution stays hot.
CREATE OR REPLACE FUNCTION app.hot_days(policy app.hot_policies, status text, is_newest boolean)
RETURNS smallint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE WHEN is_newest THEN policy.class_of_newest WHEN status = 'success' THEN policy.class
  ELSE policy.class_of_others END;

-- Whether an execution is past so many days. What is kept for no longer than the class of its partition goes with that.
-- The days of all else count from the last delivery.
CREATE OR REPLACE FUNCTION app.is_past(
  e app.workflow_executions, class smallint, days smallint, partitions_before uuid, moment timestamptz
)
RETURNS boolean
LANGUAGE sql
STABLE
AS $$
  SELECT CASE WHEN e.retention_class = class THEN e.id < partitions_before AND (
      days = class OR greatest(e.created_at, e.finished_at) < moment - make_interval(days => days)
    ) ELSE greatest(e.created_at, e.finished_at) < moment - make_interval(days => days) OR (
      e.retention_class >= days AND e.id < app.partitions_end_before(e.retention_class, moment)
    ) END
$$;

-- The executions that a run at this moment archives unless they are among the newest so many of their workflow
-- (`newest` is NULL: also then): final, not held, no copies, and past the days that their tenant keeps them hot.
CREATE OR REPLACE FUNCTION app.due_candidates(moment timestamptz)
RETURNS TABLE (tenant_id uuid, retention_class smallint, id uuid, workflow_id uuid, newest integer, bytes bigint)
LANGUAGE sql
STABLE
AS $$
  SELECT
    e.tenant_id, e.retention_class, e.id, e.workflow_id,
    CASE WHEN NOT app.is_past(e, t.class, t.class_of_newest, t.partitions_before, moment) THEN nullif(t.newest, 0) END,
    app.execution_bytes(e)
  FROM (
    SELECT
      h AS policy, h.tenant_id AS id, h.class, h.class_of_newest, h.newest,
      app.uuid7_floor(moment - make_interval(days => h.class)) AS floor,
      app.partitions_end_before(h.class, moment) AS partitions_before
    FROM app.hot_policies AS h
    OFFSET 0  -- once a tenant, not once a row
  ) AS t
  JOIN app.workflow_executions AS e ON e.tenant_id = t.id AND e.id < t.floor
  WHERE app.is_final(e.status)
    AND app.is_past(e, t.class, app.hot_days(t.policy, e.status, false), t.partitions_before, moment)
    AND NOT EXISTS (SELECT FROM app.holds_on(e.tenant_id, e.workflow_id, e.id))
    AND NOT EXISTS (SELECT FROM app.rehydrated_rows AS r WHERE r.tenant_id = e.tenant_id AND r.id = e.id)
$$;

-- The executions that a run at this moment archives. Only of workflows of candidates the newest are looked for.
CREATE OR REPLACE FUNCTION app.due_executions(moment timestamptz)
RETURNS TABLE (tenant_id uuid, retention_class smallint, id uuid, bytes bigint)
LANGUAGE sql
STABLE
AS $$
  WITH candidates AS MATERIALIZED (SELECT * FROM app.due_candidates(moment))
  SELECT c.tenant_id, c.retention_class, c.id, c.bytes
  FROM candidates AS c
  LEFT JOIN (
    SELECT w.tenant_id, n.workflow_id, n.first_id
    FROM (
      SELECT c.tenant_id, c.newest, array_agg(DISTINCT c.workflow_id) AS ids
      FROM candidates AS c WHERE c.newest IS NOT NULL GROUP BY 1, 2
    ) AS w
    CROSS JOIN LATERAL app.first_ids(w.tenant_id, w.ids, w.newest) AS n
  ) AS n ON n.tenant_id = c.tenant_id AND n.workflow_id = c.workflow_id
  WHERE c.newest IS NULL OR c.id < n.first_id
$$;

-- Sessions that nobody has opened or written to for longer than their tenant keeps things hot.
CREATE OR REPLACE FUNCTION app.due_sessions(moment timestamptz)
RETURNS TABLE (tenant_id uuid, id uuid, bytes bigint)
LANGUAGE sql
STABLE
AS $$
  SELECT
    s.tenant_id, s.id,
    96 + pg_column_size(s.user_id) + pg_column_size(s.session_key) + pg_column_size(s.messages)::bigint
  FROM app.tenants AS t
  JOIN app.webchat_sessions AS s ON s.tenant_id = t.id AND s.updated_at < moment - make_interval(days => t.hot_ttl_days)
  WHERE NOT EXISTS (SELECT FROM app.holds_on(s.tenant_id, s.workflow_id))
$$;

-- The history of rows of weeks that ended 30 days ago, which no recovery needs any more, and that no hold keeps.
CREATE OR REPLACE FUNCTION app.due_history(moment timestamptz)
RETURNS TABLE (tenant_id uuid, seq bigint, bytes bigint)
LANGUAGE sql
STABLE
AS $$
  SELECT h.tenant_id, h.seq, 100 + coalesce(pg_column_size(h.row_ids), 0) + coalesce(pg_column_size(h.old), 0)::bigint
  FROM app.row_history AS h
  WHERE h.recorded_at < date_trunc('week', moment - interval '30 days', 'UTC') AND NOT app.has_holds(h.tenant_id)
$$;

-- Deletes the rows of a verified file, if each is still as it was planned; else raises FL409.
CREATE OR REPLACE FUNCTION app.archive_rows(file uuid)
RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
  planned app.archive_files;
  deleted bigint;
BEGIN
  SELECT * INTO planned FROM app.archive_files AS f WHERE f.id = file;
  PERFORM set_config('app.tenant_id', planned.tenant_id::text, true), set_config('app.archiving', 'on', true);
  IF planned.source = 'webchat_sessions' THEN
    DELETE FROM app.webchat_sessions AS s USING app.leaving_rows AS r
    WHERE r.file_id = file AND s.id = r.id AND s.tenant_id = r.tenant_id AND app.session_checksum(s) = r.checksum;
  ELSIF planned.source = 'row_history' THEN
    PERFORM app.require_not_held(planned.tenant_id, wholly => true);
    DELETE FROM app.row_history AS h USING app.leaving_rows AS r
    WHERE r.file_id = file AND h.seq = app.change_seq(r.id) AND h.tenant_id = r.tenant_id
      AND app.change_checksum(h) = r.checksum;
  ELSE
    PERFORM app.lock_executions(
      ARRAY(SELECT r.id FROM app.leaving_rows AS r WHERE r.file_id = file ORDER BY r.id), 0::smallint
    );
    DELETE FROM app.workflow_executions AS e USING app.leaving_rows AS r
    WHERE r.file_id = file AND e.retention_class = 0 AND e.id = r.id AND e.tenant_id = r.tenant_id
      AND app.execution_checksum(e) = r.checksum;
  END IF;
  GET DIAGNOSTICS deleted = ROW_COUNT;
  PERFORM set_config('app.archiving', 'off', true);
  IF deleted <> planned.rows THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'rows_changed',
      message = 'Rows have changed since they were planned.';
  END IF;
  DELETE FROM app.leaving_rows AS r WHERE r.file_id = file;
  RETURN deleted;
END
$$;

-- Whether a row of a planned file is no longer as it was, so that the file could not come out as planned.
CREATE OR REPLACE FUNCTION app.has_changed(file uuid)
RETURNS boolean
LANGUAGE sql
STABLE
AS $$
  SELECT EXISTS (
    SELECT FROM app.leaving_rows AS r
    LEFT JOIN app.workflow_executions AS e ON e.retention_class = 0 AND e.id = r.id AND e.tenant_id = r.tenant_id
    LEFT JOIN app.webchat_sessions AS s ON s.id = r.id AND s.tenant_id = r.tenant_id
    LEFT JOIN app.row_history AS h ON h.seq = app.change_seq(r.id) AND h.tenant_id = r.tenant_id
    WHERE r.file_id = file AND r.checksum NOT IN (
      coalesce(app.execution_checksum(e), -1), coalesce(app.session_checksum(s), -1),
      coalesce(app.change_checksum(h), -1)
    )
  )
$$;
