-- Rollups of executions: counts and durations by quarter hour, hour and day, which outlive the executions. Writers of
-- executions leave signed deltas; a job folds them into the rollups.

-- Production is what n8n runs by itself. A retry that succeeds makes the run that it repeats a recovered one.
CREATE FUNCTION app.mode_class(mode text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE mode
  WHEN 'manual' THEN 'manual' WHEN 'chat' THEN 'manual' WHEN 'internal' THEN 'manual'
  WHEN 'integrated' THEN 'sub-workflow' WHEN 'error' THEN 'error' WHEN 'retry' THEN 'retry'
  ELSE 'production'
END;

-- A change of what counts: `runs` more or fewer of these. Has no foreign key, since it is written with each execution.
CREATE TABLE app.execution_deltas (
  tenant_id uuid NOT NULL,
  workflow_id uuid NOT NULL,
  quarter timestamptz NOT NULL,  -- the quarter hour of started_at
  status text NOT NULL,
  mode_class text NOT NULL,
  microseconds bigint,  -- from start to end, waiting included; of final ones
  n8n_execution_id text,  -- of error and crashed
  retried text,  -- the n8n_execution_id of a failure whose retry has succeeded
  runs integer NOT NULL
);
CREATE INDEX execution_deltas_tenant_id ON app.execution_deltas USING brin (tenant_id);  -- costs writers nothing
CALL app.isolate('app.execution_deltas');
REVOKE ALL ON app.execution_deltas FROM flo_app;
CREATE POLICY access ON app.execution_deltas TO flo_owner USING (true) WITH CHECK (true);  -- the trigger writes
CALL app.open_to_jobs('app.execution_deltas', 'SELECT, INSERT, DELETE');

-- What an execution counts as.
CREATE FUNCTION app.execution_delta(e app.workflow_executions, runs integer)
RETURNS app.execution_deltas
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN ROW(
  (e).tenant_id, (e).workflow_id, date_bin('15 minutes', (e).started_at, 'epoch'::timestamptz), (e).status,
  app.mode_class((e).mode),
  CASE WHEN (e).status IN ('crashed', 'canceled', 'error', 'success') AND (e).finished_at IS NOT NULL
    THEN (extract(EPOCH FROM greatest((e).finished_at - (e).started_at, '0')) * 1000000)::bigint END,
  CASE WHEN (e).status IN ('error', 'crashed') THEN (e).n8n_execution_id END,
  CASE
    WHEN (e).status = 'success' AND (e).mode = 'retry' THEN (e).execution_data ->> 'retryOf'
    WHEN (e).status IN ('error', 'crashed') AND (e).execution_data ->> 'retrySuccessId' IS NOT NULL
      THEN (e).n8n_execution_id
  END,
  runs
)::app.execution_deltas;

-- Archived versions that do not count, since a hot row has their id: one that was delivered late, or a copy that was
-- changed. Each with what it counts for if the hot row is deleted.
CREATE TABLE app.superseded_versions (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL,
  delta app.execution_deltas NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CALL app.isolate('app.superseded_versions');
REVOKE ALL ON app.superseded_versions FROM flo_app;
CREATE POLICY access ON app.superseded_versions TO flo_owner USING (true) WITH CHECK (true);
CALL app.open_to_jobs('app.superseded_versions', 'SELECT, INSERT, DELETE');
CREATE POLICY access ON app.rehydrated_rows FOR SELECT TO flo_owner USING (true);  -- copies are no further executions

-- Writes the deltas of a statement. A copy of an archived execution counts as that one, until it is changed. What only
-- changes its tier (app.archiving) or its partition counts as before.
CREATE FUNCTION app.note_execution_deltas()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO app.execution_deltas
    SELECT (d).* FROM (
      SELECT app.execution_delta(w, 1) AS d FROM written AS w
      WHERE w.retention_class <> 0 OR NOT EXISTS (
        SELECT FROM app.rehydrated_rows AS r WHERE r.tenant_id = w.tenant_id AND r.id = w.id
      )
      OFFSET 0
    ) AS counted;
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO app.superseded_versions (tenant_id, id, delta)
    SELECT s.tenant_id, s.id, app.execution_delta(s, 1) FROM stored AS s
    WHERE s.retention_class = 0 AND EXISTS (
      SELECT FROM app.rehydrated_rows AS r WHERE r.tenant_id = s.tenant_id AND r.id = s.id
    )
    ON CONFLICT DO NOTHING;
    INSERT INTO app.execution_deltas
    SELECT
      (d).tenant_id, (d).workflow_id, (d).quarter, (d).status, (d).mode_class, (d).microseconds, (d).n8n_execution_id,
      (d).retried, sum((d).runs)
    FROM (
      SELECT app.execution_delta(w, 1) AS d FROM written AS w
      UNION ALL
      SELECT app.execution_delta(s, -1) FROM stored AS s
      OFFSET 0
    ) AS counted
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
    HAVING sum((d).runs) <> 0;
  ELSE
    IF current_setting('app.archiving', true) IS DISTINCT FROM 'on' THEN
      INSERT INTO app.execution_deltas
      SELECT (d).* FROM (
        SELECT app.execution_delta(s, -1) AS d FROM stored AS s
        WHERE s.retention_class <> 0
          OR NOT EXISTS (SELECT FROM app.rehydrated_rows AS r WHERE r.tenant_id = s.tenant_id AND r.id = s.id)
          OR EXISTS (SELECT FROM app.superseded_versions AS v WHERE v.tenant_id = s.tenant_id AND v.id = s.id)
        OFFSET 0
      ) AS counted
      UNION ALL
      SELECT (v.delta).* FROM stored AS s
      JOIN app.superseded_versions AS v ON v.tenant_id = s.tenant_id AND v.id = s.id;
    END IF;
    DELETE FROM app.superseded_versions AS v USING stored AS s
    WHERE s.retention_class = 0 AND v.tenant_id = s.tenant_id AND v.id = s.id;
  END IF;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION app.note_execution_deltas FROM PUBLIC;
CREATE TRIGGER note_inserted AFTER INSERT ON app.workflow_executions
REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.note_execution_deltas();
CREATE TRIGGER note_updated AFTER UPDATE ON app.workflow_executions
REFERENCING OLD TABLE AS stored NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.note_execution_deltas();
CREATE TRIGGER note_deleted AFTER DELETE ON app.workflow_executions
REFERENCING OLD TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION app.note_execution_deltas();

-- By quarter hour of all workflows, by hour of each workflow, and by day of both. Hours and days are the tenant's.
CREATE TABLE app.execution_rollups (
  tenant_id uuid NOT NULL REFERENCES app.tenants ON DELETE CASCADE,
  grain text NOT NULL CHECK (grain IN ('quarter', 'hour', 'day')),
  workflow_id uuid NOT NULL,  -- that of zeros: all workflows; outlives them, so no foreign key
  bucket_start timestamptz NOT NULL,
  status text NOT NULL,
  mode_class text NOT NULL,
  runs integer NOT NULL,
  recovered integer NOT NULL,  -- of failures: whose retry has succeeded
  timed integer NOT NULL,  -- which have a duration
  microseconds bigint NOT NULL,  -- of these in all
  min_microseconds bigint,  -- NULL also when the shortest run was taken back; then the histogram tells it within 2 %
  max_microseconds bigint,
  -- the histogram: n runs whose duration is at most (1.02 / 0.98) ^ key microseconds, and more than that of key - 1
  duration_keys smallint[] NOT NULL,
  duration_counts integer[] NOT NULL,
  PRIMARY KEY (tenant_id, grain, workflow_id, bucket_start, status, mode_class)
);
CREATE INDEX execution_rollups_empty ON app.execution_rollups (tenant_id) WHERE runs = 0;
CALL app.isolate('app.execution_rollups');
REVOKE INSERT, UPDATE, DELETE ON app.execution_rollups FROM flo_app;
CALL app.open_to_jobs('app.execution_rollups', 'SELECT, INSERT, UPDATE, DELETE');

-- Failures and the retries that succeeded come in any order: both are kept until they meet.
CREATE TABLE app.failed_runs (
  tenant_id uuid NOT NULL REFERENCES app.tenants ON DELETE CASCADE,
  n8n_execution_id text NOT NULL,
  workflow_id uuid NOT NULL,
  quarter timestamptz NOT NULL,
  status text NOT NULL,
  mode_class text NOT NULL,
  runs integer NOT NULL,
  PRIMARY KEY (tenant_id, n8n_execution_id, workflow_id, quarter, status, mode_class)
);
CALL app.isolate('app.failed_runs');
REVOKE ALL ON app.failed_runs FROM flo_app;
CALL app.open_to_jobs('app.failed_runs', 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE app.retried_runs (
  tenant_id uuid NOT NULL REFERENCES app.tenants ON DELETE CASCADE,
  n8n_execution_id text NOT NULL,  -- of the failure
  retries integer NOT NULL,  -- that succeeded
  PRIMARY KEY (tenant_id, n8n_execution_id)
);
CALL app.isolate('app.retried_runs');
REVOKE ALL ON app.retried_runs FROM flo_app;
CALL app.open_to_jobs('app.retried_runs', 'SELECT, INSERT, UPDATE, DELETE');

-- How the rollups of a tenant are cut. No row: by UTC.
CREATE TABLE app.rollup_settings (
  tenant_id uuid PRIMARY KEY DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  time_zone text NOT NULL DEFAULT 'UTC',  -- the tenant's policy
  built_in text NOT NULL DEFAULT 'UTC',  -- in which they are cut until they are rebuilt
  rebuild_asked_at timestamptz,  -- NULL: they need no rebuilding
  kept_before timestamptz  -- what started earlier was archived and has expired: it cannot be counted again
);
CALL app.isolate('app.rollup_settings');
REVOKE INSERT, UPDATE, DELETE ON app.rollup_settings FROM flo_app;
GRANT INSERT (tenant_id, time_zone, rebuild_asked_at), UPDATE (time_zone, rebuild_asked_at)
ON app.rollup_settings TO flo_app;
CREATE POLICY access ON app.rollup_settings TO flo_owner USING (true) WITH CHECK (true);
CALL app.open_to_jobs('app.rollup_settings', 'SELECT, INSERT, UPDATE, DELETE');

INSERT INTO app.rollup_settings (tenant_id, rebuild_asked_at) SELECT id, now() FROM app.tenants;  -- of what is there

-- Until when all that was committed is in the rollups.
CREATE TABLE app.rollup_progress (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  folded_at timestamptz NOT NULL,
  reconciled_at timestamptz  -- when rollups were compared with executions
);
INSERT INTO app.rollup_progress (folded_at) VALUES (now());
GRANT SELECT ON app.rollup_progress TO flo_app;
CALL app.open_to_jobs('app.rollup_progress', 'SELECT, UPDATE');
CREATE POLICY progress ON app.rollup_progress FOR SELECT TO flo_app USING (true);
