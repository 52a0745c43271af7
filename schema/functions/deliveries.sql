-- What becomes of reported executions.

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
CREATE OR REPLACE FUNCTION app.merge_deliveries(deliveries jsonb, n8n_ids text[], instance smallint)
RETURNS SETOF app.merged_delivery
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  tenant uuid := app.tenant();
  tenant_class smallint := (SELECT h.class FROM app.hot_policies AS h WHERE h.tenant_id = tenant);
BEGIN
  RETURN QUERY
  WITH delivered AS (
    SELECT
      d.*, coalesce(by_id.id, by_n8n_id.id) AS known_workflow_id,
      coalesce(by_id.n8n_instance, instance) AS n8n_instance,
      app.delivery_rank(d.status, d.by_error_workflow) AS rank,
      app.end_of(d.status, d.started_at, d.finished_at) AS ended_at
    FROM ROWS FROM (
      jsonb_to_recordset(deliveries) AS (
        workflow_id uuid, n8n_workflow_id text, n8n_execution_id text, status text, started_at timestamptz,
        finished_at timestamptz, execution_data jsonb, error_message text, by_error_workflow boolean, id uuid
      )
    ) WITH ORDINALITY AS d (
      workflow_id, n8n_workflow_id, n8n_execution_id, status, started_at, finished_at, execution_data, error_message,
      by_error_workflow, id, ordinal
    )
    LEFT JOIN app.workflows AS by_id ON by_id.id = d.workflow_id
    LEFT JOIN app.workflows AS by_n8n_id ON d.workflow_id IS NULL AND by_n8n_id.n8n_workflow_id = d.n8n_workflow_id
      AND by_n8n_id.n8n_instance = instance
  ),
  found AS (  -- of an id the newest 100 runs; of others those that began in the millisecond of a delivery have its id
    SELECT
      e.retention_class, e.id, e.workflow_id, e.n8n_execution_id, e.status, e.started_at, e.finished_at,
      e.execution_data, e.error_message, e.created_at, e.id::text AS run, e.n8n_instance,
      app.delivery_rank(e.status, e.status = 'error' AND app.is_reported_failure(e.id)) AS rank,
      CASE WHEN e.nth > 100 THEN app.uuid7_moment(e.id) END AS only_at
    FROM (
      SELECT e.*, w.n8n_instance,
        row_number() OVER (PARTITION BY e.n8n_execution_id, w.n8n_instance ORDER BY e.id DESC) AS nth
      FROM app.workflow_executions AS e
      JOIN app.workflows AS w ON w.tenant_id = e.tenant_id AND w.id = e.workflow_id
      WHERE e.tenant_id = tenant AND e.n8n_execution_id = ANY (n8n_ids)
    ) AS e
    WHERE e.nth <= 100 OR left(e.id::text, 13) IN (
      SELECT left(app.uuid7_floor(coalesce(d.started_at, now()))::text, 13) FROM delivered AS d
    )
  ),
  stored AS (  -- of the runs that a delivery may be of the one whose id it has, else the first; without a time the last
    SELECT DISTINCT ON (d.ordinal) d.ordinal, f.run
    FROM delivered AS d
    JOIN found AS f ON f.n8n_execution_id = d.n8n_execution_id AND f.n8n_instance = d.n8n_instance
    WHERE f.id = d.id OR CASE
      WHEN f.only_at IS NOT NULL AND (coalesce(d.started_at, now()) < f.only_at
        OR coalesce(d.started_at, now()) >= f.only_at + interval '1 millisecond') THEN false
      WHEN d.known_workflow_id <> f.workflow_id THEN app.may_be_of(  -- which has reused the id, unless at the same time
        coalesce(d.started_at, now()), coalesce(d.finished_at, d.started_at, now()), f.started_at,
        coalesce(f.finished_at, f.started_at), NULL
      )
      ELSE app.may_be_of(
        d.started_at, d.ended_at, f.started_at, app.end_of(f.status, f.started_at, f.finished_at), f.created_at
      )
    END
    ORDER BY d.ordinal, f.id IS DISTINCT FROM d.id,
      extract(EPOCH FROM f.started_at) * CASE WHEN d.started_at IS NULL THEN -1 ELSE 1 END, f.run
  ),
  fresh AS (  -- of runs that are not stored; one that has ended ends those of its id that began before
    SELECT d.ordinal, d.n8n_instance, d.n8n_execution_id, d.started_at, d.ended_at,
      d.started_at > interval '1 minute' + max(d.ended_at) OVER (
        PARTITION BY d.n8n_instance, d.n8n_execution_id ORDER BY d.started_at, d.ordinal
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
      ) AS is_later
    FROM delivered AS d
    WHERE NOT EXISTS (SELECT FROM stored AS s WHERE s.ordinal = d.ordinal)
  ),
  opened AS (  -- a run that has not ended goes on with what comes next
    SELECT *, is_later AND lag(is_later AND ended_at IS NULL) OVER (
      PARTITION BY n8n_instance, n8n_execution_id ORDER BY started_at, ordinal
    ) IS NOT TRUE AS opens
    FROM fresh
  ),
  runs AS (
    SELECT s.ordinal, s.run FROM stored AS s
    UNION ALL
    SELECT o.ordinal, coalesce(
      format('%s/%s/', o.n8n_instance, count(*) FILTER (WHERE o.opens) OVER (
        PARTITION BY o.n8n_instance, o.n8n_execution_id ORDER BY o.started_at, o.ordinal
      )) || o.n8n_execution_id, '#' || o.ordinal
    )
    FROM opened AS o
  ),
  judged AS (  -- an execution belongs to the workflow that it is stored under, else to the first known one
    SELECT
      d.*, r.run,
      coalesce(f.workflow_id, first_value(d.known_workflow_id) OVER (
        PARTITION BY r.run ORDER BY d.known_workflow_id IS NULL, d.ordinal
      )) AS run_workflow_id
    FROM delivered AS d
    JOIN runs AS r ON r.ordinal = d.ordinal
    LEFT JOIN found AS f ON f.run = r.run
  ),
  reported AS (
    SELECT
      run, run_workflow_id, n8n_instance, n8n_execution_id, rank, status, started_at, finished_at, execution_data,
      error_message
    FROM judged
    WHERE known_workflow_id = run_workflow_id
    UNION ALL
    SELECT
      f.run, f.workflow_id, f.n8n_instance, f.n8n_execution_id, f.rank, f.status, f.started_at, f.finished_at, NULL,
      f.error_message
    FROM found AS f
    WHERE f.run IN (SELECT r.run FROM runs AS r)
  ),
  ranked AS (
    SELECT *, count(execution_data) OVER runs > 1 AS contested, rank = max(rank) OVER runs AS leads,
      status IN ('crashed', 'canceled', 'error') AND max(rank) OVER runs < app.delivery_rank('success', false) AS fails
    FROM reported
    WINDOW runs AS (PARTITION BY run)
  ),
  merged AS (
    SELECT
      run, n8n_instance, n8n_execution_id, run_workflow_id AS workflow_id,
      min(status) FILTER (WHERE leads) AS status,
      coalesce(min(started_at), now()) AS started_at,
      CASE WHEN app.is_final(min(status) FILTER (WHERE leads))
        THEN coalesce(min(finished_at) FILTER (WHERE leads), now())
        ELSE max(finished_at) FILTER (WHERE leads)
      END AS finished_at,
      (array_agg(execution_data ORDER BY
        execution_data IS NULL,
        CASE WHEN contested THEN app.data_length(execution_data) END DESC,
        CASE WHEN contested THEN execution_data::text END COLLATE "C" DESC
      ))[1] AS execution_data,
      (array_agg(error_message ORDER BY length(error_message) DESC NULLS LAST, error_message)
        FILTER (WHERE leads OR fails))[1] AS error_message
    FROM ranked
    GROUP BY run, n8n_instance, n8n_execution_id, run_workflow_id
  ),
  compared AS MATERIALIZED (  -- an instance, an n8n id and a start make the same id whenever they arrive
    SELECT
      m.*, f.id IS NOT NULL AS known, least(m.started_at, f.created_at, now()) AS first_started_at,
      coalesce(f.created_at, now()) AS created_at, coalesce(f.retention_class, tenant_class) AS retention_class,
      coalesce(f.id, app.uuid7(m.started_at, CASE
        WHEN m.n8n_execution_id IS NULL THEN gen_random_uuid()
        WHEN m.n8n_instance = 0 THEN md5(tenant::text || m.n8n_execution_id)::uuid
        ELSE md5(md5(tenant::text || m.n8n_instance) || m.n8n_execution_id)::uuid
      END)) AS id,
      (f.status, f.started_at, f.finished_at, f.error_message) IS DISTINCT FROM
        (m.status, least(m.started_at, f.created_at, now()), m.finished_at, m.error_message) AS differs,
      app.replaces(m.execution_data, f.execution_data) AS replaces
    FROM merged AS m
    LEFT JOIN found AS f ON f.run = m.run
  ),
  began AS (
    SELECT f.n8n_instance, f.n8n_execution_id, f.run, f.started_at FROM found AS f
    UNION ALL
    SELECT c.n8n_instance, c.n8n_execution_id, c.run, c.first_started_at FROM compared AS c
    WHERE NOT c.known AND c.n8n_execution_id IS NOT NULL
  ),
  resets AS (  -- between one run and the next of an id
    SELECT run, CASE
      WHEN lag(started_at) OVER one_id < started_at THEN tstzrange(lag(started_at) OVER one_id, started_at, '(]')
      WHEN lead(started_at) OVER one_id > started_at THEN tstzrange(started_at, lead(started_at) OVER one_id, '(]')
    END AS reset
    FROM began
    WINDOW one_id AS (PARTITION BY n8n_instance, n8n_execution_id ORDER BY started_at, run)
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
      WHEN c.run IS NOT NULL THEN app.execution_row(
        c.retention_class, c.id, tenant, c.workflow_id, c.n8n_execution_id, c.status, c.first_started_at,
        c.finished_at, CASE WHEN c.replaces THEN c.execution_data END, c.error_message, c.created_at,
        app.execution_mode(c.execution_data)
      )
      ELSE app.execution_row(o.retention_class, o.id)
    END,
    CASE WHEN o.outcome = 'created' THEN r.reset END
  FROM outcomes AS o
  LEFT JOIN compared AS c ON o.occurrence = 1 AND c.run = o.run
  LEFT JOIN resets AS r ON r.run = o.run
  ORDER BY o.ordinal;
END
$$;
