-- Which rows are due for the archive, and their deletion once their file is verified.

-- The id of the oldest of the newest so many executions of a workflow; the lowest id, if it has fewer. One class after
-- the other, by a plan that leaves the partitions of the others out.
CREATE OR REPLACE FUNCTION app.first_of_newest(tenant uuid, workflow uuid, most integer)
RETURNS uuid
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  class smallint;
  ids uuid[] := '{}';
BEGIN
  FOR class IN
    SELECT 0
    UNION SELECT h.class FROM app.hot_policies AS h WHERE h.tenant_id = tenant
    UNION SELECT c.retention_class FROM app.retention_class_changes AS c WHERE c.tenant_id = tenant
  LOOP
    ids := ids || ARRAY(
      SELECT e.id FROM app.workflow_executions AS e
      WHERE e.retention_class = class AND e.tenant_id = tenant AND e.workflow_id = workflow
      ORDER BY e.id DESC LIMIT most
    );
  END LOOP;
  RETURN coalesce(
    (SELECT n.id FROM unnest(ids) AS n (id) ORDER BY n.id DESC OFFSET most - 1 LIMIT 1),
    '00000000-0000-0000-0000-000000000000'
  );
END
$$;

-- For how many days a final execution stays hot.
CREATE OR REPLACE FUNCTION app.hot_days(policy app.hot_policies, status text, is_newest boolean)
RETURNS smallint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE WHEN is_newest THEN policy.class_of_newest WHEN status = 'success' THEN policy.class
  ELSE policy.class_of_others END;

-- The executions that a run at this moment archives: final, not held, no copies, and past the days that their tenant
-- keeps them hot. What is kept for no longer than the class of its partition goes with that. The days of all else count
-- from the last delivery.
CREATE OR REPLACE FUNCTION app.due_executions(moment timestamptz)
RETURNS TABLE (tenant_id uuid, retention_class smallint, id uuid, bytes bigint)
LANGUAGE sql
STABLE
AS $$
  SELECT e.tenant_id, e.retention_class, e.id, app.execution_bytes(e)
  FROM (
    SELECT
      h AS policy, h.tenant_id AS id, h.class, app.uuid7_floor(moment - make_interval(days => h.class)) AS floor,
      app.partitions_end_before(h.class, moment) AS partitions_before
    FROM app.hot_policies AS h
    OFFSET 0  -- once a tenant, not once a row
  ) AS t
  JOIN app.workflow_executions AS e ON e.tenant_id = t.id AND e.id < t.floor
  LEFT JOIN (
    SELECT w.tenant_id, w.id, app.first_of_newest(w.tenant_id, w.id, h.newest) AS first_id
    FROM app.hot_policies AS h
    JOIN app.workflows AS w ON w.tenant_id = h.tenant_id
    WHERE h.newest > 0
    OFFSET 0
  ) AS n ON n.tenant_id = e.tenant_id AND n.id = e.workflow_id
  CROSS JOIN LATERAL (SELECT app.hot_days(t.policy, e.status, e.id >= n.first_id) AS days) AS kept
  WHERE app.is_final(e.status)
    AND CASE WHEN e.retention_class = t.class THEN e.id < t.partitions_before AND (
        kept.days = t.class OR greatest(e.created_at, e.finished_at) < moment - make_interval(days => kept.days)
      ) ELSE greatest(e.created_at, e.finished_at) < moment - make_interval(days => kept.days) OR (
        e.retention_class >= kept.days AND e.id < app.partitions_end_before(e.retention_class, moment)
      ) END
    AND NOT EXISTS (SELECT FROM app.holds_on(e.tenant_id, e.workflow_id, e.id))
    AND NOT EXISTS (SELECT FROM app.rehydrated_rows AS r WHERE r.tenant_id = e.tenant_id AND r.id = e.id)
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
