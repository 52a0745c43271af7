-- Storing and deleting documents. A passage whose text the tenant has already embedded keeps or copies its vector.

-- What of a passage is indexed and embedded: title, headings and a table's first row before its text.
CREATE OR REPLACE FUNCTION app.indexed_text(context text, chunk_text text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE context WHEN '' THEN chunk_text ELSE context || E'\n\n' || chunk_text END;

-- Replaces the passages of a document, and returns their number. A passage of the same text under the same headings
-- keeps its row when it moves, unless all are to be indexed anew.
CREATE OR REPLACE FUNCTION app.replace_chunks(document app.documents, chunks jsonb, anew boolean)
RETURNS integer
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan  -- planning over all partitions takes longer than the work
AS $$
DECLARE
  total integer;
BEGIN
  WITH wanted AS (
    SELECT c.*, row_number() OVER (PARTITION BY c.content_hash ORDER BY c.chunk_index) AS nth
    FROM (
      SELECT w.text, w.start, w."end", w.metadata, coalesce(w.context, '') AS context, i.indexed,
        sha256(convert_to(i.indexed, 'UTF8')) AS content_hash,
        CASE WHEN i.indexed <> w.text THEN sha256(convert_to(w.text, 'UTF8')) END AS text_hash,
        (row_number() OVER ())::integer - 1 AS chunk_index
      FROM jsonb_to_recordset(chunks) AS w (text text, start integer, "end" integer, metadata jsonb, context text)
      CROSS JOIN LATERAL app.indexed_text(coalesce(w.context, ''), w.text) AS i (indexed)
    ) AS c
  ),
  stored AS (
    SELECT c.id, c.content_hash, row_number() OVER (PARTITION BY c.content_hash ORDER BY c.chunk_index) AS nth
    FROM app.chunks AS c
    WHERE c.tenant_id = document.tenant_id AND c.document_id = document.id AND NOT anew
  ),
  matched AS MATERIALIZED (
    SELECT w.*, coalesce(s.id, app.uuid7()) AS id, s.id IS NULL AS is_new
    FROM wanted AS w LEFT JOIN stored AS s ON s.content_hash = w.content_hash AND s.nth = w.nth
  ),
  removed AS (
    DELETE FROM app.chunks AS c
    WHERE c.tenant_id = document.tenant_id AND c.document_id = document.id
      AND c.id NOT IN (SELECT p.id FROM matched AS p)
  ),
  moved AS (
    UPDATE app.chunks AS c SET chunk_index = p.chunk_index, chunk_start = p.start, chunk_end = p."end"
    FROM matched AS p
    WHERE c.tenant_id = document.tenant_id AND c.document_id = document.id AND c.id = p.id
      AND (c.chunk_index, c.chunk_start, c.chunk_end) <> (p.chunk_index, p.start, p."end")
  ),
  moved_vectors AS (
    UPDATE app.embeddings AS e SET chunk_index = p.chunk_index, chunk_metadata = document.metadata || p.metadata
    FROM matched AS p
    WHERE e.tenant_id = document.tenant_id AND e.id = ANY (ARRAY(SELECT s.id FROM stored AS s)) AND e.id = p.id
      AND (e.chunk_index, e.chunk_metadata) <> (p.chunk_index, document.metadata || p.metadata)
  ),
  added AS (
    INSERT INTO app.chunks (
      id, knowledge_base_id, document_id, chunk_index, chunk_start, chunk_end, content_hash, text_hash, context, terms,
      weights
    )
    SELECT p.id, document.knowledge_base_id, document.id, p.chunk_index, p.start, p."end", p.content_hash, p.text_hash,
      p.context,
      app.terms_of(document.tenant_id, l.lexemes, document.language), app.weights_of(l.lexemes, document.language)
    FROM matched AS p
    CROSS JOIN (SELECT strip(app.words_of(document.name, document.language)) AS lexemes OFFSET 0) AS of_name
    CROSS JOIN LATERAL (
      SELECT app.words_of(p.indexed, document.language) || of_name.lexemes AS lexemes OFFSET 0
    ) AS l
    WHERE p.is_new
  ),
  known AS MATERIALIZED (
    SELECT h.content_hash, m.embedding_model,
      app.known_vector(document.tenant_id, h.content_hash, m.embedding_model) AS vector
    FROM (SELECT DISTINCT p.content_hash FROM matched AS p WHERE p.is_new) AS h
    CROSS JOIN app.knowledge_base_models AS m
    WHERE m.tenant_id = document.tenant_id AND m.knowledge_base_id = document.knowledge_base_id
  ),
  embedded AS (
    INSERT INTO app.embeddings (
      id, knowledge_base_id, chunk_text, chunk_metadata, embedding_vector, document_name, chunk_index, embedding_model
    )
    SELECT p.id, document.knowledge_base_id, p.text, document.metadata || p.metadata,
      k.vector, document.name, p.chunk_index, k.embedding_model
    FROM matched AS p JOIN known AS k ON k.content_hash = p.content_hash WHERE p.is_new
  )
  SELECT count(*) INTO total FROM matched;
  RETURN total;
END
$$;

-- The vector that a model gave a text of the tenant before, so that no text is embedded twice. Looks at the 50 oldest
-- passages of the text, which were embedded first.
CREATE OR REPLACE FUNCTION app.known_vector(tenant uuid, text_hash bytea, model text)
RETURNS public.halfvec
LANGUAGE sql
STABLE
AS $$
  SELECT e.embedding_vector
  FROM (
    SELECT c.id FROM app.chunks AS c WHERE c.tenant_id = tenant AND c.content_hash = known_vector.text_hash
    ORDER BY c.id LIMIT 50
  ) AS c
  JOIN app.embeddings AS e
    ON e.tenant_id = tenant AND e.id = c.id AND e.embedding_model = model AND e.embedding_vector IS NOT NULL
  LIMIT 1
$$;

-- Creates or resets the task of a document by each model of its base.
CREATE OR REPLACE FUNCTION app.plan_embedding(document app.documents)
RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan  -- planning over all partitions takes longer than the work
AS $$
BEGIN
  INSERT INTO app.embedding_tasks AS t (knowledge_base_id, document_id, embedding_model, status)
  SELECT document.knowledge_base_id, document.id, m.embedding_model,
    CASE WHEN EXISTS (
      SELECT FROM app.chunks AS c
      WHERE c.tenant_id = document.tenant_id AND c.document_id = document.id AND NOT EXISTS (
        SELECT FROM app.embeddings AS e
        WHERE e.tenant_id = document.tenant_id AND e.id = c.id AND e.embedding_model = m.embedding_model
          AND e.embedding_vector IS NOT NULL
      )
    ) THEN 'processing' ELSE 'embedded' END
  FROM app.knowledge_base_models AS m
  WHERE m.tenant_id = document.tenant_id AND m.knowledge_base_id = document.knowledge_base_id
  ON CONFLICT (tenant_id, document_id, embedding_model) DO UPDATE
  SET status = excluded.status, attempts = 0, reason = NULL, due_at = now(), queued_at = now(), updated_at = now();
END
$$;

-- Computed from the content's hash, so that a list does not read the content.
CREATE OR REPLACE FUNCTION app.document_etag(document app.documents)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN md5(concat_ws(
  ' ', document.id, document.content_hash, document.title, document.metadata, document.chunker, document.updated_at
));

CREATE OR REPLACE FUNCTION app.document_state_of(document app.documents)
RETURNS app.document_state
LANGUAGE sql
STABLE
AS $$
  SELECT t.status, t.reason,
    app.document_etag(document) || '-' || md5(concat_ws(' ', t.status, t.reason, document.language))
  FROM app.knowledge_base_models AS m
  JOIN app.embedding_tasks AS t ON t.document_id = document.id AND t.embedding_model = m.embedding_model
  WHERE m.knowledge_base_id = document.knowledge_base_id AND m.is_active
$$;

-- Checks If-Match of a writer. The state of embedding is part of a reader's ETag, but is no change that a writer must
-- have seen.
CREATE OR REPLACE FUNCTION app.require_known(document app.documents, if_match text[])
RETURNS boolean
LANGUAGE sql
STABLE
AS $$
  SELECT app.require_match(app.document_etag(document), CASE WHEN if_match IS NOT NULL THEN ARRAY(
    SELECT split_part(m.tag, '-', 1) FROM unnest(if_match) AS m (tag) WHERE m.tag <> '*' OR document.id IS NOT NULL
  ) END)
$$;

-- Inserts a document, or replaces the one of its name. An unchanged document is not written. In a base whose language
-- is auto it has its own, which comes with it.
CREATE OR REPLACE FUNCTION app.store_document(base uuid, sent jsonb, if_match text[])
RETURNS app.documents
LANGUAGE plpgsql
AS $$
DECLARE
  old app.documents;
  stored app.documents;
  wanted text := (SELECT b.language FROM app.knowledge_bases AS b WHERE b.id = base);
BEGIN
  SELECT * INTO old FROM app.documents AS d WHERE d.knowledge_base_id = base AND d.name = sent ->> 'name';
  PERFORM app.require_known(old, if_match);
  INSERT INTO app.documents AS d (
    knowledge_base_id, name, title, content_type, content, metadata, content_hash, chunker, passages, language,
    indexed_as
  )
  VALUES (
    base, sent ->> 'name', sent ->> 'title', sent ->> 'content_type', sent ->> 'content', sent -> 'metadata',
    decode(sent ->> 'content_hash', 'hex'), sent ->> 'chunker', app.passages_to_keep(sent),
    CASE wanted WHEN 'auto' THEN coalesce(sent ->> 'language', 'simple') ELSE wanted END, app.indexed_as(wanted)
  )
  ON CONFLICT ON CONSTRAINT documents_name_key DO UPDATE SET
    title = excluded.title, content_type = excluded.content_type, content = excluded.content,
    metadata = excluded.metadata, content_hash = excluded.content_hash, chunker = excluded.chunker,
    passages = excluded.passages, updated_at = now(), language = excluded.language, indexed_as = excluded.indexed_as
  WHERE (d.title, d.content_hash, d.chunker, d.metadata) IS DISTINCT FROM
    (excluded.title, excluded.content_hash, excluded.chunker, excluded.metadata)
  RETURNING d.* INTO stored;
  IF stored.id IS NULL THEN
    stored := old;
  END IF;
  IF (old.content_hash, old.chunker, old.title, old.metadata)
    IS DISTINCT FROM (stored.content_hash, stored.chunker, stored.title, stored.metadata) THEN
    PERFORM FROM app.embedding_tasks AS t
    WHERE t.document_id = stored.id FOR UPDATE;  -- first, in the worker's lock order
    UPDATE app.documents AS d
    SET chunk_count = app.replace_chunks(
      stored, sent -> 'chunks',
      (old.chunker, old.language, old.indexed_as) IS DISTINCT FROM (stored.chunker, stored.language, stored.indexed_as)
    )
    WHERE d.id = stored.id RETURNING d.* INTO stored;
    UPDATE app.knowledge_bases AS b SET languages = b.languages || stored.language
    WHERE b.id = base AND stored.language <> ALL (b.languages);
    PERFORM app.plan_embedding(stored);
  ELSE
    UPDATE app.embedding_tasks AS t
    SET status = 'processing', attempts = 0, due_at = now(), queued_at = now(), updated_at = now()
    WHERE t.document_id = stored.id AND t.status = 'failed';
  END IF;
  RETURN stored;
END
$$;

-- Stores documents in a base of the authorized tenant, or raises FL404.
CREATE OR REPLACE FUNCTION app.store_documents(base uuid, sent jsonb, if_match text[] DEFAULT NULL)
RETURNS TABLE (document app.documents, state app.document_state, pending_models text[])
LANGUAGE plpgsql
AS $$
DECLARE
  one jsonb;
BEGIN
  PERFORM app.lock_knowledge_base(base);
  FOR one IN SELECT * FROM jsonb_array_elements(sent) LOOP
    document := app.store_document(base, one, if_match);
    state := app.document_state_of(document);
    pending_models := ARRAY(
      SELECT t.embedding_model FROM app.embedding_tasks AS t
      WHERE t.document_id = document.id AND t.status = 'processing'
    );
    RETURN NEXT;
  END LOOP;
END
$$;
