-- The models of a base: added beside the active one, activated, dropped.

CREATE OR REPLACE FUNCTION app.models_of(base uuid)
RETURNS SETOF app.model_progress
LANGUAGE sql
STABLE
AS $$
  SELECT m.knowledge_base_id, m.embedding_model, m.is_active, count(t.id),
    count(t.id) FILTER (WHERE t.status = 'embedded'), count(t.id) FILTER (WHERE t.status = 'failed'), m.created_at
  FROM app.knowledge_base_models AS m
  LEFT JOIN app.embedding_tasks AS t
    ON t.knowledge_base_id = m.knowledge_base_id AND t.embedding_model = m.embedding_model
  WHERE m.knowledge_base_id = base
  GROUP BY m.knowledge_base_id, m.embedding_model, m.is_active, m.created_at
  ORDER BY m.created_at, m.embedding_model
$$;

-- Adds a model, whose vectors are built beside those that are searched.
CREATE OR REPLACE FUNCTION app.add_model(base uuid, model text)
RETURNS SETOF app.model_progress
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM app.lock_knowledge_base(base);
  INSERT INTO app.knowledge_base_models (knowledge_base_id, embedding_model, is_active) VALUES (base, model, false);
  INSERT INTO app.embedding_tasks (knowledge_base_id, document_id, embedding_model, status, queued_at)
  SELECT base, d.id, model, CASE d.chunk_count WHEN 0 THEN 'embedded' ELSE 'processing' END, NULL
  FROM app.documents AS d WHERE d.knowledge_base_id = base;
  RETURN QUERY SELECT * FROM app.models_of(base);
END
$$;

-- Switches the search of a base to another of its models at once, or raises FL404 or FL409. It may be switched back.
CREATE OR REPLACE FUNCTION app.activate_model(base uuid, model text)
RETURNS SETOF app.model_progress
LANGUAGE plpgsql
AS $$
DECLARE
  missing record;
BEGIN
  PERFORM app.lock_knowledge_base(base);
  IF NOT EXISTS (
    SELECT FROM app.knowledge_base_models AS m WHERE m.knowledge_base_id = base AND m.embedding_model = model
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found',
      message = 'The knowledge base has no such model.';
  END IF;
  SELECT
    count(*) FILTER (WHERE new.status = 'processing') AS pending,
    count(*) FILTER (WHERE new.status = 'failed') AS failed
  INTO missing
  FROM app.embedding_tasks AS new
  JOIN app.knowledge_base_models AS m ON m.knowledge_base_id = base AND m.is_active
  JOIN app.embedding_tasks AS old ON old.document_id = new.document_id AND old.embedding_model = m.embedding_model
  WHERE new.knowledge_base_id = base AND new.embedding_model = model
    AND old.status = 'embedded';  -- what would no longer be found
  IF missing.pending + missing.failed > 0 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'model_incomplete', message = format(
      'Of the documents that are found now, %s wait for this model, and %s are among its dead letters. '
      'GET .../models shows its progress.', missing.pending, missing.failed
    );
  END IF;
  INSERT INTO app.embeddings (  -- passages that neither model has embedded: the active one has a row of each
    id, knowledge_base_id, chunk_text, chunk_metadata, document_name, chunk_index, embedding_model
  )
  SELECT e.id, base, e.chunk_text, e.chunk_metadata, e.document_name, e.chunk_index, model
  FROM app.embeddings AS e
  JOIN app.knowledge_base_models AS m
    ON m.knowledge_base_id = base AND m.is_active AND m.embedding_model = e.embedding_model
  WHERE e.knowledge_base_id = base AND NOT EXISTS (
    SELECT FROM app.embeddings AS o WHERE o.tenant_id = e.tenant_id AND o.id = e.id AND o.embedding_model = model
  )
  ON CONFLICT DO NOTHING;
  UPDATE app.knowledge_base_models AS m SET is_active = false
  WHERE m.knowledge_base_id = base AND m.is_active AND m.embedding_model <> model;
  UPDATE app.knowledge_base_models AS m SET is_active = true
  WHERE m.knowledge_base_id = base AND m.embedding_model = model AND NOT m.is_active;
  RETURN QUERY SELECT * FROM app.models_of(base);
END
$$;

-- Drops a model that is not active, with its vectors. Raises FL409 if it is active.
CREATE OR REPLACE FUNCTION app.drop_model(base uuid, model text)
RETURNS SETOF app.knowledge_base_models
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM app.lock_knowledge_base(base);
  IF EXISTS (
    SELECT FROM app.knowledge_base_models AS m
    WHERE m.knowledge_base_id = base AND m.embedding_model = model AND m.is_active
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'model_is_active',
      message = 'The knowledge base is searched by this model. Activate another one first.';
  END IF;
  PERFORM FROM app.embedding_tasks AS t
  WHERE t.knowledge_base_id = base AND t.embedding_model = model FOR UPDATE;  -- first, in the worker's lock order
  RETURN QUERY
  DELETE FROM app.knowledge_base_models AS m
  WHERE m.knowledge_base_id = base AND m.embedding_model = model RETURNING m.*;
END
$$;
