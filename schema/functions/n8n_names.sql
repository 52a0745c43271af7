-- Names, states and tags of workflows, which follow n8n.

-- Changes the workflows of which n8n says something else than before, unless that was changed here, where the instance
-- does not say that n8n wins, or they are under a legal hold. What is told of an earlier moment than what is known says
-- nothing. That the same is told still is noted once an hour. Other workflows are neither written nor locked.
CREATE OR REPLACE FUNCTION app.follow_workflows(events jsonb, instance smallint)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  wins boolean := coalesce(
    (SELECT i.n8n_wins FROM app.n8n_instances AS i WHERE i.tenant_id = app.tenant() AND i.number = instance), false
  );
BEGIN
  WITH told AS (
    SELECT DISTINCT ON (w.id, a.field) w.id, a.field, a.told, a.here, coalesce(e.started_at, now()) AS told_at,
      w.name AS former_name, w.is_active AS was_active, w.tags AS former_tags
    FROM jsonb_to_recordset(events) AS e (
      n8n_workflow_id text, workflow_name text, workflow_active boolean, workflow_tags jsonb, started_at timestamptz
    )
    JOIN app.workflows AS w ON w.n8n_workflow_id = e.n8n_workflow_id AND w.n8n_instance = instance
    LEFT JOIN app.n8n_names AS n ON n.tenant_id = w.tenant_id AND n.workflow_id = w.id
    CROSS JOIN LATERAL (  -- `first`: what is here before n8n says anything
      VALUES
      ('name', to_jsonb(e.workflow_name), to_jsonb(w.name), to_jsonb(n.name), to_jsonb(e.workflow_name), n.told_at),
      (
        'is_active', to_jsonb(e.workflow_active), to_jsonb(w.is_active), to_jsonb(n.is_active), 'true',
        n.active_told_at
      ),
      ('tags', e.workflow_tags, to_jsonb(w.tags), to_jsonb(n.tags), '[]', n.tags_told_at)
    ) AS a (field, told, here, known, first, known_at)
    WHERE a.told IS NOT NULL
      AND (a.known_at IS NULL OR coalesce(e.started_at, now()) > a.known_at)
      AND (a.told IS DISTINCT FROM a.known OR coalesce(e.started_at, now()) > a.known_at + interval '1 hour')
      AND (wins OR a.here IN (a.told, coalesce(a.known, a.first)))
      AND NOT app.is_held(w.tenant_id, w.id)
    ORDER BY w.id, a.field, coalesce(e.started_at, now()) DESC, a.told
  ),
  news AS MATERIALIZED (
    SELECT
      t.id, t.former_name, t.was_active, t.former_tags, bool_or(t.told <> t.here) AS differs,
      max(t.told #>> '{}') FILTER (WHERE t.field = 'name') AS name,
      max(t.told_at) FILTER (WHERE t.field = 'name') AS name_at,
      bool_or(t.told = 'true') FILTER (WHERE t.field = 'is_active') AS is_active,
      max(t.told_at) FILTER (WHERE t.field = 'is_active') AS active_at,
      app.texts_in(min(t.told::text) FILTER (WHERE t.field = 'tags')::jsonb) AS tags,
      max(t.told_at) FILTER (WHERE t.field = 'tags') AS tags_at
    FROM told AS t
    GROUP BY t.id, t.former_name, t.was_active, t.former_tags
  ),
  locked AS MATERIALIZED (  -- in one order, so that concurrent batches cannot deadlock
    SELECT w.id FROM app.workflows AS w JOIN news AS s ON s.id = w.id AND s.differs
    ORDER BY w.id FOR NO KEY UPDATE OF w
  ),
  changed AS (
    UPDATE app.workflows AS w
    SET name = coalesce(s.name, w.name), is_active = coalesce(s.is_active, w.is_active),
      tags = coalesce(s.tags, w.tags), updated_at = now()
    FROM news AS s, locked AS l
    WHERE l.id = s.id AND w.id = s.id
      AND (w.name, w.is_active, w.tags) = (s.former_name, s.was_active, s.former_tags)
  )
  INSERT INTO app.n8n_names AS n (workflow_id, name, told_at, is_active, active_told_at, tags, tags_told_at)
  SELECT s.id, s.name, s.name_at, s.is_active, s.active_at, s.tags, s.tags_at FROM news AS s ORDER BY s.id
  ON CONFLICT (tenant_id, workflow_id) DO UPDATE SET (name, told_at, is_active, active_told_at, tags, tags_told_at) = (
    CASE WHEN app.is_later(excluded.told_at, n.told_at) THEN excluded.name ELSE n.name END,
    greatest(excluded.told_at, n.told_at),
    CASE WHEN app.is_later(excluded.active_told_at, n.active_told_at) THEN excluded.is_active ELSE n.is_active END,
    greatest(excluded.active_told_at, n.active_told_at),
    CASE WHEN app.is_later(excluded.tags_told_at, n.tags_told_at) THEN excluded.tags ELSE n.tags END,
    greatest(excluded.tags_told_at, n.tags_told_at)
  );
END
$$;

-- Whether a moment is one, and no other one is known that is as late.
CREATE OR REPLACE FUNCTION app.is_later(said_at timestamptz, known_at timestamptz)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN said_at IS NOT NULL AND (known_at IS NULL OR said_at > known_at);

-- The texts of an array of JSON; NULL of none.
CREATE OR REPLACE FUNCTION app.texts_in(texts jsonb)
RETURNS text[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE WHEN texts IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text(texts)) END;

-- As the code before called it.
CREATE OR REPLACE FUNCTION app.follow_names(events jsonb, instance smallint)
RETURNS void
LANGUAGE sql
BEGIN ATOMIC
  SELECT app.follow_workflows(events, instance);
END;
