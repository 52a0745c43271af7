-- Records the executions that n8n reports.

-- Merges deliveries of executions as n8n sends them: repeated, shuffled, at once. Whatever the order, the same row
-- comes out, since a row is an aggregate of its deliveries in which no order counts:
--   started_at      the earliest reported, and no later than the first report
--   status          the highest in n8n's order of states, in which a failure that an error workflow alone has told of
--                   stands below all other final ones
--   finished_at     of that status: the earliest of a final one, the latest of a waiting one; a final one has one
--   error_message   of that status: the longest; of a failed, crashed or canceled one the longest of all these three
--   execution_data  the largest: what n8n knows of a run only grows
-- The execution of a known row has data only where that takes the place of what is stored: stored data stays where it
-- is, since to fetch it costs 10 ms for each MB. Of a run the first delivery carries the merged execution, later ones
-- its id alone. A function with a generic plan, so that a session plans it once: left to itself Postgres plans it for
-- each request, since it takes the plan for a plan of all partitions, which costs nine times the work.
CREATE OR REPLACE FUNCTION app.merge_deliveries(deliveries jsonb, n8n_ids text[])
RETURNS SETOF app.merged_delivery
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  tenant uuid := app.tenant();
  tenant_class smallint := (SELECT app.retention_class(t.hot_ttl_days) FROM app.tenants AS t WHERE t.id = tenant);
BEGIN
  RETURN QUERY
  WITH delivered AS (
    SELECT
      d.*, coalesce(d.n8n_execution_id, '#' || d.ordinal) AS run, coalesce(by_id.id, by_n8n_id.id) AS known_workflow_id,
      app.delivery_rank(d.status, d.by_error_workflow) AS rank
    FROM ROWS FROM (
      jsonb_to_recordset(deliveries) AS (
        workflow_id uuid, n8n_workflow_id text, n8n_execution_id text, status text, started_at timestamptz,
        finished_at timestamptz, execution_data jsonb, error_message text, by_error_workflow boolean
      )
    ) WITH ORDINALITY AS d (
      workflow_id, n8n_workflow_id, n8n_execution_id, status, started_at, finished_at, execution_data, error_message,
      by_error_workflow, ordinal
    )
    LEFT JOIN app.workflows AS by_id ON by_id.id = d.workflow_id
    LEFT JOIN app.workflows AS by_n8n_id ON d.workflow_id IS NULL AND by_n8n_id.n8n_workflow_id = d.n8n_workflow_id
  ),
  found AS (
    SELECT
      e.retention_class, e.id, e.workflow_id, e.n8n_execution_id, e.status, e.started_at, e.finished_at,
      e.execution_data, e.error_message, e.created_at,
      app.delivery_rank(e.status, e.status = 'error' AND app.is_reported_failure(e.n8n_execution_id)) AS rank
    FROM app.workflow_executions AS e
    WHERE e.tenant_id = tenant AND e.n8n_execution_id = ANY (n8n_ids)
  ),
  judged AS (  -- an execution belongs to the workflow that it is stored under, else to the first known one
    SELECT
      d.*,
      coalesce(f.workflow_id, first_value(d.known_workflow_id) OVER (
        PARTITION BY d.run ORDER BY d.known_workflow_id IS NULL, d.ordinal
      )) AS run_workflow_id
    FROM delivered AS d
    LEFT JOIN found AS f ON f.n8n_execution_id = d.n8n_execution_id
  ),
  reported AS (
    SELECT
      run, run_workflow_id, n8n_execution_id, rank, status, started_at, finished_at, execution_data, error_message
    FROM judged
    WHERE known_workflow_id = run_workflow_id
    UNION ALL
    SELECT
      f.n8n_execution_id, f.workflow_id, f.n8n_execution_id, f.rank, f.status, f.started_at,
      f.finished_at, NULL, f.error_message
    FROM found AS f
  ),
  ranked AS (
    SELECT *, count(execution_data) OVER runs > 1 AS contested, rank = max(rank) OVER runs AS leads,
      status IN ('crashed', 'canceled', 'error') AND max(rank) OVER runs < app.delivery_rank('success', false) AS fails
    FROM reported
    WINDOW runs AS (PARTITION BY run)
  ),
  merged AS (
    SELECT
      run, n8n_execution_id, run_workflow_id AS workflow_id,
      min(status) FILTER (WHERE leads) AS status,
      coalesce(min(started_at), now()) AS started_at,
      CASE WHEN app.is_final(min(status) FILTER (WHERE leads))
        THEN coalesce(min(finished_at) FILTER (WHERE leads), now())
        ELSE max(finished_at) FILTER (WHERE leads)
      END AS finished_at,
      (array_agg(execution_data ORDER BY
        execution_data IS NULL,
        CASE WHEN contested THEN length(execution_data::text) END DESC,
        CASE WHEN contested THEN execution_data::text END COLLATE "C" DESC
      ))[1] AS execution_data,
      (array_agg(error_message ORDER BY length(error_message) DESC NULLS LAST, error_message)
        FILTER (WHERE leads OR fails))[1] AS error_message
    FROM ranked
    GROUP BY run, n8n_execution_id, run_workflow_id
  ),
  compared AS MATERIALIZED (  -- an n8n id and a start make the same id whenever they arrive
    SELECT
      m.*, f.id IS NOT NULL AS known, least(m.started_at, f.created_at, now()) AS first_started_at,
      coalesce(f.created_at, now()) AS created_at, coalesce(f.retention_class, tenant_class) AS retention_class,
      coalesce(f.id, app.uuid7(m.started_at, CASE
        WHEN m.n8n_execution_id IS NULL THEN gen_random_uuid()
        ELSE md5(tenant::text || m.n8n_execution_id)::uuid
      END)) AS id,
      (f.status, f.started_at, f.finished_at, f.error_message) IS DISTINCT FROM
        (m.status, least(m.started_at, f.created_at, now()), m.finished_at, m.error_message) AS differs,
      app.replaces(m.execution_data, f.execution_data) AS replaces
    FROM merged AS m
    LEFT JOIN found AS f ON f.n8n_execution_id = m.n8n_execution_id
  ),
  outcomes AS (
    SELECT
      j.ordinal, j.n8n_execution_id, p.run, p.retention_class, p.id, p.known, row_number() OVER earlier AS occurrence,
      CASE
        WHEN p.run IS NULL THEN 'rejected'
        WHEN p.known THEN CASE WHEN p.differs OR p.replaces THEN 'updated' ELSE 'unchanged' END
        WHEN row_number() OVER earlier = 1 THEN 'created'
        WHEN j.rank > max(j.rank) OVER before THEN 'updated'
        WHEN j.rank < max(j.rank) OVER before THEN 'unchanged'
        WHEN (j.started_at, j.finished_at, j.error_message, j.execution_data) IS NOT DISTINCT FROM (
          lag(j.started_at) OVER earlier, lag(j.finished_at) OVER earlier,
          lag(j.error_message) OVER earlier, lag(j.execution_data) OVER earlier
        ) THEN 'unchanged'
        ELSE 'updated'
      END AS outcome,
      CASE
        WHEN j.known_workflow_id IS NULL THEN 'workflow_not_found'
        WHEN p.run IS NULL THEN 'other_workflows_execution'
      END AS rejection
    FROM judged AS j
    LEFT JOIN compared AS p ON p.run = j.run AND p.workflow_id = j.known_workflow_id
    WINDOW
      earlier AS (PARTITION BY p.run ORDER BY j.ordinal),
      before AS (PARTITION BY p.run ORDER BY j.ordinal ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
  )
  SELECT
    o.ordinal, o.n8n_execution_id, o.outcome, o.rejection, o.known,
    CASE
      WHEN c.run IS NOT NULL THEN ROW(
        c.retention_class, c.id, tenant, c.workflow_id, c.n8n_execution_id, c.status, c.first_started_at,
        c.finished_at, CASE WHEN c.replaces THEN c.execution_data END, c.error_message, c.created_at,
        app.execution_mode(c.execution_data)
      )::app.workflow_executions
      ELSE ROW(
        o.retention_class, o.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
      )::app.workflow_executions
    END
  FROM outcomes AS o
  LEFT JOIN compared AS c ON o.occurrence = 1 AND c.run = o.run
  ORDER BY o.ordinal;
END
$$;

-- Merges deliveries and writes the executions. One that starts before the partitions of its retention class goes to the
-- overflow partition, and so does one that may be archived already: flomastr.archive.late_deliveries merges it. Who
-- records one gets it whole, as it is stored now.
CREATE OR REPLACE FUNCTION app.record_executions(deliveries jsonb)
RETURNS SETOF app.merged_delivery
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  n8n_ids text[] := ARRAY(
    SELECT DISTINCT d ->> 'n8n_execution_id' FROM jsonb_array_elements(deliveries) AS d
    WHERE d ->> 'n8n_execution_id' <> ''
  );
  archived uuid := (
    SELECT f.last_id FROM app.archive_files AS f
    WHERE f.tenant_id = app.tenant() AND f.source = 'workflow_executions' AND f.state = 'stored'
    ORDER BY f.last_id DESC LIMIT 1
  );
  results app.merged_delivery[];
  changed app.workflow_executions[];
  classes smallint[];
BEGIN
  -- two transactions that record one execution wait for each other, else both would find nothing
  PERFORM app.lock_n8n_ids(n8n_ids);

  results := ARRAY(SELECT m FROM app.merge_deliveries(deliveries, n8n_ids) AS m);
  IF deliveries @? '$[*] ? (@.by_error_workflow == true)' THEN
    PERFORM app.note_reported_failures(deliveries);
  END IF;

  INSERT INTO app.workflow_executions (
    retention_class, id, workflow_id, n8n_execution_id, status, started_at, finished_at, execution_data, error_message
  )
  SELECT
    CASE WHEN (r.execution).id <= archived THEN 0
    ELSE app.retention_class_for((r.execution).id, (r.execution).retention_class) END,
    (r.execution).id, (r.execution).workflow_id, (r.execution).n8n_execution_id, (r.execution).status,
    (r.execution).started_at, (r.execution).finished_at, (r.execution).execution_data, (r.execution).error_message
  FROM unnest(results) AS r
  WHERE r.outcome = 'created';

  -- checked first, since an UPDATE that finds nothing still locks every partition; it opens those in its bounds alone
  IF EXISTS (SELECT FROM unnest(results) AS r WHERE r.outcome = 'updated' AND r.known) THEN
    PERFORM pg_advisory_xact_lock_shared(app.lock_of_holds(app.tenant()));
    IF app.has_holds(app.tenant()) AND current_setting('app.moving', true) IS DISTINCT FROM 'on' THEN
      results := app.without_held(results);
    END IF;
    changed := ARRAY(
      SELECT r.execution FROM unnest(results) AS r
      WHERE r.outcome = 'updated' AND r.known AND (r.execution).tenant_id IS NOT NULL
      ORDER BY (r.execution).id
    );
  END IF;
  IF cardinality(changed) > 0 THEN
    classes := ARRAY(SELECT DISTINCT c.retention_class FROM unnest(changed) AS c);
    PERFORM set_config('app.merging', 'on', true);
    UPDATE app.workflow_executions AS e
    SET status = c.status, started_at = c.started_at, finished_at = c.finished_at, error_message = c.error_message,
      execution_data = coalesce(c.execution_data, e.execution_data)
    FROM unnest(changed) AS c
    WHERE e.retention_class = ANY (classes) AND e.id BETWEEN (changed[1]).id AND (changed[cardinality(changed)]).id
      AND e.retention_class = c.retention_class AND e.id = c.id;
    PERFORM set_config('app.merging', 'off', true);
  END IF;

  IF EXISTS (
    SELECT FROM app.reported_failures AS f WHERE f.tenant_id = app.tenant() AND f.n8n_execution_id = ANY (n8n_ids)
  ) THEN
    PERFORM app.forget_reported_failures(deliveries, results, archived);
  END IF;

  IF cardinality(results) = 1 AND results[1].known THEN
    results[1].execution := (
      SELECT e FROM app.workflow_executions AS e
      WHERE e.retention_class = (results[1].execution).retention_class AND e.id = (results[1].execution).id
    );
  END IF;
  RETURN QUERY SELECT * FROM unnest(results);
END
$$;
