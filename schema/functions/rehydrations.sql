-- Rehydration: adds copies of archived executions, and deletes them when their time is over.

-- Requests a rehydration in the current tenant, or raises FL409.
CREATE OR REPLACE FUNCTION app.ask_for_rehydration(
  first_at timestamptz, last_at timestamptz, workflow uuid, days integer
)
RETURNS SETOF app.rehydrations
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM app.wait_for_turn('rehydrations');
  IF (
    SELECT count(*) FROM app.rehydrations AS r WHERE r.tenant_id = app.tenant() AND r.state IN ('pending', 'running')
  ) >= 20 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'too_many_open',
      message = 'The tenant has 20 open restores: wait until one is done.';
  END IF;
  RETURN QUERY INSERT INTO app.rehydrations (first_at, last_at, workflow_id, days)
  VALUES (ask_for_rehydration.first_at, ask_for_rehydration.last_at, workflow, ask_for_rehydration.days) RETURNING *;
END
$$;

-- Adds archived executions as copies of a rehydration, under the locks of their deliveries. One that is hot already is
-- not copied; a copy of another rehydration stays for this one as well. `orphaned`: their workflow is deleted.
CREATE OR REPLACE FUNCTION app.rehydrate(rehydration uuid, archived jsonb, OUT copied bigint, OUT orphaned bigint)
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan  -- only a plan for these very rows leaves partitions out
AS $$
DECLARE
  tenant uuid;
  ids uuid[] := ARRAY(SELECT (a ->> 'id')::uuid FROM jsonb_array_elements(archived) AS a ORDER BY 1);
  n8n_ids text[] := ARRAY(
    SELECT a ->> 'n8n_execution_id' FROM jsonb_array_elements(archived) AS a WHERE a ->> 'n8n_execution_id' IS NOT NULL
  );
  hot uuid[];
  anew uuid[];
BEGIN
  SELECT r.tenant_id INTO STRICT tenant
  FROM app.rehydrations AS r WHERE r.id = rehydration AND r.state = 'running' FOR UPDATE;
  PERFORM set_config('app.tenant_id', tenant::text, true), set_config('app.rehydrating', 'on', true);
  PERFORM app.lock_n8n_ids(n8n_ids);
  hot := ARRAY(
    SELECT e.id FROM app.workflow_executions AS e
    WHERE e.tenant_id = tenant AND e.id = ANY (ids) AND e.id BETWEEN ids[1] AND ids[cardinality(ids)]
  );
  anew := ARRAY(  -- delivered again without their time, and so recorded under other ids
    SELECT a.id FROM jsonb_to_recordset(archived) AS a (
      id uuid, workflow_id uuid, n8n_execution_id text, status text, started_at timestamptz, finished_at timestamptz
    )
    JOIN app.workflow_executions AS e ON e.n8n_execution_id = a.n8n_execution_id AND e.workflow_id = a.workflow_id
    WHERE e.tenant_id = tenant AND e.n8n_execution_id = ANY (n8n_ids) AND app.may_be_of(
      a.started_at, app.end_of(a.status, a.started_at, a.finished_at),
      e.started_at, app.end_of(e.status, e.started_at, e.finished_at), e.created_at
    )
  );

  WITH copies AS (
    INSERT INTO app.workflow_executions AS e (
      retention_class, id, tenant_id, workflow_id, n8n_execution_id, status, started_at, finished_at, created_at,
      error_message, execution_data
    )
    SELECT
      0, a.id, tenant, w.id, a.n8n_execution_id, a.status, a.started_at, a.finished_at, a.created_at,
      a.error_message, a.execution_data::jsonb
    FROM jsonb_to_recordset(archived) AS a (
      id uuid, workflow_id uuid, n8n_execution_id text, status text, started_at timestamptz, finished_at timestamptz,
      created_at timestamptz, error_message text, execution_data text
    )
    JOIN app.workflows AS w ON w.tenant_id = tenant AND w.id = a.workflow_id
    WHERE a.id <> ALL (hot) AND a.id <> ALL (anew)
      AND NOT EXISTS (  -- a deleted copy is not added again
        SELECT FROM app.rehydrated_rows AS r
        WHERE r.tenant_id = tenant AND r.id = a.id AND r.rehydration_id = rehydration
      )
    RETURNING e.id, app.execution_checksum(e) AS checksum
  )
  INSERT INTO app.rehydrated_rows (tenant_id, id, rehydration_id, checksum)
  SELECT tenant, c.id, rehydration, c.checksum FROM copies AS c
  UNION ALL
  (
    SELECT DISTINCT ON (r.id) tenant, r.id, rehydration, r.checksum FROM app.rehydrated_rows AS r
    WHERE r.tenant_id = tenant AND r.id = ANY (hot) AND r.rehydration_id <> rehydration
  )
  ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS copied = ROW_COUNT;
  UPDATE app.rehydrations AS r SET rows_done = r.rows_done + copied WHERE r.id = rehydration;

  SELECT count(*) INTO orphaned FROM jsonb_array_elements(archived) AS a
  WHERE NOT EXISTS (SELECT FROM app.workflows AS w WHERE w.tenant_id = tenant AND w.id = (a ->> 'workflow_id')::uuid);
END
$$;

-- Ends the next copies of a rehydration. Unchanged copies are deleted, held ones as well, since the archived versions
-- stay, unless another rehydration has them too. A changed copy is from then on an execution like any other.
CREATE OR REPLACE FUNCTION app.end_rehydration(rehydration uuid, most integer, OUT ended bigint, OUT deleted bigint)
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
  tenant uuid := (SELECT r.tenant_id FROM app.rehydrations AS r WHERE r.id = rehydration);
  ids uuid[] := ARRAY(
    SELECT r.id FROM app.rehydrated_rows AS r
    WHERE r.tenant_id = tenant AND r.rehydration_id = rehydration ORDER BY r.id LIMIT most
  );
BEGIN
  PERFORM set_config('app.tenant_id', tenant::text, true), set_config('app.moving', 'on', true);
  PERFORM app.lock_executions(ids, 0::smallint);
  DELETE FROM app.workflow_executions AS e USING app.rehydrated_rows AS r
  WHERE r.tenant_id = tenant AND r.rehydration_id = rehydration AND r.id = ANY (ids)
    AND e.retention_class = 0 AND e.tenant_id = tenant AND e.id = r.id AND app.execution_checksum(e) = r.checksum
    AND NOT EXISTS (
      SELECT FROM app.rehydrated_rows AS o
      WHERE o.tenant_id = tenant AND o.id = r.id AND o.rehydration_id <> rehydration
    );
  GET DIAGNOSTICS deleted = ROW_COUNT;
  DELETE FROM app.rehydrated_rows AS r
  WHERE r.tenant_id = tenant AND r.rehydration_id = rehydration AND r.id = ANY (ids);
  GET DIAGNOSTICS ended = ROW_COUNT;
END
$$;
