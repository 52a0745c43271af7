-- What a recovery leaves as it is.

-- A plan that leaves these rows as they are, for a reason.
CREATE OR REPLACE FUNCTION app.left_as_they_are(plan app.planned_row[], ids uuid[], reason text)
RETURNS app.planned_row[]
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_generic_plan  -- else each mention of a plan is a copy of it
AS $$
BEGIN
  RETURN CASE WHEN cardinality(ids) = 0 THEN plan ELSE ARRAY(
    SELECT CASE WHEN p.id IN (SELECT unnest(ids))
      THEN ROW(p.table_name, p.id, reason, p.image, p.present, p.seqs)::app.planned_row
      ELSE p::app.planned_row END
    FROM unnest(plan) AS p
  ) END;
END
$$;

-- What would be inserted without the row that it refers to stays away.
CREATE OR REPLACE FUNCTION app.without_orphans(plan app.planned_row[])
RETURNS app.planned_row[]
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_generic_plan  -- else each mention of a plan is a copy of it
AS $$
DECLARE
  parents uuid[] := ARRAY(
    (
      SELECT w.id FROM app.workflows AS w WHERE w.tenant_id = app.tenant()
      UNION ALL SELECT b.id FROM app.knowledge_bases AS b WHERE b.tenant_id = app.tenant()
    )
    EXCEPT SELECT p.id FROM unnest(plan) AS p
    WHERE p.table_name IN ('workflows', 'knowledge_bases') AND p.action = 'delete'
    UNION SELECT p.id FROM unnest(plan) AS p
    WHERE p.table_name IN ('workflows', 'knowledge_bases') AND p.action = 'insert'
  );
BEGIN
  RETURN app.left_as_they_are(plan, ARRAY(
    SELECT p.id FROM unnest(plan) AS p
    WHERE p.action = 'insert' AND (
      p.table_name <> 'alerts'  -- which outlive their workflow
      AND coalesce(p.image ->> 'workflow_id', p.image ->> 'knowledge_base_id')::uuid NOT IN (SELECT unnest(parents))
      OR p.table_name = 'user_preferences' AND NOT EXISTS (
        SELECT FROM app.tenant_memberships AS m
        WHERE m.tenant_id = app.tenant() AND m.user_id = p.image ->> 'user_id'
      )
    )
  ), 'orphaned');
END
$$;

-- What would be written while another row, that stays as it is, has what is unique in the tenant.
CREATE OR REPLACE FUNCTION app.without_taken(plan app.planned_row[])
RETURNS app.planned_row[]
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_generic_plan  -- else each mention of a plan is a copy of it
SET enable_nestloop = off  -- would read each stored row for each planned one
AS $$
DECLARE
  gone uuid[] := ARRAY(SELECT p.id FROM unnest(plan) AS p WHERE p.action = 'delete');
  n8n_ids text[] := ARRAY(
    SELECT p.image ->> 'n8n_execution_id' FROM unnest(plan) AS p
    WHERE p.table_name = 'workflow_executions' AND p.action = 'insert' AND p.image ->> 'n8n_execution_id' <> ''
  );
  written uuid[] := ARRAY(SELECT p.id FROM unnest(plan) AS p WHERE p.action IN ('update', 'delete'));
  taken uuid[];
BEGIN
  WITH p AS MATERIALIZED (
    SELECT u.id, u.table_name, u.action, i.* FROM unnest(plan) AS u
    CROSS JOIN LATERAL jsonb_to_record(u.image) AS i (
      n8n_workflow_id text, n8n_instance smallint, user_id text, workflow_id uuid, name text, knowledge_base_id uuid
    )
    WHERE u.action IN ('insert', 'update') AND u.table_name <> 'workflow_executions'
  )
  SELECT coalesce(array_agg(t.id), '{}') INTO taken FROM (
    SELECT p.id FROM p
    JOIN app.workflows AS w ON w.n8n_workflow_id = p.n8n_workflow_id AND w.n8n_instance = coalesce(p.n8n_instance, 0)
    WHERE p.table_name = 'workflows' AND w.tenant_id = app.tenant()
      AND w.id <> p.id AND w.id NOT IN (SELECT unnest(written))
    UNION
    SELECT p.id FROM p
    JOIN app.webchat_sessions AS s ON s.user_id = p.user_id AND s.workflow_id = p.workflow_id
    WHERE p.table_name = 'webchat_sessions' AND p.action = 'insert'
      AND s.tenant_id = app.tenant() AND s.id NOT IN (SELECT unnest(gone))
    UNION
    SELECT p.id FROM p
    JOIN app.user_preferences AS u ON u.user_id = p.user_id
    WHERE p.table_name = 'user_preferences' AND p.action = 'insert'
      AND u.tenant_id = app.tenant() AND u.id NOT IN (SELECT unnest(gone))
    UNION
    SELECT p.id FROM p
    JOIN app.knowledge_bases AS b ON b.name = p.name
    WHERE p.table_name = 'knowledge_bases' AND b.tenant_id = app.tenant()
      AND b.id <> p.id AND b.id NOT IN (SELECT unnest(written))
    UNION
    SELECT p.id FROM p
    JOIN app.documents AS d ON d.name = p.name AND d.knowledge_base_id = p.knowledge_base_id
    WHERE p.table_name = 'documents' AND p.action = 'insert'
      AND d.tenant_id = app.tenant() AND d.id NOT IN (SELECT unnest(gone))
  ) AS t;
  IF cardinality(n8n_ids) > 0 THEN
    taken := taken || ARRAY(
      WITH p AS MATERIALIZED (
        SELECT u.id, i.* FROM unnest(plan) AS u
        CROSS JOIN LATERAL jsonb_to_record(u.image) AS i (
          n8n_execution_id text, workflow_id uuid, status text, started_at timestamptz, finished_at timestamptz
        )
        WHERE u.table_name = 'workflow_executions' AND u.action = 'insert'
      )
      SELECT p.id FROM p
      JOIN (
        SELECT e.id, e.n8n_execution_id, e.workflow_id, e.status, e.started_at, e.finished_at, e.created_at
        FROM app.workflow_executions AS e
        WHERE e.tenant_id = app.tenant() AND e.retention_class = ANY (app.classes_of_tenant())
          AND e.n8n_execution_id = ANY (n8n_ids)
      ) AS e ON e.n8n_execution_id = p.n8n_execution_id AND e.workflow_id = p.workflow_id AND app.may_be_of(
        p.started_at, app.end_of(p.status, p.started_at, p.finished_at),
        e.started_at, app.end_of(e.status, e.started_at, e.finished_at), e.created_at
      )
      WHERE e.id NOT IN (SELECT unnest(gone))
    );
  END IF;
  RETURN CASE WHEN cardinality(taken) = 0 THEN plan
    ELSE app.without_orphans(app.left_as_they_are(plan, taken, 'taken')) END;
END
$$;
