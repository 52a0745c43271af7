-- Names of workflows, which follow n8n.

-- Renames the workflows that n8n calls otherwise than before, unless they have been renamed here or are under a legal
-- hold. What is told of an earlier moment than the name that is known says nothing. Others are neither written nor
-- locked.
CREATE OR REPLACE FUNCTION app.follow_names(events jsonb, instance smallint)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  WITH told AS MATERIALIZED (
    SELECT DISTINCT ON (w.id)
      w.id, w.name AS former_name, e.workflow_name AS name, coalesce(e.started_at, now()) AS told_at
    FROM jsonb_to_recordset(events) AS e (n8n_workflow_id text, workflow_name text, started_at timestamptz)
    JOIN app.workflows AS w ON w.n8n_workflow_id = e.n8n_workflow_id AND w.n8n_instance = instance
    LEFT JOIN app.n8n_names AS n ON n.tenant_id = w.tenant_id AND n.workflow_id = w.id
    WHERE e.workflow_name IS NOT NULL AND e.workflow_name IS DISTINCT FROM n.name
      AND w.name = coalesce(n.name, e.workflow_name)
      AND (n.told_at IS NULL OR coalesce(e.started_at, now()) > n.told_at)
      AND NOT app.is_held(w.tenant_id, w.id)
    ORDER BY w.id, told_at DESC, name
  ),
  locked AS MATERIALIZED (  -- in one order, so that concurrent batches cannot deadlock
    SELECT w.id FROM app.workflows AS w JOIN told AS t ON t.id = w.id AND t.name <> t.former_name
    ORDER BY w.id FOR NO KEY UPDATE OF w
  ),
  renamed AS (
    UPDATE app.workflows AS w SET name = t.name, updated_at = now()
    FROM told AS t, locked AS l WHERE l.id = t.id AND w.id = t.id AND w.name = t.former_name
  )
  INSERT INTO app.n8n_names AS n (workflow_id, name, told_at)
  SELECT t.id, t.name, t.told_at FROM told AS t ORDER BY t.id
  ON CONFLICT (tenant_id, workflow_id) DO UPDATE SET name = excluded.name, told_at = excluded.told_at
  WHERE n.told_at < excluded.told_at;
END
$$;
