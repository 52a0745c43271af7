-- A base's language, by which the words of its passages are stemmed. Whatever was indexed by another one, or by other
-- rules of words, is indexed anew in the background.

ALTER TABLE app.knowledge_bases
  ADD language text NOT NULL DEFAULT 'english',  -- or auto: of each document what it seems to be
  ADD languages text[] NOT NULL DEFAULT '{english}',  -- of its documents, and perhaps of some it has no more
  ADD words_pending integer NOT NULL DEFAULT 0,  -- documents that are to be indexed anew, as far as is known
  ADD indexed_as text NOT NULL DEFAULT '';  -- app.indexed_as, if all documents are
GRANT UPDATE (languages, words_pending, indexed_as) ON app.knowledge_bases TO flo_job;

ALTER TABLE app.documents
  ADD language text NOT NULL DEFAULT 'english',
  ADD indexed_as text NOT NULL DEFAULT '';
GRANT UPDATE (language, indexed_as) ON app.documents TO flo_job;
GRANT UPDATE (terms, weights) ON app.chunks TO flo_job;
GRANT INSERT ON app.term_counts TO flo_job;

-- Words may change beneath a passage: its words are counted anew.
CREATE FUNCTION app.count_changed_terms()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  MERGE INTO app.term_counts AS t
  USING (
    SELECT c.tenant_id, c.knowledge_base_id, c.term, sum(c.chunks) AS chunks
    FROM old_rows AS o
    JOIN new_rows AS n ON n.tenant_id = o.tenant_id AND n.id = o.id AND n.terms <> o.terms
    CROSS JOIN LATERAL (
      SELECT o.tenant_id, o.knowledge_base_id, unnest(o.terms) AS term, -1 AS chunks
      UNION ALL
      SELECT n.tenant_id, n.knowledge_base_id, unnest(n.terms), 1
    ) AS c
    GROUP BY 1, 2, 3 HAVING sum(c.chunks) <> 0
  ) AS changed
  ON t.tenant_id = changed.tenant_id AND t.knowledge_base_id = changed.knowledge_base_id AND t.term = changed.term
  WHEN MATCHED AND t.chunks + changed.chunks <= 0 THEN DELETE
  WHEN MATCHED THEN UPDATE SET chunks = t.chunks + changed.chunks
  WHEN NOT MATCHED AND changed.chunks > 0 THEN
    INSERT (tenant_id, knowledge_base_id, term, chunks)
    VALUES (changed.tenant_id, changed.knowledge_base_id, changed.term, changed.chunks);
  RETURN NULL;
END
$$;
CREATE TRIGGER count_changed AFTER UPDATE ON app.chunks
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION app.count_changed_terms();

-- A document whose words are indexed anew has not changed.
CREATE FUNCTION app.count_changed_documents()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  UPDATE app.knowledge_bases AS b
  SET total_chunks = b.total_chunks + d.chunks, last_updated = now()
  FROM (
    SELECT n.tenant_id, n.knowledge_base_id, sum(n.chunk_count - o.chunk_count) AS chunks
    FROM new_rows AS n JOIN old_rows AS o ON o.tenant_id = n.tenant_id AND o.id = n.id
    WHERE n.chunk_count <> o.chunk_count OR n.updated_at IS DISTINCT FROM o.updated_at
    GROUP BY 1, 2
  ) AS d
  WHERE b.tenant_id = d.tenant_id AND b.id = d.knowledge_base_id;
  RETURN NULL;
END
$$;
DROP TRIGGER count_changed ON app.documents;
CREATE TRIGGER count_changed AFTER UPDATE ON app.documents REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION app.count_changed_documents();

CREATE INDEX documents_indexed_as ON app.documents (tenant_id, knowledge_base_id, indexed_as);
