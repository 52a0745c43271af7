-- The passages of documents, and what full-text search knows of them: BM25 as an inner product of sparse vectors.
--
-- A passage's vector holds the part of BM25 that is the passage's own (how often a word stands in it, how long it is), a
-- query's holds the rest (how rare the word is among the passages that are searched). Scoring is then one call for each
-- passage and not one for each passage and word.

-- The words of a text, stemmed. Punctuation, symbols and spaces beyond ASCII part words, which the parser would take for
-- letters or not by the locale of the server; what is invisible within a word goes; and how a letter is composed is one.
CREATE FUNCTION app.words_of(text text)
RETURNS tsvector
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN to_tsvector('english', lower(normalize(
  regexp_replace(
    regexp_replace(text, '[\u00AD\u200C\u200D\u2060\uFE00-\uFE0F\uFEFF]', '', 'g'),
    '[/\\\u0080-\u00A9\u00AB-\u00B4\u00B6-\u00B9\u00BB-\u00BF\u00D7\u00F7'
    '\u037E\u0387\u055A-\u055F\u0589\u058A\u05BE\u05C0\u05C3\u05F3\u05F4\u060C\u061B\u061F\u066A-\u066D\u06D4\u0964\u0965'
    '\u2000-\u206F\u2070-\u209F\u20A0-\u20CF\u2100-\u2BFF\u2E00-\u2E7F\u3000-\u3004\u3008-\u3020\u3030\u303D-\u303F\u30FB'
    '\uE000-\uF8FF\uFE10-\uFE1F\uFE30-\uFE6F\uFF01-\uFF0F\uFF1A-\uFF20\uFF3B-\uFF40\uFF5B-\uFF65\uFFE0-\uFFFF'
    '\U0001F000-\U0001FAFF]+',
    ' ', 'g'
  ),
  NFKC
)));

-- The number of a lexeme, which is a dimension of these vectors. MD5, since it is the same in every version of Postgres.
CREATE FUNCTION app.term(lexeme text)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN ('x' || left(md5(lexeme), 8))::bit(32)::integer & 536870911;

-- The same lexeme has another number in each tenant, so that the postings of a word are one tenant's and nobody waits for
-- other tenants' passages to be passed over.
CREATE FUNCTION app.terms_of(tenant uuid, lexemes tsvector)
RETURNS integer[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
  SELECT coalesce(array_agg(app.term(l.lexeme) # ('x' || left(md5(tenant::text), 8))::bit(32)::integer), '{}')
  FROM unnest(lexemes) AS l
$$;

-- BM25's weight of each word in a passage, with k1 = 1.6, b = 0.75 and 100 words for the usual length.
CREATE FUNCTION app.weights_of(lexemes tsvector)
RETURNS public.sparsevec
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
  WITH counted AS (
    SELECT app.term(l.lexeme) + 1 AS dimension, sum(cardinality(l.positions)) AS times,
      sum(sum(cardinality(l.positions))) OVER () AS words
    FROM unnest(lexemes) AS l GROUP BY 1
  )
  SELECT (
    '{' || coalesce(string_agg(format('%s:%s', dimension,
      round((times * 2.6 / (times + 1.6 * (0.25 + 0.75 * words / 100)))::numeric, 4)), ',' ORDER BY dimension), '')
    || '}/536870912'
  )::public.sparsevec
  FROM counted
$$;

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
  UNIQUE (tenant_id, document_id, chunk_index) DEFERRABLE INITIALLY DEFERRED,  -- passages change places
  FOREIGN KEY (tenant_id, document_id) REFERENCES app.documents (tenant_id, id) ON DELETE CASCADE
) WITH (toast_tuple_target = 8160);  -- in the row: a search reads the vectors of thousands
ALTER TABLE app.chunks ALTER weights SET STORAGE MAIN, ALTER terms SET STORAGE MAIN;
CREATE INDEX chunks_terms ON app.chunks USING gin (terms) WITH (fastupdate = off);  -- a list of pending ones slows searches
CREATE INDEX chunks_of_base ON app.chunks (tenant_id, knowledge_base_id);
CREATE INDEX chunks_content_hash ON app.chunks (tenant_id, content_hash, id);  -- whose text has been embedded before
CALL app.isolate('app.chunks');
CALL app.open_to_jobs('app.chunks', 'SELECT, DELETE');
CREATE POLICY gate ON app.chunks FOR SELECT TO flo_owner USING (true);

-- In how many passages of a base a word stands, so that a search knows at once how rare it is.
CREATE TABLE app.term_counts (
  tenant_id uuid NOT NULL,
  knowledge_base_id uuid NOT NULL,
  term integer NOT NULL,
  chunks integer NOT NULL CHECK (chunks > 0),
  PRIMARY KEY (tenant_id, term, knowledge_base_id)  -- a word of all bases lies together
) WITH (fillfactor = 70);  -- no foreign key, which would be looked up for each word of a passage: triggers on passages keep it
CALL app.isolate('app.term_counts');
CALL app.open_to_jobs('app.term_counts', 'SELECT, UPDATE, DELETE');
CREATE POLICY gate ON app.term_counts TO flo_owner USING (true) WITH CHECK (true);  -- a cascade counts as the owner

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
