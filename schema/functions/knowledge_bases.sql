-- Creating and deleting knowledge bases.

-- Creates a base of the authorized tenant, with the model that it is searched by.
CREATE OR REPLACE FUNCTION app.create_knowledge_base(
  name text, description text, source_type text, source_metadata jsonb, model text, language text DEFAULT 'english'
)
RETURNS app.knowledge_bases
LANGUAGE plpgsql
AS $$
DECLARE
  created app.knowledge_bases;
BEGIN
  INSERT INTO app.knowledge_bases AS b (
    name, description, source_type, source_metadata, language, languages, indexed_as
  )
  VALUES (
    create_knowledge_base.name, create_knowledge_base.description, create_knowledge_base.source_type,
    create_knowledge_base.source_metadata, create_knowledge_base.language, '{}',
    app.indexed_as(create_knowledge_base.language)
  )
  RETURNING b.* INTO created;
  INSERT INTO app.knowledge_base_models (knowledge_base_id, embedding_model, is_active)
  VALUES (created.id, model, true);
  RETURN created;
END
$$;

-- What of a base changes with its language: all its documents are to be indexed anew, and it is searched by both.
CREATE OR REPLACE FUNCTION app.words_to_index(
  base app.knowledge_bases, language text, OUT languages text[], OUT words_pending integer, OUT indexed_as text
)
LANGUAGE sql
STABLE
AS $$
  SELECT
    base.languages || ARRAY(SELECT n.language WHERE n.language <> 'auto' AND n.language <> ALL (base.languages)),
    CASE n.language WHEN base.language THEN base.words_pending ELSE base.document_count END,
    CASE n.language WHEN base.language THEN base.indexed_as ELSE '' END
  FROM (SELECT words_to_index.language) AS n
$$;

-- Stores an entry of the original API's index: a base of that name, created if there is none, with its text as a
-- document.
CREATE OR REPLACE FUNCTION app.store_entry(title text, content text, metadata jsonb, model text, sent jsonb)
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
      CONTINUE;  -- another request created it at this moment
    END;
  END LOOP;
  RETURN QUERY
  SELECT base, (s.document).tenant_id, (s.document).id, s.pending_models
  FROM app.store_documents(base, jsonb_build_array(sent)) AS s;
END
$$;

-- Deletes a base with its documents and returns it. Locks the base first, then its tasks, as the worker does.
CREATE OR REPLACE FUNCTION app.delete_knowledge_base(base uuid, if_match text[])
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

-- Locks a base: its writers run one after another, so that its counts are exact. Raises FL404 if there is no such base.
CREATE OR REPLACE FUNCTION app.lock_knowledge_base(base uuid)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM FROM app.knowledge_bases AS b WHERE b.id = base FOR NO KEY UPDATE;
  PERFORM app.require_found(FOUND);
END
$$;
