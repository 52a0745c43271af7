-- Folds the deltas of executions into rollups.

-- In which zone the tenant's hours and days are cut.
CREATE OR REPLACE FUNCTION app.rollup_zone(tenant uuid)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN coalesce((SELECT s.built_in FROM app.rollup_settings AS s WHERE s.tenant_id = tenant), 'UTC');

-- Takes the next deltas and adds them to the rollups, all or nothing. Returns how many; fewer than `most` were all.
-- One at a time: what a rollup was is read here, and written anew.
CREATE OR REPLACE FUNCTION app.fold_deltas_of(tenant uuid, most integer)  -- NULL: of all
RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
  folded bigint;
  failures app.execution_deltas[];
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('app.fold_deltas', 0));
  SELECT m.folded, m.failures INTO folded, failures FROM app.move_to_rollups(tenant, most) AS m;
  PERFORM app.add_recovered(app.recovered_runs(failures));
  RETURN folded;
END
$$;

CREATE OR REPLACE FUNCTION app.fold_deltas(most integer)
RETURNS bigint
LANGUAGE sql
RETURN app.fold_deltas_of(NULL, most);

-- Adds failures and retries to those that are kept. Returns by how many runs each group of failures has more or fewer
-- that are recovered; n8n_execution_id is NULL in these. What is longer than an id repeats nothing.
CREATE OR REPLACE FUNCTION app.recovered_runs(deltas app.execution_deltas[])
RETURNS app.execution_deltas[]
LANGUAGE plpgsql
AS $$
DECLARE
  known app.retried_runs[] := ARRAY(
    SELECT DISTINCT ROW(d.tenant_id, d.id, 0)::app.retried_runs
    FROM (
      SELECT tenant_id, n8n_execution_id AS id FROM unnest(deltas) WHERE n8n_execution_id IS NOT NULL
      UNION ALL SELECT tenant_id, retried FROM unnest(deltas) WHERE length(retried) <= 255
    ) AS d
  );
  before app.execution_deltas[];
BEGIN
  IF known = '{}' THEN
    RETURN '{}';
  END IF;
  before := ARRAY(SELECT app.recovered_of(known, -1));

  INSERT INTO app.failed_runs AS f (tenant_id, n8n_execution_id, workflow_id, quarter, status, mode_class, runs)
  SELECT d.tenant_id, d.n8n_execution_id, d.workflow_id, d.quarter, d.status, d.mode_class, sum(d.runs)
  FROM unnest(deltas) AS d WHERE d.n8n_execution_id IS NOT NULL
  GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(d.runs) <> 0
  ON CONFLICT (tenant_id, n8n_execution_id, workflow_id, quarter, status, mode_class)
  DO UPDATE SET runs = f.runs + excluded.runs;
  DELETE FROM app.failed_runs AS f USING unnest(known) AS k
  WHERE f.tenant_id = k.tenant_id AND f.n8n_execution_id = k.n8n_execution_id AND f.runs = 0;

  INSERT INTO app.retried_runs AS r (tenant_id, n8n_execution_id, retries)
  SELECT d.tenant_id, d.retried, sum(d.runs) FROM unnest(deltas) AS d WHERE length(d.retried) <= 255
  GROUP BY 1, 2 HAVING sum(d.runs) <> 0
  ON CONFLICT (tenant_id, n8n_execution_id) DO UPDATE SET retries = r.retries + excluded.retries;
  DELETE FROM app.retried_runs AS r USING unnest(known) AS k
  WHERE r.tenant_id = k.tenant_id AND r.n8n_execution_id = k.n8n_execution_id AND r.retries = 0;

  RETURN before || ARRAY(SELECT app.recovered_of(known, 1));
END
$$;

-- The recovered runs among these failures, times a sign.
CREATE OR REPLACE FUNCTION app.recovered_of(failures app.retried_runs[], sign integer)
RETURNS SETOF app.execution_deltas
LANGUAGE sql
STABLE
AS $$
  SELECT f.tenant_id, f.workflow_id, f.quarter, f.status, f.mode_class, NULL::bigint, NULL::text, NULL::text,
    f.runs * sign
  FROM unnest(failures) AS k
  JOIN app.retried_runs AS r ON r.tenant_id = k.tenant_id AND r.n8n_execution_id = k.n8n_execution_id AND r.retries > 0
  JOIN app.failed_runs AS f ON f.tenant_id = k.tenant_id AND f.n8n_execution_id = k.n8n_execution_id
$$;

-- The highest of the stored and the added durations; NULL where the highest was taken back and the next is not known.
CREATE OR REPLACE FUNCTION app.known_highest(stored bigint, timed integer, added bigint, taken bigint)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE
  WHEN stored IS NULL AND timed <> 0 THEN NULL
  WHEN taken >= greatest(stored, added) THEN NULL
  ELSE greatest(stored, added)
END;

-- Moves deltas to the rollups of all grains. Those of tenants that are gone count for nothing; the other tenants stay
-- until this is committed. Returns the failures and the retries among them, which may make others recovered.
CREATE OR REPLACE FUNCTION app.move_to_rollups(
  tenant uuid, most integer, OUT folded bigint, OUT failures app.execution_deltas[]
)
LANGUAGE plpgsql
SET jit = off
SET work_mem = '64MB'
SET enable_sort = off  -- a plan that is made for few deltas sorts where a hash table takes all of them
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
  WITH gone AS (
    DELETE FROM app.execution_deltas AS d
    WHERE d.ctid = ANY (ARRAY(
      SELECT ctid FROM app.execution_deltas AS n WHERE tenant IS NULL OR n.tenant_id = tenant LIMIT most
    ))
    RETURNING d.*
  ),
  zones AS MATERIALIZED (
    SELECT t.id AS tenant_id, app.rollup_zone(t.id) AS zone FROM app.tenants AS t
    WHERE t.id IN (SELECT tenant_id FROM gone) ORDER BY t.id FOR KEY SHARE
  ),
  netted AS MATERIALIZED (
    SELECT
      tenant_id, workflow_id, quarter, status, mode_class, microseconds, app.duration_key(microseconds) AS key,
      sum(runs)::integer AS runs
    FROM gone
    GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(runs) <> 0
  ),
  cut AS MATERIALIZED (
    SELECT tenant_id, quarter, date_trunc('hour', quarter, zone) AS hour, date_trunc('day', quarter, zone) AS day
    FROM (SELECT DISTINCT tenant_id, quarter FROM netted) AS q JOIN zones USING (tenant_id)
  ),
  changed AS MATERIALIZED (
    SELECT
      tenant_id, CASE WHEN quarter IS NOT NULL THEN 'quarter' WHEN hour IS NOT NULL THEN 'hour' ELSE 'day' END AS grain,
      coalesce(workflow_id, '00000000-0000-0000-0000-000000000000') AS workflow_id,
      coalesce(quarter, hour, day) AS bucket_start, status, mode_class, sum(runs) AS runs,
      coalesce(sum(runs) FILTER (WHERE key IS NOT NULL), 0) AS timed,
      coalesce(sum(microseconds::numeric * runs), 0) AS microseconds,
      min(microseconds) FILTER (WHERE runs > 0) AS min_added, max(microseconds) FILTER (WHERE runs > 0) AS max_added,
      min(microseconds) FILTER (WHERE runs < 0) AS min_taken, max(microseconds) FILTER (WHERE runs < 0) AS max_taken,
      array_agg(key) FILTER (WHERE key IS NOT NULL) AS keys, array_agg(runs) FILTER (WHERE key IS NOT NULL) AS counts
    FROM netted JOIN cut USING (tenant_id, quarter)
    GROUP BY tenant_id, status, mode_class, GROUPING SETS ((quarter), (workflow_id, hour), (day), (workflow_id, day))
  ),
  merged AS MATERIALIZED (
    SELECT
      c.tenant_id, c.grain, c.workflow_id, c.bucket_start, c.status, c.mode_class,
      coalesce(r.runs, 0) + c.runs AS runs, coalesce(r.recovered, 0) AS recovered,
      coalesce(r.timed, 0) + c.timed AS timed, coalesce(r.microseconds, 0) + c.microseconds AS microseconds,
      -app.known_highest(-r.min_microseconds, r.timed, -c.min_added, -c.min_taken) AS lowest,
      app.known_highest(r.max_microseconds, r.timed, c.max_added, c.max_taken) AS highest,
      h.keys, h.upto
    FROM changed AS c
    LEFT JOIN app.execution_rollups AS r USING (tenant_id, grain, workflow_id, bucket_start, status, mode_class)
    CROSS JOIN LATERAL (
      SELECT coalesce(array_agg(m.key ORDER BY m.key), '{}') AS keys,
        CASE WHEN min(m.count) = 1 AND max(m.count) = 1 OR count(*) = 0 THEN '{}'
          ELSE app.running_totals(array_agg(m.count ORDER BY m.key)) END AS upto
      FROM (
        SELECT u.key, sum(u.count)::integer AS count
        FROM (
          SELECT unnest(c.keys || r.duration_keys) AS key, unnest(c.counts || coalesce(
            r.duration_counts, app.histogram_counts(r.duration_keys, r.duration_upto)
          )) AS count
        ) AS u
        GROUP BY u.key HAVING sum(u.count) <> 0
      ) AS m
    ) AS h
  ),
  emptied AS (
    DELETE FROM app.execution_rollups AS r USING merged AS m
    WHERE m.runs = 0 AND m.recovered = 0 AND m.keys = '{}'
      AND (r.tenant_id, r.grain, r.workflow_id, r.bucket_start, r.status, r.mode_class)
        = (m.tenant_id, m.grain, m.workflow_id, m.bucket_start, m.status, m.mode_class)
  ),
  written AS (
    INSERT INTO app.execution_rollups AS r (
      tenant_id, grain, workflow_id, bucket_start, status, mode_class, runs, recovered, timed, microseconds,
      min_microseconds, max_microseconds, duration_keys, duration_upto
    )
    SELECT
      tenant_id, grain, workflow_id, bucket_start, status, mode_class, runs, recovered, timed, microseconds,
      lowest, highest, keys, upto
    FROM merged
    WHERE NOT (runs = 0 AND recovered = 0 AND keys = '{}')
    ORDER BY tenant_id, grain, workflow_id, bucket_start, status, mode_class  -- so that pages of the index become full
    ON CONFLICT (tenant_id, grain, workflow_id, bucket_start, status, mode_class) DO UPDATE SET
      runs = excluded.runs, recovered = excluded.recovered, timed = excluded.timed,
      microseconds = excluded.microseconds,
      min_microseconds = excluded.min_microseconds, max_microseconds = excluded.max_microseconds,
      duration_keys = excluded.duration_keys, duration_upto = excluded.duration_upto, duration_counts = NULL
  )
  SELECT
    count(*), array_agg(ROW(g.*)::app.execution_deltas) FILTER (
      WHERE (g.n8n_execution_id IS NOT NULL OR g.retried IS NOT NULL) AND g.tenant_id IN (SELECT tenant_id FROM zones)
    )
  INTO folded, failures FROM gone AS g;
END
$$;

-- Adds to rollups by how many runs they have more or fewer that are recovered.
CREATE OR REPLACE FUNCTION app.add_recovered(recoveries app.execution_deltas[])
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  changed app.execution_rollups[];
BEGIN
  WITH placed AS (
    SELECT d.tenant_id, p.grain, p.workflow_id, p.bucket_start, d.status, d.mode_class, sum(d.runs) AS recovered
    FROM unnest(recoveries) AS d
    CROSS JOIN LATERAL (SELECT app.rollup_zone(d.tenant_id)) AS z (zone)
    CROSS JOIN LATERAL (
      VALUES
      ('quarter', '00000000-0000-0000-0000-000000000000'::uuid, d.quarter),
      ('hour', d.workflow_id, date_trunc('hour', d.quarter, z.zone)),
      ('day', '00000000-0000-0000-0000-000000000000'::uuid, date_trunc('day', d.quarter, z.zone)),
      ('day', d.workflow_id, date_trunc('day', d.quarter, z.zone))
    ) AS p (grain, workflow_id, bucket_start)
    GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(d.runs) <> 0
  ),
  written AS (
    INSERT INTO app.execution_rollups AS r (
      tenant_id, grain, workflow_id, bucket_start, status, mode_class, runs, recovered, timed, microseconds,
      duration_keys, duration_upto
    )
    SELECT tenant_id, grain, workflow_id, bucket_start, status, mode_class, 0, recovered, 0, 0, '{}', '{}' FROM placed
    ON CONFLICT (tenant_id, grain, workflow_id, bucket_start, status, mode_class)
    DO UPDATE SET recovered = r.recovered + excluded.recovered
    RETURNING r.*
  )
  SELECT array_agg(w) INTO changed FROM written AS w WHERE w.runs = 0 AND w.recovered = 0 AND w.duration_keys = '{}';
  DELETE FROM app.execution_rollups AS r USING unnest(changed) AS c
  WHERE (r.tenant_id, r.grain, r.workflow_id, r.bucket_start, r.status, r.mode_class)
    = (c.tenant_id, c.grain, c.workflow_id, c.bucket_start, c.status, c.mode_class);
END
$$;
