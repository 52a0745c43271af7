-- Names of workflows, which follow n8n.

-- Renames the workflows that n8n calls otherwise than before, unless they have been renamed here or are under a legal
-- hold. What is told of an earlier moment than the name that is known says nothing. Others are neither written nor
-- locked.
CREATE OR REPLACE FUNCTION app.follow_names(events jsonb, instance smallint)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  told record;
BEGIN
  FOR told IN
    SELECT DISTINCT ON (w.id) w.id, e.workflow_name AS name, coalesce(e.started_at, now()) AS told_at
    FROM jsonb_to_recordset(events) AS e (n8n_workflow_id text, workflow_name text, started_at timestamptz)
    JOIN app.workflows AS w ON w.n8n_workflow_id = e.n8n_workflow_id AND w.n8n_instance = instance
    LEFT JOIN app.n8n_names AS n ON n.tenant_id = w.tenant_id AND n.workflow_id = w.id
    WHERE e.workflow_name IS DISTINCT FROM n.name AND e.workflow_name IS NOT NULL
      AND w.name = coalesce(n.name, e.workflow_name)
      AND (n.told_at IS NULL OR coalesce(e.started_at, now()) > n.told_at)
      AND NOT app.is_held(w.tenant_id, w.id)
    ORDER BY w.id, told_at DESC, name
  LOOP
    UPDATE app.workflows AS w SET name = told.name, updated_at = now() WHERE w.id = told.id AND w.name <> told.name;
    INSERT INTO app.n8n_names AS n (workflow_id, name, told_at) VALUES (told.id, told.name, told.told_at)
    ON CONFLICT (tenant_id, workflow_id) DO UPDATE SET name = excluded.name, told_at = excluded.told_at
    WHERE n.told_at < excluded.told_at;
  END LOOP;
END
$$;
