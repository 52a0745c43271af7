-- The languages by which words are stemmed, and words that are indexed anew since the base has another language now, or
-- the rules of words are others: some documents in each transaction. Nothing is embedded. Until then a document is
-- found by the words that it was indexed by.

-- By what Postgres stems a language, which `app.dictionary` names for single words.
CREATE OR REPLACE FUNCTION app.configuration(language text)
RETURNS regconfig
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN ('pg_catalog.' || language)::regconfig;

CREATE OR REPLACE FUNCTION app.dictionary(language text)
RETURNS regdictionary
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN ('pg_catalog.' || language || CASE language WHEN 'simple' THEN '' ELSE '_stem' END)::regdictionary;

-- By what the words of a base are indexed that has this language: the rules of words.sql, and the stemmers, which
-- differ between versions of Postgres. Another number than 2 has the words of all passages indexed anew.
CREATE OR REPLACE FUNCTION app.indexed_as(language text)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN language || ' 2.' || current_setting('server_version_num')::integer / 10000;

-- For each tenant a base with documents to be indexed anew.
CREATE OR REPLACE FUNCTION app.bases_to_index()
RETURNS TABLE (tenant_id uuid, knowledge_base_id uuid)
LANGUAGE sql
STABLE
AS $$
  SELECT DISTINCT ON (b.tenant_id) b.tenant_id, b.id FROM app.knowledge_bases AS b
  WHERE b.indexed_as <> app.indexed_as(b.language) ORDER BY b.tenant_id, b.id
$$;

-- Documents of a base that are to be indexed anew, with some 200 passages, and of a base whose language is auto how
-- each begins. Locks the base, as writers do, unless one of them has it, or it is gone.
CREATE OR REPLACE FUNCTION app.documents_to_index(tenant uuid, base uuid)
RETURNS TABLE (locked boolean, document_ids uuid[], beginnings text[])
LANGUAGE plpgsql
AS $$
DECLARE
  wanted text;
BEGIN
  SELECT b.language INTO wanted FROM app.knowledge_bases AS b
  WHERE b.tenant_id = tenant AND b.id = base FOR NO KEY UPDATE SKIP LOCKED;
  locked := FOUND;
  SELECT array_agg(d.id ORDER BY d.id),
    array_agg(CASE wanted WHEN 'auto' THEN app.beginning_of(tenant, d.id) END ORDER BY d.id)
  INTO document_ids, beginnings
  FROM (
    SELECT s.id, sum(s.chunk_count) OVER (ORDER BY s.id) - s.chunk_count AS before
    FROM (
      SELECT d.id, d.chunk_count FROM app.documents AS d
      WHERE locked AND d.tenant_id = tenant AND d.knowledge_base_id = base
        AND (d.indexed_as < app.indexed_as(wanted) OR d.indexed_as > app.indexed_as(wanted))
      LIMIT 100
    ) AS s
  ) AS d
  WHERE d.before < 200;
  RETURN NEXT;
END
$$;

-- The first thousand characters of a document's first ten passages: what its language is told by.
CREATE OR REPLACE FUNCTION app.beginning_of(tenant uuid, document uuid)
RETURNS text
LANGUAGE sql
STABLE
AS $$
  SELECT coalesce(left(string_agg(e.chunk_text, E'\n' ORDER BY c.chunk_index), 1000), '') FROM app.chunks AS c
  CROSS JOIN LATERAL (
    SELECT e.chunk_text FROM app.embeddings AS e WHERE e.tenant_id = tenant AND e.id = c.id LIMIT 1
  ) AS e
  WHERE c.tenant_id = tenant AND c.document_id = document AND c.chunk_index < 10
$$;

-- Indexes the words of documents of a base that app.documents_to_index has locked, and counts those that are left:
-- without any the base has its language. `told` are the languages of a base whose language is auto.
CREATE OR REPLACE FUNCTION app.index_words(tenant uuid, base uuid, ids uuid[], told text[])
RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan  -- planning over all partitions takes longer than the work
AS $$
DECLARE
  wanted text := (SELECT b.language FROM app.knowledge_bases AS b WHERE b.tenant_id = tenant AND b.id = base);
  pending integer;
BEGIN
  UPDATE app.documents AS d
  SET language = CASE wanted WHEN 'auto' THEN t.language ELSE wanted END, indexed_as = app.indexed_as(wanted)
  FROM unnest(ids, told) AS t (id, language) WHERE d.tenant_id = tenant AND d.id = t.id;
  UPDATE app.chunks AS c SET terms = w.terms, weights = w.weights
  FROM (
    SELECT c.id, app.terms_of(tenant, l.lexemes, d.language) AS terms, app.weights_of(l.lexemes, d.language) AS weights
    FROM app.documents AS d
    JOIN app.chunks AS c ON c.tenant_id = tenant AND c.document_id = d.id
    CROSS JOIN LATERAL (
      SELECT e.chunk_text FROM app.embeddings AS e WHERE e.tenant_id = tenant AND e.id = c.id LIMIT 1
    ) AS e
    CROSS JOIN LATERAL (
      SELECT app.words_of(app.indexed_text(c.context, e.chunk_text), d.language)
        || strip(app.words_of(d.name, d.language)) AS lexemes OFFSET 0
    ) AS l
    WHERE d.tenant_id = tenant AND d.id = ANY (ids)
  ) AS w
  WHERE c.tenant_id = tenant AND c.id = w.id
    AND (c.terms <> w.terms OR c.weights OPERATOR(public.<>) w.weights);
  pending := (
    SELECT count(*) FROM app.documents AS d
    WHERE d.tenant_id = tenant AND d.knowledge_base_id = base
      AND (d.indexed_as < app.indexed_as(wanted) OR d.indexed_as > app.indexed_as(wanted))
  );
  UPDATE app.knowledge_bases AS b SET
    words_pending = pending,
    indexed_as = CASE pending WHEN 0 THEN app.indexed_as(wanted) ELSE b.indexed_as END,
    languages = ARRAY(
      SELECT DISTINCT d.language FROM app.documents AS d
      WHERE d.tenant_id = tenant AND d.knowledge_base_id = base AND (pending = 0 OR d.id = ANY (ids))
      UNION
      SELECT unnest(b.languages) WHERE pending > 0
    )
  WHERE b.tenant_id = tenant AND b.id = base;
END
$$;
