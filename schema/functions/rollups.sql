-- Folds the deltas of executions into rollups.

-- The histogram's key of a duration: each step is 4 per cent, so its middle is within 2 per cent of what has the key.
CREATE OR REPLACE FUNCTION app.duration_key(microseconds bigint)
RETURNS smallint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN ceil(
  ln((CASE WHEN microseconds < 1 THEN 1 ELSE microseconds END)::double precision) / ln(1.02::double precision / 0.98)
);

-- In which zone the tenant's hours and days are cut.
CREATE OR REPLACE FUNCTION app.rollup_zone(tenant uuid)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN coalesce((SELECT s.built_in FROM app.rollup_settings AS s WHERE s.tenant_id = tenant), 'UTC');

-- Takes the next deltas and adds them to the rollups, all or nothing. Returns how many; fewer than `most` were all.
-- One at a time: what a rollup was is read here, and written anew.
CREATE OR REPLACE FUNCTION app.fold_deltas(most integer)
RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
  taken app.execution_deltas[];
  folded bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('app.fold_deltas', 0));
  WITH gone AS (
    DELETE FROM app.execution_deltas AS d
    WHERE d.ctid = ANY (ARRAY(SELECT ctid FROM app.execution_deltas LIMIT most)) RETURNING d AS delta
  )
  SELECT array_agg(delta) FILTER (WHERE EXISTS (SELECT FROM app.tenants AS t WHERE t.id = (delta).tenant_id)), count(*)
  INTO taken, folded FROM gone;
  IF taken IS NOT NULL THEN
    PERFORM FROM app.tenants AS t WHERE t.id IN (SELECT tenant_id FROM unnest(taken)) ORDER BY t.id FOR KEY SHARE;
    PERFORM app.add_to_rollups(taken, app.recovered_runs(taken));
  END IF;
  RETURN folded;
END
$$;

-- Adds failures and retries to those that are kept. Returns by how many runs each group of failures has more or fewer
-- that are recovered; n8n_execution_id is NULL in these.
CREATE OR REPLACE FUNCTION app.recovered_runs(deltas app.execution_deltas[])
RETURNS app.execution_deltas[]
LANGUAGE plpgsql
AS $$
DECLARE
  known app.retried_runs[] := ARRAY(
    SELECT DISTINCT ROW(d.tenant_id, d.id, 0)::app.retried_runs
    FROM (
      SELECT tenant_id, n8n_execution_id AS id FROM unnest(deltas) WHERE n8n_execution_id IS NOT NULL
      UNION ALL SELECT tenant_id, retried FROM unnest(deltas) WHERE retried IS NOT NULL
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
  SELECT d.tenant_id, d.retried, sum(d.runs) FROM unnest(deltas) AS d WHERE d.retried IS NOT NULL
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

-- Adds deltas, and of failures that are recovered, to the rollups of all grains.
CREATE OR REPLACE FUNCTION app.add_to_rollups(deltas app.execution_deltas[], recoveries app.execution_deltas[])
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  WITH netted AS (
    SELECT
      tenant_id, workflow_id, quarter, status, mode_class, microseconds, app.duration_key(microseconds) AS key,
      sum(runs)::integer AS runs, 0 AS recovered
    FROM unnest(deltas)
    GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(runs) <> 0
    UNION ALL
    SELECT tenant_id, workflow_id, quarter, status, mode_class, NULL, NULL, 0, sum(runs)::integer
    FROM unnest(recoveries)
    GROUP BY 1, 2, 3, 4, 5 HAVING sum(runs) <> 0
  ),
  cut AS MATERIALIZED (
    SELECT n.*, date_trunc('hour', n.quarter, z.zone) AS hour, date_trunc('day', n.quarter, z.zone) AS day
    FROM netted AS n
    JOIN (SELECT t.id, app.rollup_zone(t.id) AS zone FROM app.tenants AS t
      WHERE t.id IN (SELECT tenant_id FROM netted)) AS z ON z.id = n.tenant_id
  ),
  placed AS (
    SELECT c.tenant_id, p.grain, p.workflow_id, p.bucket_start, c.status, c.mode_class, c.microseconds, c.key,
      c.runs, c.recovered
    FROM cut AS c
    CROSS JOIN LATERAL (
      VALUES
      ('quarter', '00000000-0000-0000-0000-000000000000'::uuid, c.quarter),
      ('hour', c.workflow_id, c.hour),
      ('day', '00000000-0000-0000-0000-000000000000'::uuid, c.day),
      ('day', c.workflow_id, c.day)
    ) AS p (grain, workflow_id, bucket_start)
  ),
  changed AS MATERIALIZED (
    SELECT
      tenant_id, grain, workflow_id, bucket_start, status, mode_class, sum(runs) AS runs, sum(recovered) AS recovered,
      coalesce(sum(runs) FILTER (WHERE key IS NOT NULL), 0) AS timed,
      coalesce(sum(microseconds * runs), 0) AS microseconds,
      min(microseconds) FILTER (WHERE runs > 0) AS min_added, max(microseconds) FILTER (WHERE runs > 0) AS max_added,
      min(microseconds) FILTER (WHERE runs < 0) AS min_taken, max(microseconds) FILTER (WHERE runs < 0) AS max_taken,
      array_agg(key) FILTER (WHERE key IS NOT NULL) AS keys, array_agg(runs) FILTER (WHERE key IS NOT NULL) AS counts
    FROM placed
    GROUP BY 1, 2, 3, 4, 5, 6
  ),
  merged AS (
    SELECT
      c.tenant_id, c.grain, c.workflow_id, c.bucket_start, c.status, c.mode_class,
      coalesce(r.runs, 0) + c.runs AS runs, coalesce(r.recovered, 0) + c.recovered AS recovered,
      coalesce(r.timed, 0) + c.timed AS timed, coalesce(r.microseconds, 0) + c.microseconds AS microseconds,
      -app.known_highest(-r.min_microseconds, r.timed, -c.min_added, -c.min_taken) AS lowest,
      app.known_highest(r.max_microseconds, r.timed, c.max_added, c.max_taken) AS highest,
      h.keys, h.counts
    FROM changed AS c
    LEFT JOIN app.execution_rollups AS r USING (tenant_id, grain, workflow_id, bucket_start, status, mode_class)
    CROSS JOIN LATERAL (
      SELECT coalesce(array_agg(m.key ORDER BY m.key), '{}') AS keys,
        coalesce(array_agg(m.count ORDER BY m.key), '{}') AS counts
      FROM (
        SELECT u.key, sum(u.count)::integer AS count
        FROM (
          SELECT * FROM unnest(c.keys, c.counts) UNION ALL SELECT * FROM unnest(r.duration_keys, r.duration_counts)
        ) AS u (key, count)
        GROUP BY u.key HAVING sum(u.count) <> 0
      ) AS m
    ) AS h
  )
  INSERT INTO app.execution_rollups AS r (
    tenant_id, grain, workflow_id, bucket_start, status, mode_class, runs, recovered, timed, microseconds,
    min_microseconds, max_microseconds, duration_keys, duration_counts
  )
  SELECT
    tenant_id, grain, workflow_id, bucket_start, status, mode_class, runs, recovered, timed, microseconds,
    lowest, highest, keys, counts
  FROM merged
  ON CONFLICT (tenant_id, grain, workflow_id, bucket_start, status, mode_class) DO UPDATE SET
    runs = excluded.runs, recovered = excluded.recovered, timed = excluded.timed, microseconds = excluded.microseconds,
    min_microseconds = excluded.min_microseconds, max_microseconds = excluded.max_microseconds,
    duration_keys = excluded.duration_keys, duration_counts = excluded.duration_counts;
  DELETE FROM app.execution_rollups AS r WHERE r.runs = 0 AND r.recovered = 0 AND r.duration_keys = '{}';
END
$$;
