-- Bases as requests make and change them, and the scopes of all this.

-- A base of the entered tenant, with the model that it is searched by.
CREATE FUNCTION app.create_knowledge_base(
  name text, description text, source_type text, source_metadata jsonb, model text
)
RETURNS app.knowledge_bases
LANGUAGE plpgsql
AS $$
DECLARE
  created app.knowledge_bases;
BEGIN
  INSERT INTO app.knowledge_bases AS b (name, description, source_type, source_metadata)
  VALUES (
    create_knowledge_base.name, create_knowledge_base.description, create_knowledge_base.source_type,
    create_knowledge_base.source_metadata
  )
  RETURNING b.* INTO created;
  INSERT INTO app.knowledge_base_models (knowledge_base_id, embedding_model, is_active) VALUES (created.id, model, true);
  RETURN created;
END
$$;

-- An entry of the index as the original had it: the base of that name, made if there is none, and its text in it.
CREATE FUNCTION app.store_entry(title text, content text, metadata jsonb, model text, sent jsonb)
RETURNS TABLE (id uuid, tenant_id uuid, document_id uuid, pending_models text[])
LANGUAGE plpgsql
AS $$
DECLARE
  base uuid;
BEGIN
  LOOP
    UPDATE app.knowledge_bases AS b
    SET description = content, source_metadata = coalesce(metadata, b.source_metadata), updated_at = now()
    WHERE b.name = title RETURNING b.id INTO base;
    EXIT WHEN FOUND;
    BEGIN
      base := (app.create_knowledge_base(title, content, 'index', coalesce(metadata, '{}'), model)).id;
      EXIT;
    EXCEPTION WHEN unique_violation THEN
      CONTINUE;  -- another made it at this moment
    END;
  END LOOP;
  RETURN QUERY
  SELECT base, (s.document).tenant_id, (s.document).id, s.pending_models
  FROM app.store_documents(base, jsonb_build_array(sent)) AS s;
END
$$;

-- How far each model of a base is, in documents.
CREATE TYPE app.model_progress AS (
  knowledge_base_id uuid, embedding_model text, is_active boolean, documents bigint, embedded bigint, failed bigint,
  created_at timestamptz
);
CREATE FUNCTION app.models_of(base uuid)
RETURNS SETOF app.model_progress
LANGUAGE sql
STABLE
AS $$
  SELECT m.knowledge_base_id, m.embedding_model, m.is_active, count(t.id), count(t.id) FILTER (WHERE t.status = 'embedded'),
    count(t.id) FILTER (WHERE t.status = 'failed'), m.created_at
  FROM app.knowledge_base_models AS m
  LEFT JOIN app.embedding_tasks AS t
    ON t.knowledge_base_id = m.knowledge_base_id AND t.embedding_model = m.embedding_model
  WHERE m.knowledge_base_id = base
  GROUP BY m.knowledge_base_id, m.embedding_model, m.is_active, m.created_at
  ORDER BY m.created_at, m.embedding_model
$$;

-- Begins to build the vectors of another model beside those that are searched.
CREATE FUNCTION app.add_model(base uuid, model text)
RETURNS SETOF app.model_progress
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM app.take_turn(base);
  INSERT INTO app.knowledge_base_models (knowledge_base_id, embedding_model, is_active) VALUES (base, model, false);
  INSERT INTO app.embedding_tasks (knowledge_base_id, document_id, embedding_model, status, queued_at)
  SELECT base, d.id, model, CASE d.chunk_count WHEN 0 THEN 'embedded' ELSE 'processing' END, NULL
  FROM app.documents AS d WHERE d.knowledge_base_id = base;
  RETURN QUERY SELECT * FROM app.models_of(base);
END
$$;

-- Lets a base be searched by another of its models, at once, or raises FL404, FL409. It may be taken back.
CREATE FUNCTION app.activate_model(base uuid, model text)
RETURNS SETOF app.model_progress
LANGUAGE plpgsql
AS $$
DECLARE
  missing record;
BEGIN
  PERFORM app.take_turn(base);
  IF NOT EXISTS (
    SELECT FROM app.knowledge_base_models AS m WHERE m.knowledge_base_id = base AND m.embedding_model = model
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found', message = 'The knowledge base has no such model.';
  END IF;
  SELECT count(*) FILTER (WHERE new.status = 'processing') AS pending, count(*) FILTER (WHERE new.status = 'failed') AS failed
  INTO missing
  FROM app.embedding_tasks AS new
  JOIN app.knowledge_base_models AS m ON m.knowledge_base_id = base AND m.is_active
  JOIN app.embedding_tasks AS old ON old.document_id = new.document_id AND old.embedding_model = m.embedding_model
  WHERE new.knowledge_base_id = base AND new.embedding_model = model AND old.status = 'embedded';  -- what would be lost
  IF missing.pending + missing.failed > 0 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'model_incomplete', message = format(
      'Of the documents that are found now, %s wait for this model, and %s are among its dead letters. '
      'GET .../models tells how far it is.', missing.pending, missing.failed
    );
  END IF;
  INSERT INTO app.embeddings (  -- what neither model has embedded: the model that is searched has a row of every passage
    id, knowledge_base_id, chunk_text, chunk_metadata, document_name, chunk_index, embedding_model
  )
  SELECT e.id, base, e.chunk_text, e.chunk_metadata, e.document_name, e.chunk_index, model
  FROM app.embeddings AS e
  JOIN app.knowledge_base_models AS m ON m.knowledge_base_id = base AND m.is_active AND m.embedding_model = e.embedding_model
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

-- Drops a model that is not searched, with its vectors.
CREATE FUNCTION app.drop_model(base uuid, model text)
RETURNS SETOF app.knowledge_base_models
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM app.take_turn(base);
  IF EXISTS (
    SELECT FROM app.knowledge_base_models AS m
    WHERE m.knowledge_base_id = base AND m.embedding_model = model AND m.is_active
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'model_is_active',
      message = 'The knowledge base is searched by this model. Activate another one first.';
  END IF;
  PERFORM FROM app.embedding_tasks AS t
  WHERE t.knowledge_base_id = base AND t.embedding_model = model FOR UPDATE;  -- first, as who embeds them does
  RETURN QUERY
  DELETE FROM app.knowledge_base_models AS m WHERE m.knowledge_base_id = base AND m.embedding_model = model RETURNING m.*;
END
$$;

-- Tries again what was given up, or raises FL404.
CREATE FUNCTION app.retry_embedding(task uuid)
RETURNS SETOF app.embedding_tasks
LANGUAGE plpgsql
AS $$
BEGIN
  RETURN QUERY
  UPDATE app.embedding_tasks AS t SET status = 'processing', attempts = 0, due_at = now(), queued_at = now(), updated_at = now()
  WHERE t.id = task AND t.status = 'failed' RETURNING t.*;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found', message = 'There is nothing under that id.';
  END IF;
END
$$;

-- Tries again so many of all that were given up, of which `requeue` tells the queue. How many they are.
CREATE FUNCTION app.retry_embeddings(most integer)
RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
  retried bigint;
BEGIN
  UPDATE app.embedding_tasks AS t SET status = 'processing', attempts = 0, due_at = now(), queued_at = NULL, updated_at = now()
  WHERE t.id IN (SELECT f.id FROM app.embedding_tasks AS f WHERE f.status = 'failed' ORDER BY f.id LIMIT most);
  GET DIAGNOSTICS retried = ROW_COUNT;
  RETURN retried;
END
$$;

-- Takes a base out with all that is in it, or returns nothing: the base first, then its tasks, as who embeds them does.
CREATE FUNCTION app.delete_knowledge_base(base uuid, if_match text[])
RETURNS SETOF app.knowledge_bases
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM FROM app.knowledge_bases AS b WHERE b.id = base FOR UPDATE;
  PERFORM FROM app.embedding_tasks AS t WHERE t.knowledge_base_id = base ORDER BY t.id FOR UPDATE;
  RETURN QUERY
  DELETE FROM app.knowledge_bases AS b WHERE b.id = base AND app.require_match(app.etag(b), if_match) RETURNING b.*;
END
$$;

CREATE OR REPLACE FUNCTION app.key_scopes()
RETURNS text[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN '{workflows:read,workflows:write,executions:read,executions:write,events:write,webchat:read,webchat:write,
  preferences:read,preferences:write,tenant:read,knowledge:read,knowledge:write}'::text[];

-- The least role that a scope needs in a tenant. To embed a base anew costs money, so no member and no key may ask for it.
CREATE OR REPLACE FUNCTION app.needed_role(scope text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE
  WHEN scope IN ('tenant:write', 'members:write', 'keys:read', 'keys:write', 'models:write') THEN 'admin'
  WHEN scope IN ('holds:read', 'holds:write', 'archive:read', 'archive:write') THEN 'admin'
  WHEN scope IN ('tenant:delete', 'erasures:read', 'erasures:write') THEN 'owner'
  ELSE 'member'
END;
