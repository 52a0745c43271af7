-- The passages of documents, and their words for full-text search: BM25 as an inner product of sparse vectors.
--
-- A passage's vector holds the part of BM25 that is the passage's own (how often a word occurs in it, how long it is), a
-- query's holds the rest (how rare the word is among the passages that are searched). Scoring is then one call for each
-- passage and not one for each passage and word.

CREATE TABLE app.chunks (
  id uuid NOT NULL DEFAULT app.uuid7(),
  tenant_id uuid NOT NULL DEFAULT app.tenant(),
  knowledge_base_id uuid NOT NULL,
  document_id uuid NOT NULL,
  chunk_index integer NOT NULL CHECK (chunk_index >= 0),
  chunk_start integer NOT NULL CHECK (chunk_start >= 0),  -- in characters of the document's content
  chunk_end integer NOT NULL CHECK (chunk_end >= chunk_start),
  content_hash bytea NOT NULL CHECK (length(content_hash) = 32),  -- SHA-256 of its text
  terms integer[] NOT NULL,
  weights public.sparsevec NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, document_id, chunk_index) DEFERRABLE INITIALLY DEFERRED,  -- passages swap positions
  FOREIGN KEY (tenant_id, document_id) REFERENCES app.documents (tenant_id, id) ON DELETE CASCADE
) WITH (toast_tuple_target = 8160);  -- kept in the row: a search reads the vectors of thousands
ALTER TABLE app.chunks ALTER weights SET STORAGE MAIN, ALTER terms SET STORAGE MAIN;
CREATE INDEX chunks_terms ON app.chunks USING gin (terms) WITH (fastupdate = off);  -- a list of pending ones slows searches
CREATE INDEX chunks_of_base ON app.chunks (tenant_id, knowledge_base_id);
CREATE INDEX chunks_content_hash ON app.chunks (tenant_id, content_hash, id);  -- whose text has been embedded before
CALL app.isolate('app.chunks');
CALL app.open_to_jobs('app.chunks', 'SELECT, DELETE');
CREATE POLICY access ON app.chunks FOR SELECT TO flo_owner USING (true);

-- In how many passages of a base a word occurs: its rarity, without counting in each search.
CREATE TABLE app.term_counts (
  tenant_id uuid NOT NULL,
  knowledge_base_id uuid NOT NULL,
  term integer NOT NULL,
  chunks integer NOT NULL CHECK (chunks > 0),
  PRIMARY KEY (tenant_id, term, knowledge_base_id)  -- a word's rows of all bases are adjacent
) WITH (fillfactor = 70);  -- no foreign key, which would be looked up for each word of a passage: triggers on passages keep it
CALL app.isolate('app.term_counts');
CALL app.open_to_jobs('app.term_counts', 'SELECT, UPDATE, DELETE');
CREATE POLICY access ON app.term_counts TO flo_owner USING (true) WITH CHECK (true);  -- a cascade counts as the owner

CREATE FUNCTION app.count_terms()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO app.term_counts AS t (tenant_id, knowledge_base_id, term, chunks)
    SELECT n.tenant_id, n.knowledge_base_id, term, count(*) FROM new_rows AS n, unnest(n.terms) AS term
    GROUP BY 1, 2, 3 ORDER BY 1, 3, 2
    ON CONFLICT ON CONSTRAINT term_counts_pkey DO UPDATE SET chunks = t.chunks + excluded.chunks;
  ELSE
    MERGE INTO app.term_counts AS t
    USING (
      SELECT o.tenant_id, o.knowledge_base_id, term, count(*) AS chunks FROM old_rows AS o, unnest(o.terms) AS term
      GROUP BY 1, 2, 3
    ) AS gone
    ON t.tenant_id = gone.tenant_id AND t.knowledge_base_id = gone.knowledge_base_id AND t.term = gone.term
    WHEN MATCHED AND t.chunks <= gone.chunks THEN DELETE
    WHEN MATCHED THEN UPDATE SET chunks = t.chunks - gone.chunks;
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER count_added AFTER INSERT ON app.chunks
REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION app.count_terms();
CREATE TRIGGER count_removed AFTER DELETE ON app.chunks
REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION app.count_terms();
