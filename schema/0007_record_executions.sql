-- The lock of an execution in its tenant. No table holds which there are, so that dropping a leaf forgets them;
-- 32 locks a tenant, always taken in their order, keep the lock table small.
CREATE FUNCTION app.turn(n8n_execution_id text)
RETURNS bigint
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN hashtextextended(app.tenant()::text, mod(hashtext(n8n_execution_id), 32));

-- For a statement that changes one row: without a turn, a delivery that has read the row before would undo the change.
CREATE FUNCTION app.await_turn(n8n_execution_id text)
RETURNS boolean
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(app.turn(n8n_execution_id));
  RETURN true;
END
$$;

-- Takes deliveries of executions as n8n sends them: repeated, shuffled, at once. Whatever the order, the same row stays,
-- since a row is an aggregate of its deliveries in which no order counts:
--   started_at      the earliest that was told (one that was not told is now, which is never earlier)
--   status          the highest in n8n's order of states
--   finished_at     of that status: the earliest of a final one, the latest of a waiting one; a final one has one
--   error_message   of that status: the longest
--   execution_data  the largest: what n8n knows of a run only grows
-- A function, so that a pooled backend plans it once and not for every request.
CREATE FUNCTION app.record_executions(deliveries jsonb)
RETURNS TABLE (
  ordinal bigint, outcome text, error text,
  id uuid, tenant_id uuid, workflow_id uuid, n8n_execution_id text, status text, started_at timestamptz,
  finished_at timestamptz, execution_data jsonb, error_message text, created_at timestamptz, mode text, etag text
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  tenant uuid := app.tenant();
  class smallint := (SELECT app.ttl_class(t.hot_ttl_days) FROM app.tenants AS t WHERE t.id = tenant);
  n8n_ids text[] := ARRAY(
    SELECT DISTINCT d ->> 'n8n_execution_id' FROM jsonb_array_elements(deliveries) AS d ORDER BY 1
  );
BEGIN
  -- Two transactions that record one execution take turns, else both would find nothing.
  PERFORM pg_advisory_xact_lock(turn)
  FROM (SELECT DISTINCT app.turn(n8n_id) AS turn FROM unnest(n8n_ids) AS n8n_id WHERE n8n_id IS NOT NULL ORDER BY 1) AS turns;

  RETURN QUERY
  WITH delivered AS (
    SELECT d.*, coalesce(d.n8n_execution_id, '#' || d.ordinal) AS run, coalesce(by_id.id, by_n8n_id.id) AS known_workflow_id
    FROM ROWS FROM (
      jsonb_to_recordset(deliveries) AS (
        workflow_id uuid, n8n_workflow_id text, n8n_execution_id text, status text, started_at timestamptz,
        finished_at timestamptz, execution_data jsonb, error_message text
      )
    ) WITH ORDINALITY AS d (
      workflow_id, n8n_workflow_id, n8n_execution_id, status, started_at, finished_at, execution_data, error_message,
      ordinal
    )
    LEFT JOIN app.workflows AS by_id ON by_id.id = d.workflow_id
    LEFT JOIN app.workflows AS by_n8n_id ON d.workflow_id IS NULL AND by_n8n_id.n8n_workflow_id = d.n8n_workflow_id
  ),
  stored AS (
    SELECT e.*, app.etag(e) AS etag
    FROM app.workflow_executions AS e
    WHERE e.tenant_id = tenant AND e.n8n_execution_id = ANY (n8n_ids)
  ),
  judged AS (  -- an execution belongs to the workflow that it is stored under, else to the first known one
    SELECT d.*,
      coalesce(s.workflow_id, first_value(d.known_workflow_id) OVER (
        PARTITION BY d.run ORDER BY d.known_workflow_id IS NULL, d.ordinal
      )) AS run_workflow_id
    FROM delivered AS d
    LEFT JOIN stored AS s ON s.n8n_execution_id = d.n8n_execution_id
  ),
  told AS (
    SELECT
      run, NULL::smallint AS ttl_class, NULL::uuid AS id, n8n_execution_id, run_workflow_id AS workflow_id,
      status, started_at, finished_at, execution_data, error_message
    FROM judged
    WHERE known_workflow_id = run_workflow_id
    UNION ALL
    SELECT
      n8n_execution_id, ttl_class, id, n8n_execution_id, workflow_id,
      status, started_at, finished_at, execution_data, error_message
    FROM stored
  ),
  ranked AS (
    SELECT *,
      count(*) OVER (PARTITION BY run) > 1 AS contested,
      app.execution_rank(status) = max(app.execution_rank(status)) OVER (PARTITION BY run) AS leads
    FROM told
  ),
  merged AS (
    SELECT
      run, n8n_execution_id, workflow_id,
      (array_agg(ttl_class) FILTER (WHERE id IS NOT NULL))[1] AS stored_class,
      (array_agg(id) FILTER (WHERE id IS NOT NULL))[1] AS stored_id,
      min(status) FILTER (WHERE leads) AS status,
      coalesce(min(started_at), now()) AS started_at,
      CASE WHEN app.is_final(min(status) FILTER (WHERE leads))
        THEN coalesce(min(finished_at) FILTER (WHERE leads), now())
        ELSE max(finished_at) FILTER (WHERE leads)
      END AS finished_at,
      (array_agg(execution_data ORDER BY
        execution_data IS NULL,
        CASE WHEN contested THEN length(execution_data::text) END DESC,
        CASE WHEN contested THEN execution_data END DESC
      ))[1] AS execution_data,
      (array_agg(error_message ORDER BY length(error_message) DESC NULLS LAST, error_message)
        FILTER (WHERE leads))[1] AS error_message
    FROM ranked
    GROUP BY run, n8n_execution_id, workflow_id
  ),
  placed AS MATERIALIZED (  -- an n8n id and a start make the same id wherever and whenever they arrive
    SELECT m.*,
      coalesce(m.stored_id, app.uuid7(m.started_at, CASE
        WHEN m.n8n_execution_id IS NULL THEN gen_random_uuid()
        ELSE md5(tenant::text || m.n8n_execution_id)::uuid
      END)) AS id
    FROM merged AS m
  ),
  created AS (
    INSERT INTO app.workflow_executions AS e (
      ttl_class, id, workflow_id, n8n_execution_id, status, started_at, finished_at, execution_data, error_message
    )
    SELECT
      class, p.id, p.workflow_id, p.n8n_execution_id, p.status, p.started_at, p.finished_at, p.execution_data,
      p.error_message
    FROM placed AS p
    WHERE p.stored_id IS NULL
    RETURNING e.*, app.etag(e) AS etag
  ),
  updated AS (
    UPDATE app.workflow_executions AS e
    SET status = p.status, started_at = p.started_at, finished_at = p.finished_at,
      execution_data = p.execution_data, error_message = p.error_message
    FROM placed AS p
    WHERE e.ttl_class = p.stored_class AND e.id = p.stored_id
      AND (e.status, e.started_at, e.finished_at, e.execution_data, e.error_message)
        IS DISTINCT FROM (p.status, p.started_at, p.finished_at, p.execution_data, p.error_message)
    RETURNING e.*, app.etag(e) AS etag
  ),
  kept AS (
    SELECT 'created' AS outcome, c.* FROM created AS c
    UNION ALL
    SELECT 'updated', u.* FROM updated AS u
    UNION ALL
    SELECT 'unchanged', s.* FROM stored AS s WHERE s.id NOT IN (SELECT u.id FROM updated AS u)
  )
  SELECT
    j.ordinal,
    CASE
      WHEN k.id IS NULL THEN 'rejected'
      WHEN k.outcome <> 'created' OR row_number() OVER earlier = 1 THEN k.outcome
      WHEN app.execution_rank(j.status) > max(app.execution_rank(j.status)) OVER before THEN 'updated'
      WHEN app.execution_rank(j.status) < max(app.execution_rank(j.status)) OVER before THEN 'unchanged'
      WHEN (j.started_at, j.finished_at, j.error_message, j.execution_data) IS NOT DISTINCT FROM (
        lag(j.started_at) OVER earlier, lag(j.finished_at) OVER earlier,
        lag(j.error_message) OVER earlier, lag(j.execution_data) OVER earlier
      ) THEN 'unchanged'
      ELSE 'updated'
    END,
    CASE
      WHEN j.known_workflow_id IS NULL THEN 'workflow_not_found'
      WHEN k.id IS NULL THEN 'other_workflows_execution'
    END,
    k.id, k.tenant_id, k.workflow_id, j.n8n_execution_id, k.status, k.started_at, k.finished_at, k.execution_data,
    k.error_message, k.created_at, k.mode, k.etag
  FROM judged AS j
  LEFT JOIN placed AS p ON p.run = j.run AND j.known_workflow_id = p.workflow_id
  LEFT JOIN kept AS k ON k.id = p.id
  WINDOW
    earlier AS (PARTITION BY k.id ORDER BY j.ordinal),
    before AS (PARTITION BY k.id ORDER BY j.ordinal ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
  ORDER BY j.ordinal;
END
$$;

CREATE FUNCTION app.why_rejected(rejection text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE rejection
  WHEN 'workflow_not_found' THEN 'workflow_id: there is no such workflow.'
  WHEN 'other_workflows_execution' THEN 'n8n_execution_id: this n8n execution belongs to another workflow.'
END;

-- Raises, so that a refused delivery leaves no Idempotency-Key behind and may be repeated until it is taken.
CREATE FUNCTION app.require_recorded(rejection text)
RETURNS boolean
LANGUAGE plpgsql
IMMUTABLE
AS $$
BEGIN
  IF rejection IS NOT NULL THEN
    RAISE EXCEPTION USING
      errcode = CASE rejection WHEN 'workflow_not_found' THEN 'FL404' ELSE 'FL409' END,
      constraint = rejection, message = app.why_rejected(rejection);
  END IF;
  RETURN true;
END
$$;
