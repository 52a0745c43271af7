-- Search: the nearest vectors, the best words, or both, fused by rank. It runs as flo_owner, since under row-level
-- security only leakproof operators may use an index, and `&&` is none; each statement names the tenant that
-- app.authorize set.

-- The passages that match a query's words best, the best first.
CREATE OR REPLACE FUNCTION app.matching_chunks(
  tenant uuid, bases uuid[], terms integer[], weights public.sparsevec, document text, metadata jsonb, most integer
)
RETURNS uuid[]
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
  RETURN (SELECT array_agg(found.id ORDER BY found.distance, found.id) FROM (
    SELECT c.id, c.weights OPERATOR(public.<#>) matching_chunks.weights AS distance
    FROM app.chunks AS c
    WHERE c.tenant_id = tenant AND c.knowledge_base_id = ANY (bases) AND c.terms && matching_chunks.terms
      AND (document IS NULL OR c.document_id IN (
        SELECT d.id FROM app.documents AS d
        WHERE d.tenant_id = tenant AND d.knowledge_base_id = ANY (bases) AND d.name = document
      ))
      AND (metadata IS NULL OR EXISTS (
        SELECT FROM app.embeddings AS e WHERE e.tenant_id = tenant AND e.id = c.id AND e.chunk_metadata @> metadata
      ))
    ORDER BY distance, c.id LIMIT most
  ) AS found);
END
$$;

-- The passages nearest to a vector, the nearest first, by comparing all of them.
CREATE OR REPLACE FUNCTION app.nearest_of_all(
  tenant uuid, bases uuid[], model text, wanted public.halfvec, document text, metadata jsonb, most integer
)
RETURNS uuid[]
LANGUAGE plpgsql
STABLE
SET enable_seqscan = off  -- a partition may hold a large tenant beside this one
AS $$
BEGIN
  RETURN (SELECT array_agg(found.id ORDER BY found.distance, found.id) FROM (
    SELECT compared.id, compared.distance FROM (
      SELECT e.id, e.embedding_vector OPERATOR(public.<#>) wanted AS distance
      FROM app.embeddings AS e
      WHERE e.tenant_id = tenant AND e.knowledge_base_id = ANY (bases) AND e.embedding_model = model
        AND e.embedding_vector IS NOT NULL
        AND (document IS NULL OR e.document_name = document) AND (metadata IS NULL OR e.chunk_metadata @> metadata)
      OFFSET 0  -- else the planner might take the graph
    ) AS compared
    ORDER BY compared.distance, compared.id LIMIT most
  ) AS found);
END
$$;

-- The same by the HNSW graph of the tenant's partition, with an iterative scan within pgvector's limits.
CREATE OR REPLACE FUNCTION app.nearest_by_graph(
  tenant uuid, bases uuid[], model text, wanted public.halfvec, metadata jsonb, most integer
)
RETURNS uuid[]
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan  -- the tenant's share of the partition decides whether the graph is used
AS $$
DECLARE
  found uuid[];
BEGIN
  PERFORM set_config('hnsw.iterative_scan', 'relaxed_order', true),
    set_config('hnsw.ef_search', greatest(120, most)::text, true);
  SELECT array_agg(f.id ORDER BY f.distance, f.id) INTO found FROM (
    SELECT e.id, e.embedding_vector OPERATOR(public.<#>) wanted AS distance
    FROM app.embeddings AS e
    WHERE e.tenant_id = tenant AND e.knowledge_base_id = ANY (bases) AND e.embedding_model = model
      AND (metadata IS NULL OR e.chunk_metadata @> metadata)
    ORDER BY e.embedding_vector OPERATOR(public.<#>) wanted LIMIT most
  ) AS f;
  RETURN found;
END
$$;

-- The nearest passages: exactly if there are few to compare, else by the graph, and exactly again if that finds too
-- few.
CREATE OR REPLACE FUNCTION app.nearest_chunks(
  tenant uuid, bases uuid[], chunks bigint, model text, wanted public.halfvec, document text, metadata jsonb,
  most integer
)
RETURNS uuid[]
LANGUAGE plpgsql
AS $$
DECLARE
  found uuid[];
BEGIN
  IF document IS NULL AND chunks > 5000 THEN
    found := app.nearest_by_graph(tenant, bases, model, wanted, metadata, most);
  END IF;
  IF coalesce(cardinality(found), 0) < least(most, chunks) THEN
    found := app.nearest_of_all(tenant, bases, model, wanted, document, metadata, most);
  END IF;
  RETURN found;
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

-- The passages of the authorized tenant that answer a query, the best first. `vectors` are the query's, one by each of
-- `models`. Raises FL404 for an unknown base, FL409 for one whose active model is not among `models`.
CREATE OR REPLACE FUNCTION app.search(
  query text, mode text, most integer, base uuid, document text, metadata jsonb, models text[], vectors public.halfvec[]
)
RETURNS TABLE (
  knowledge_base_id uuid, document_name text, title text, chunk_index integer, chunk_text text, chunk_metadata jsonb,
  chunk_start integer, chunk_end integer, similarity double precision, coverage double precision, words text[],
  confidence_threshold double precision
)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan  -- planning takes longer than execution
SET join_collapse_limit = 1  -- the few found passages are joined to their rows, in this order
AS $$
DECLARE
  tenant uuid := app.tenant();
  depth integer := CASE mode WHEN 'hybrid' THEN greatest(100, 2 * most) ELSE most END;
  base_ids uuid[];
  query_lexemes text[];  -- NULL in mode vector
  query_terms integer[];
  query_alternatives integer[];
  query_rarities double precision[];
  query_weights public.sparsevec;
  of_model record;
  listed uuid[] := '{}';
  scores float[] := '{}';
  found uuid[];
  highlighted text[];
BEGIN
  PERFORM app.take_search_place(tenant);
  SELECT array_agg(b.id) INTO base_ids
  FROM app.knowledge_bases AS b WHERE b.tenant_id = tenant AND (base IS NULL OR b.id = base);
  IF base IS NOT NULL AND base_ids IS NULL THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found',
      message = 'body.knowledge_base_id: there is no such knowledge base.';
  END IF;
  IF mode <> 'vector' THEN
    SELECT * INTO query_lexemes, query_terms, query_alternatives, query_rarities, query_weights
    FROM app.query_words(tenant, base_ids, query);
    found := app.matching_chunks(tenant, base_ids, query_terms, query_weights, document, metadata, depth);
    listed := found;
    scores := ARRAY(SELECT 1.5 / (20 + found_rank) FROM generate_series(1, cardinality(found)) AS found_rank);
  END IF;
  FOR of_model IN
    SELECT m.embedding_model AS name, array_agg(b.id) AS bases, sum(b.total_chunks) AS chunks
    FROM app.knowledge_base_models AS m
    JOIN app.knowledge_bases AS b ON b.tenant_id = tenant AND b.id = m.knowledge_base_id
    WHERE mode <> 'text' AND m.tenant_id = tenant AND m.is_active AND m.knowledge_base_id = ANY (base_ids) GROUP BY 1
  LOOP
    IF of_model.name <> ALL (models) THEN
      RAISE EXCEPTION USING errcode = 'FL409', constraint = 'model_unavailable',
        message = format(
          'A knowledge base is searched by the model %s, which is not available. Activate another.', of_model.name
        );
    END IF;
    found := app.nearest_chunks(tenant, of_model.bases, of_model.chunks, of_model.name,
      vectors[array_position(models, of_model.name)], document, metadata, depth);
    listed := listed || found;
    scores := scores || ARRAY(SELECT 1.0 / (20 + found_rank) FROM generate_series(1, cardinality(found)) AS found_rank);
  END LOOP;
  highlighted := ARRAY(
    SELECT q.lexeme FROM unnest(query_lexemes, query_rarities) AS q (lexeme, rarity)
    ORDER BY q.rarity DESC, q.lexeme LIMIT 20
  );  -- more take seconds to find in long passages
  RETURN QUERY
  SELECT e.knowledge_base_id, e.document_name, d.title, e.chunk_index, e.chunk_text, e.chunk_metadata,
    c.chunk_start, c.chunk_end,
    1 - (e.embedding_vector OPERATOR(public.<=>) vectors[array_position(models, e.embedding_model)]),
    (
      SELECT sum(q.rarity) FILTER (WHERE q.term = ANY (c.terms) OR q.alternative = ANY (c.terms)) / sum(q.rarity)
      FROM unnest(query_terms, query_alternatives, query_rarities) AS q (term, alternative, rarity)
      WHERE q.alternative IS NOT NULL
    ),
    CASE WHEN mode <> 'vector' THEN app.found_words(e.chunk_text, highlighted) ELSE '{}' END,
    t.confidence_threshold
  FROM (
    SELECT l.id, sum(l.score) AS score FROM unnest(listed, scores) AS l (id, score)
    GROUP BY l.id ORDER BY score DESC, l.id LIMIT most
  ) AS best
  JOIN app.chunks AS c ON c.tenant_id = tenant AND c.id = best.id
  JOIN app.documents AS d ON d.tenant_id = tenant AND d.id = c.document_id
  JOIN app.knowledge_base_models AS m
    ON m.tenant_id = tenant AND m.knowledge_base_id = c.knowledge_base_id AND m.is_active
  JOIN app.embeddings AS e ON e.tenant_id = tenant AND e.id = c.id AND e.embedding_model = m.embedding_model
  JOIN app.tenants AS t ON t.id = tenant
  ORDER BY best.score DESC, best.id;
END
$$;

REVOKE ALL ON FUNCTION app.search FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.search TO flo_app;
