-- Passages of recovered documents: derived again from the document, and embedded again. Vectors of texts that the
-- tenant still has are copied. Until then a document's task is due at no time ('infinity').

-- How a document was cut, with the texts of passages only where its content does not have them.
CREATE OR REPLACE FUNCTION app.passages_to_keep(sent jsonb)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN (
  SELECT jsonb_agg(
    CASE WHEN sent ->> 'content' IS NULL THEN p.passage ELSE p.passage - 'text' END ORDER BY p.ordinality
  )
  FROM jsonb_array_elements(sent -> 'chunks') WITH ORDINALITY AS p (passage)
);

CREATE OR REPLACE FUNCTION app.await_passages(plan app.planned_row[])
RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
  INSERT INTO app.embedding_tasks AS t (knowledge_base_id, document_id, embedding_model, status, due_at)
  SELECT d.knowledge_base_id, d.id, m.embedding_model, 'processing', 'infinity'
  FROM app.documents AS d
  JOIN app.knowledge_base_models AS m ON m.tenant_id = d.tenant_id AND m.knowledge_base_id = d.knowledge_base_id
  WHERE d.tenant_id = app.tenant() AND d.id IN (
    SELECT p.id FROM unnest(plan) AS p WHERE p.table_name = 'documents' AND p.action IN ('insert', 'update')
  )
  ORDER BY d.id
  ON CONFLICT (tenant_id, document_id, embedding_model) DO UPDATE
  SET status = excluded.status, attempts = 0, reason = NULL, due_at = excluded.due_at, queued_at = now(),
    updated_at = now();
END
$$;

-- Of all tenants, the documents that wait for their passages.
CREATE OR REPLACE FUNCTION app.awaited_passages()
RETURNS TABLE (tenant_id uuid, document_id uuid)
LANGUAGE sql
STABLE
AS $$
  SELECT DISTINCT t.tenant_id, t.document_id
  FROM app.embedding_tasks AS t JOIN app.tenants AS n ON n.id = t.tenant_id
  WHERE t.status = 'processing' AND t.due_at = 'infinity' AND n.status = 'active' AND n.deleted_at IS NULL
    AND t.tenant_id IN (SELECT r.tenant_id FROM app.recoveries AS r WHERE r.state = 'done')
  ORDER BY 1, 2
$$;

-- The passages of a document as app.store_documents was sent them.
CREATE OR REPLACE FUNCTION app.passages_of(document app.documents)
RETURNS jsonb
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
DECLARE
  content text := document.content || '';  -- read once
BEGIN
  RETURN coalesce((
    SELECT jsonb_agg(CASE WHEN p.passage ? 'text' THEN p.passage ELSE p.passage || jsonb_build_object(
      'text', substr(content, (p.passage -> 'start')::integer + 1,
        (p.passage -> 'end')::integer - (p.passage -> 'start')::integer)
    ) END ORDER BY p.ordinality)
    FROM jsonb_array_elements(document.passages) WITH ORDINALITY AS p (passage)
  ), '[]');
END
$$;

-- Gives a document of the current tenant its passages, and has it embedded. Returns how many, or NULL if it is gone or
-- was written since.
CREATE OR REPLACE FUNCTION app.derive_passages(document uuid)
RETURNS integer
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  derived app.documents;
  wanted text;
BEGIN
  SELECT b.language INTO wanted FROM app.knowledge_bases AS b  -- the locks of who writes documents, in that order
  WHERE b.tenant_id = app.tenant() AND b.id = (
    SELECT d.knowledge_base_id FROM app.documents AS d WHERE d.tenant_id = app.tenant() AND d.id = document
  )
  FOR NO KEY UPDATE;
  PERFORM FROM app.embedding_tasks AS t
  WHERE t.tenant_id = app.tenant() AND t.document_id = document AND t.due_at = 'infinity' ORDER BY t.id FOR UPDATE;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  UPDATE app.documents AS d SET
    language = CASE wanted WHEN 'auto' THEN d.language ELSE wanted END,
    indexed_as = CASE wanted WHEN 'auto' THEN '' ELSE app.indexed_as(wanted) END  -- then `requeue` tells its language
  WHERE d.tenant_id = app.tenant() AND d.id = document RETURNING d.* INTO derived;
  UPDATE app.documents AS d SET chunk_count = app.replace_chunks(derived, app.passages_of(derived), true)
  WHERE d.tenant_id = app.tenant() AND d.id = document RETURNING d.* INTO derived;
  UPDATE app.knowledge_bases AS b SET
    languages = b.languages || CASE WHEN derived.language <> ALL (b.languages) THEN ARRAY[derived.language] END,
    indexed_as = CASE wanted WHEN 'auto' THEN '' ELSE b.indexed_as END
  WHERE b.tenant_id = app.tenant() AND b.id = derived.knowledge_base_id;
  PERFORM app.plan_embedding(derived);
  UPDATE app.embedding_tasks AS t SET queued_at = NULL  -- `requeue` sends their messages
  WHERE t.tenant_id = app.tenant() AND t.document_id = document;
  RETURN derived.chunk_count;
END
$$;

REVOKE ALL ON FUNCTION app.derive_passages FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.derive_passages TO flo_job;
