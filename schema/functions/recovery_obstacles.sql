-- What a recovery leaves as it is.

-- What would be inserted without the row that it refers to stays away.
CREATE OR REPLACE FUNCTION app.without_orphans(plan app.planned_row[])
RETURNS app.planned_row[]
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_custom_plan  -- lists are looked up by hash where they are known
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
  RETURN ARRAY(
    SELECT CASE
      WHEN p.action = 'insert' AND (
        p.table_name <> 'alerts'  -- which outlive their workflow
        AND coalesce(p.image ->> 'workflow_id', p.image ->> 'knowledge_base_id')::uuid <> ALL (parents)
        OR p.table_name = 'user_preferences' AND NOT EXISTS (
          SELECT FROM app.tenant_memberships AS m
          WHERE m.tenant_id = app.tenant() AND m.user_id = p.image ->> 'user_id'
        )
      ) THEN ROW(p.table_name, p.id, 'orphaned', p.image, p.present)::app.planned_row
      ELSE p::app.planned_row
    END FROM unnest(plan) AS p
  );
END
$$;

-- What would be written while another row, that stays as it is, has what is unique in the tenant.
CREATE OR REPLACE FUNCTION app.without_taken(plan app.planned_row[])
RETURNS app.planned_row[]
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_custom_plan
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
  taken := ARRAY(
    SELECT p.id FROM unnest(plan) AS p
    JOIN app.workflows AS w ON w.n8n_workflow_id = p.image ->> 'n8n_workflow_id'
      AND w.n8n_instance = coalesce((p.image ->> 'n8n_instance')::smallint, 0)
    WHERE p.table_name = 'workflows' AND p.action IN ('insert', 'update')
      AND w.tenant_id = app.tenant() AND w.id <> p.id AND w.id <> ALL (written)
    UNION
    SELECT p.id FROM unnest(plan) AS p
    JOIN app.webchat_sessions AS s ON s.user_id = p.image ->> 'user_id'
      AND s.workflow_id = (p.image ->> 'workflow_id')::uuid
    WHERE p.table_name = 'webchat_sessions' AND p.action = 'insert'
      AND s.tenant_id = app.tenant() AND s.id <> ALL (gone)
    UNION
    SELECT p.id FROM unnest(plan) AS p
    JOIN app.user_preferences AS u ON u.user_id = p.image ->> 'user_id'
    WHERE p.table_name = 'user_preferences' AND p.action = 'insert'
      AND u.tenant_id = app.tenant() AND u.id <> ALL (gone)
    UNION
    SELECT p.id FROM unnest(plan) AS p
    JOIN app.knowledge_bases AS b ON b.name = p.image ->> 'name'
    WHERE p.table_name = 'knowledge_bases' AND p.action IN ('insert', 'update')
      AND b.tenant_id = app.tenant() AND b.id <> p.id AND b.id <> ALL (written)
    UNION
    SELECT p.id FROM unnest(plan) AS p
    JOIN app.documents AS d ON d.name = p.image ->> 'name'
      AND d.knowledge_base_id = (p.image ->> 'knowledge_base_id')::uuid
    WHERE p.table_name = 'documents' AND p.action = 'insert'
      AND d.tenant_id = app.tenant() AND d.id <> ALL (gone)
  );
  IF cardinality(n8n_ids) > 0 THEN
    taken := taken || ARRAY(
      SELECT p.id FROM unnest(plan) AS p
      JOIN (
        SELECT e.id, e.n8n_execution_id, e.workflow_id, e.status, e.started_at, e.finished_at, e.created_at
        FROM app.workflow_executions AS e
        WHERE e.tenant_id = app.tenant() AND e.retention_class = ANY (app.classes_of_tenant())
          AND e.n8n_execution_id = ANY (n8n_ids)
      ) AS e ON e.n8n_execution_id = p.image ->> 'n8n_execution_id'
        AND e.workflow_id = (p.image ->> 'workflow_id')::uuid AND app.may_be_of(
          (p.image ->> 'started_at')::timestamptz,
          app.end_of(
            p.image ->> 'status', (p.image ->> 'started_at')::timestamptz, (p.image ->> 'finished_at')::timestamptz
          ),
          e.started_at, app.end_of(e.status, e.started_at, e.finished_at), e.created_at
        )
      WHERE p.table_name = 'workflow_executions' AND p.action = 'insert' AND e.id <> ALL (gone)
    );
  END IF;
  IF cardinality(taken) = 0 THEN
    RETURN plan;
  END IF;
  RETURN app.without_orphans(ARRAY(
    SELECT CASE
      WHEN p.id = ANY (taken) AND p.action IN ('insert', 'update')
      THEN ROW(p.table_name, p.id, 'taken', p.image, p.present)::app.planned_row
      ELSE p::app.planned_row
    END FROM unnest(plan) AS p
  ));
END
$$;
