-- Builds the rollups of a tenant anew, and compares them with its executions.

-- Removes what is to be counted again, and counts the hot executions: as deltas, to which those of the archive are
-- added.
CREATE OR REPLACE FUNCTION app.begin_rebuild(tenant uuid)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  kept timestamptz := coalesce(
    (SELECT s.kept_before FROM app.rollup_settings AS s WHERE s.tenant_id = tenant), '-infinity'
  );
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('app.fold_deltas', 0));
  UPDATE app.rollup_settings AS s SET built_in = s.time_zone, rebuild_asked_at = NULL WHERE s.tenant_id = tenant;
  DELETE FROM app.execution_deltas AS d WHERE d.tenant_id = tenant;
  DELETE FROM app.execution_rollups AS r WHERE r.tenant_id = tenant AND r.bucket_start >= kept;
  DELETE FROM app.failed_runs AS f WHERE f.tenant_id = tenant;
  DELETE FROM app.retried_runs AS r WHERE r.tenant_id = tenant;
  INSERT INTO app.execution_deltas
  SELECT (d).* FROM (SELECT app.execution_delta(e, 1) AS d FROM app.counted_executions(tenant) AS e OFFSET 0) AS counted
  WHERE (d).quarter >= kept;
END
$$;

-- The hot executions that count: copies only once they were changed.
CREATE OR REPLACE FUNCTION app.counted_executions(tenant uuid)
RETURNS SETOF app.workflow_executions
LANGUAGE sql
STABLE
AS $$
  SELECT e.* FROM app.workflow_executions AS e
  WHERE e.tenant_id = tenant AND (
    NOT EXISTS (SELECT FROM app.rehydrated_rows AS r WHERE r.tenant_id = e.tenant_id AND r.id = e.id)
    OR EXISTS (SELECT FROM app.superseded_versions AS v WHERE v.tenant_id = e.tenant_id AND v.id = e.id)
  )
$$;

CREATE OR REPLACE FUNCTION app.add_archived_deltas(tenant uuid, archived jsonb)
RETURNS void
LANGUAGE sql
AS $$
  INSERT INTO app.execution_deltas (
    tenant_id, workflow_id, quarter, status, mode_class, microseconds, n8n_execution_id, retried, runs
  )
  SELECT
    tenant, a.workflow_id, to_timestamp(a.quarter), a.status, app.mode_class(a.mode), a.microseconds, a.failed,
    a.retried, a.runs
  FROM jsonb_to_recordset(archived) AS a (
    workflow_id uuid, quarter bigint, status text, mode text, microseconds bigint, failed text, retried text,
    runs integer
  )
  WHERE to_timestamp(a.quarter) >= coalesce(
    (SELECT s.kept_before FROM app.rollup_settings AS s WHERE s.tenant_id = tenant), '-infinity'
  )
$$;

-- How many quarter hours of the last six days differ between the rollups, with the deltas that are still to be folded,
-- and the executions, which are all hot for a week. One statement, so it sees one state of them.
CREATE OR REPLACE FUNCTION app.count_differing_rollups(tenant uuid)
RETURNS bigint
LANGUAGE sql
STABLE
AS $$
  SELECT count(*) FROM (
    SELECT c.quarter
    FROM (
      SELECT r.bucket_start AS quarter, r.status, r.mode_class, r.runs, r.timed, r.microseconds
      FROM app.execution_rollups AS r
      WHERE r.tenant_id = tenant AND r.grain = 'quarter' AND r.workflow_id = '00000000-0000-0000-0000-000000000000'
        AND r.bucket_start >= date_bin('15 minutes', now() - interval '6 days', 'epoch')
      UNION ALL
      SELECT
        d.quarter, d.status, d.mode_class, d.runs, CASE WHEN d.microseconds IS NOT NULL THEN d.runs ELSE 0 END,
        coalesce(d.microseconds, 0) * d.runs
      FROM (
        SELECT * FROM app.execution_deltas AS d WHERE d.tenant_id = tenant
        UNION ALL
        SELECT (d).* FROM (
          SELECT app.execution_delta(e, -1) AS d FROM app.counted_executions(tenant) AS e
          WHERE e.id >= app.uuid7_floor(date_bin('15 minutes', now() - interval '6 days', 'epoch')) OFFSET 0
        ) AS counted
      ) AS d
      WHERE d.quarter >= date_bin('15 minutes', now() - interval '6 days', 'epoch')
    ) AS c
    GROUP BY c.quarter, c.status, c.mode_class
    HAVING (sum(c.runs), sum(c.timed), sum(c.microseconds)) <> (0, 0, 0)
  ) AS differing
$$;
