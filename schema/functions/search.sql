-- Search: the nearest vectors, the best words, or both, fused by score. It runs as flo_owner, since under row-level
-- security only leakproof operators may use an index, and `&&` is none; each statement names the tenant that
-- app.authorize set.

-- By how many standard deviations a value is better than the average.
CREATE OR REPLACE FUNCTION app.deviations(value double precision, average double precision, deviation double precision)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN coalesce((value - average) / nullif(deviation, 0), 0);

-- Candidates with their copies, the best first. A candidate's score is the sum of its deviations by words and by
-- meaning.
-- What the three best mean on average is half as much asked for as what the query means. Those of the same text are
-- one, and the others its copies.
CREATE OR REPLACE FUNCTION app.best_of(
  tenant uuid, candidates uuid[], mode text, weights public.sparsevec, models text[], vectors public.halfvec[],
  most integer
)
RETURNS TABLE (ids uuid[], score double precision)
LANGUAGE plpgsql
STABLE
ROWS 10  -- few are joined by their keys; a thousand, as Postgres supposes, by reading all passages
SET plan_cache_mode = force_generic_plan  -- planning takes longer than execution
SET join_collapse_limit = 1
AS $$
DECLARE
  words double precision := CASE mode WHEN 'text' THEN 1 WHEN 'vector' THEN 0 ELSE 0.6 END;
BEGIN
  RETURN QUERY
  WITH found AS MATERIALIZED (
    SELECT c.id, coalesce(c.text_hash, c.content_hash) AS text_hash, m.embedding_model,
      CASE WHEN mode = 'hybrid' THEN e.embedding_vector END AS vector,
      coalesce(-(c.weights OPERATOR(public.<#>) best_of.weights), 0) AS by_words,
      CASE WHEN mode <> 'text' THEN
        -(e.embedding_vector OPERATOR(public.<#>) vectors[array_position(models, m.embedding_model)])
      END AS by_meaning
    FROM unnest(candidates) AS candidate (id)
    JOIN app.chunks AS c ON c.tenant_id = tenant AND c.id = candidate.id
    JOIN app.knowledge_base_models AS m
      ON m.tenant_id = tenant AND m.knowledge_base_id = c.knowledge_base_id AND m.is_active
    JOIN app.embeddings AS e ON e.tenant_id = tenant AND e.id = c.id AND e.embedding_model = m.embedding_model
  ),
  complete AS (
    SELECT f.id, f.text_hash, f.embedding_model, f.vector,
      app.deviations(f.by_words, avg(f.by_words) OVER (), stddev(f.by_words) OVER ()) AS by_words,
      coalesce(f.by_meaning, min(f.by_meaning) OVER (PARTITION BY f.embedding_model), 0) AS by_meaning
    FROM found AS f
  ),
  compared AS MATERIALIZED (
    SELECT c.*,
      app.deviations(c.by_meaning, avg(c.by_meaning) OVER of_model, stddev(c.by_meaning) OVER of_model) AS near
    FROM complete AS c WINDOW of_model AS (PARTITION BY c.embedding_model)
  ),
  best AS (
    SELECT b.embedding_model, public.avg(b.vector) AS vector FROM (
      SELECT c.embedding_model, c.vector FROM compared AS c
      WHERE mode = 'hybrid' ORDER BY words * c.by_words + (1 - words) * c.near DESC, c.id LIMIT 3
    ) AS b
    GROUP BY b.embedding_model
  ),
  again AS (
    SELECT c.id, c.text_hash, c.embedding_model, c.by_words,
      c.by_meaning - 0.5 * coalesce(c.vector OPERATOR(public.<#>) b.vector, 0) AS by_meaning
    FROM compared AS c LEFT JOIN best AS b ON b.embedding_model = c.embedding_model
  ),
  scored AS (
    SELECT a.id, a.text_hash, words * a.by_words + (1 - words)
      * app.deviations(a.by_meaning, avg(a.by_meaning) OVER of_model, stddev(a.by_meaning) OVER of_model) AS score
    FROM again AS a WINDOW of_model AS (PARTITION BY a.embedding_model)
  )
  SELECT g.ids, g.score FROM (
    SELECT array_agg(s.id ORDER BY s.score DESC, s.id) AS ids, max(s.score) AS score FROM scored AS s
    GROUP BY s.text_hash
  ) AS g
  ORDER BY g.score DESC, g.ids[1] LIMIT most;
END
$$;

-- Lets a tenant search three times at once, or raises FL429: one tenant alone cannot take all connections of the pool.
CREATE OR REPLACE FUNCTION app.take_search_place(tenant uuid)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  FOR place IN 1..3 LOOP
    IF pg_try_advisory_xact_lock(hashtextextended('app.search:' || tenant, place)) THEN
      RETURN;
    END IF;
  END LOOP;
  RAISE EXCEPTION USING errcode = 'FL429', constraint = 'too_many_at_once',
    message = 'Three searches of the tenant are running. Repeat this one when one of them has been answered.';
END
$$;

-- What stands around passages: so many before and after each in its document, those that overlap or touch as one range.
-- The text of a range stands with the first of its passages. Positions of ready-made passages count in nothing.
CREATE OR REPLACE FUNCTION app.contexts(tenant uuid, ids uuid[], around integer)
RETURNS TABLE (id uuid, context jsonb)
LANGUAGE sql
STABLE
ROWS 10
SET plan_cache_mode = force_generic_plan  -- planning takes longer than execution
AS $$
  WITH hits AS (
    SELECT c.id, c.document_id, c.chunk_index, i.place
    FROM unnest(ids) WITH ORDINALITY AS i (id, place)
    JOIN app.chunks AS c ON c.tenant_id = contexts.tenant AND c.id = i.id
  ),
  spans AS (
    SELECT h.document_id, unnest(range_agg(int4range(h.chunk_index - around, h.chunk_index + around, '[]'))) AS indexes
    FROM hits AS h GROUP BY 1
  ),
  ranges AS (
    SELECT s.document_id, s.indexes, r.* FROM spans AS s
    CROSS JOIN LATERAL (
      SELECT min(c.chunk_index) AS first, max(c.chunk_index) AS last, min(c.chunk_start) AS start,
        max(c.chunk_end) AS finish, array_agg(c.id) AS chunks
      FROM app.chunks AS c
      WHERE c.tenant_id = contexts.tenant AND c.document_id = s.document_id
        AND c.chunk_index >= lower(s.indexes) AND c.chunk_index < upper(s.indexes)
    ) AS r
  ),
  texts AS (
    SELECT r.document_id, r.indexes, r.first, r.last, d.content IS NOT NULL AS is_cut, r.start, r.finish,
      CASE WHEN d.content IS NOT NULL THEN substr(d.content, r.start + 1, r.finish - r.start) ELSE (
        SELECT string_agg(e.chunk_text, E'\n\n' ORDER BY e.chunk_index) FROM app.embeddings AS e
        JOIN app.knowledge_base_models AS m ON m.tenant_id = contexts.tenant
          AND m.knowledge_base_id = e.knowledge_base_id AND m.embedding_model = e.embedding_model AND m.is_active
        WHERE e.tenant_id = contexts.tenant AND e.id = ANY (r.chunks)
      ) END AS text
    FROM ranges AS r JOIN app.documents AS d ON d.tenant_id = contexts.tenant AND d.id = r.document_id
  )
  SELECT h.id, jsonb_build_object(
    'first_index', t.first, 'last_index', t.last,
    'start', CASE WHEN t.is_cut THEN t.start END, 'end', CASE WHEN t.is_cut THEN t.finish END,
    'text', CASE WHEN h.place = min(h.place) OVER (PARTITION BY t.document_id, t.first) THEN t.text END
  )
  FROM hits AS h JOIN texts AS t ON t.document_id = h.document_id AND h.chunk_index <@ t.indexes
$$;

-- The passages of the authorized tenant that answer a query, the best first, each with those `around` it, if any are
-- wanted, and `marked` with the words that were found. `wanted_bases` NULL: all. Raises FL404 for an unknown one.
CREATE OR REPLACE FUNCTION app.find_passages(
  query text, mode text, most integer, wanted_bases uuid[], filter app.passage_filter, around integer, marked boolean,
  models text[], vectors public.halfvec[]
)
RETURNS TABLE (
  knowledge_base_id uuid, document_name text, title text, chunk_index integer, chunk_text text, chunk_metadata jsonb,
  chunk_start integer, chunk_end integer, copies jsonb, similarity double precision, coverage double precision,
  words text[], confidence_threshold double precision, context jsonb
)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan  -- planning takes longer than execution
SET join_collapse_limit = 1  -- the few found passages are joined to their rows, in this order
AS $$
DECLARE
  tenant uuid := app.tenant();
  depth integer := greatest(100, 2 * most);
  base_ids uuid[];
  spoken text[];
  query_languages text[];  -- NULL in mode vector, as what follows
  query_lexemes text[];
  query_terms integer[];
  query_alternatives integer[];
  query_rarities double precision[];
  query_weights public.sparsevec;
  candidates uuid[];
BEGIN
  IF tenant IS NULL THEN
    RETURN;
  END IF;
  PERFORM app.take_search_place(tenant);
  IF filter IS NULL THEN
    filter := NULL;  -- not a row of nulls, which the planner takes for a condition
  END IF;
  SELECT array_agg(b.id) INTO base_ids
  FROM app.knowledge_bases AS b WHERE b.tenant_id = tenant AND (wanted_bases IS NULL OR b.id = ANY (wanted_bases));
  IF NOT wanted_bases <@ coalesce(base_ids, '{}') THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found',
      message = 'body.knowledge_base_id: there is no such knowledge base.';
  END IF;
  IF mode <> 'vector' THEN
    spoken := ARRAY(
      SELECT DISTINCT unnest(b.languages) FROM app.knowledge_bases AS b
      WHERE b.tenant_id = tenant AND b.id = ANY (base_ids)
    );
    SELECT * INTO query_languages, query_lexemes, query_terms, query_alternatives, query_rarities, query_weights
    FROM app.query_words(tenant, base_ids, spoken, query);
  END IF;
  LOOP
    candidates := app.candidates(
      tenant, base_ids, mode, query_terms, query_weights, filter, models, vectors, depth
    );
    EXIT WHEN cardinality(candidates) < depth OR depth > 10000 OR most <= (
      SELECT count(DISTINCT coalesce(c.text_hash, c.content_hash)) FROM unnest(candidates) AS candidate (id)
      JOIN app.chunks AS c ON c.tenant_id = tenant AND c.id = candidate.id
    );
    depth := 8 * depth;  -- too many of them are copies
  END LOOP;
  RETURN QUERY
  WITH best AS MATERIALIZED (
    SELECT b.ids, b.place
    FROM app.best_of(tenant, candidates, mode, query_weights, models, vectors, most)
      WITH ORDINALITY AS b (ids, score, place)
  )
  SELECT e.knowledge_base_id, e.document_name, d.title, e.chunk_index, e.chunk_text, e.chunk_metadata,
    c.chunk_start, c.chunk_end,
    (
      SELECT jsonb_agg(jsonb_build_object(
        'knowledge_base_id', o.knowledge_base_id, 'document_name', od.name, 'chunk_index', o.chunk_index
      ) ORDER BY copy.place)
      FROM unnest(best.ids[2:101]) WITH ORDINALITY AS copy (id, place)
      JOIN app.chunks AS o ON o.tenant_id = tenant AND o.id = copy.id
      JOIN app.documents AS od ON od.tenant_id = tenant AND od.id = o.document_id
    ),
    1 - (e.embedding_vector OPERATOR(public.<=>) vectors[array_position(models, e.embedding_model)]),
    (
      SELECT sum(q.rarity) FILTER (WHERE q.term = ANY (c.terms) OR q.alternative = ANY (c.terms)) / sum(q.rarity)
      FROM unnest(query_languages, query_terms, query_alternatives, query_rarities)
        AS q (language, term, alternative, rarity)
      WHERE q.alternative IS NOT NULL AND q.language = d.language
    ),
    CASE WHEN marked AND mode <> 'vector' THEN app.found_words(e.chunk_text, ARRAY(
      SELECT q.lexeme FROM unnest(query_languages, query_lexemes, query_rarities) AS q (language, lexeme, rarity)
      WHERE q.language = d.language ORDER BY q.rarity DESC, q.lexeme LIMIT 20  -- more take seconds in long passages
    ), d.language) ELSE '{}' END,
    t.confidence_threshold, x.context
  FROM best
  JOIN app.chunks AS c ON c.tenant_id = tenant AND c.id = best.ids[1]
  JOIN app.documents AS d ON d.tenant_id = tenant AND d.id = c.document_id
  JOIN app.knowledge_base_models AS m
    ON m.tenant_id = tenant AND m.knowledge_base_id = c.knowledge_base_id AND m.is_active
  JOIN app.embeddings AS e ON e.tenant_id = tenant AND e.id = c.id AND e.embedding_model = m.embedding_model
  JOIN app.tenants AS t ON t.id = tenant
  LEFT JOIN app.contexts(
    tenant, ARRAY(SELECT b.ids[1] FROM best AS b WHERE around > 0 ORDER BY b.place), around
  ) AS x ON x.id = c.id
  ORDER BY best.place;
END
$$;

REVOKE ALL ON FUNCTION app.find_passages FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.find_passages TO flo_app;
