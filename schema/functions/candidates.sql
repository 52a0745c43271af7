-- What app.find_passages ranks: the passages with the best words, and those with the nearest vectors.

-- Whether a passage is one of those that a search is about. By a jsonpath numbers are compared with numbers and texts
-- with texts: of other kinds the answer is NULL, not an error.
CREATE OR REPLACE FUNCTION app.passes(wanted app.passage_filter, document text, metadata jsonb)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN ((wanted).documents IS NULL OR document = ANY ((wanted).documents))
  AND ((wanted).contained IS NULL OR metadata @> (wanted).contained)
  AND ((wanted).condition IS NULL OR metadata @@ (wanted).condition);

-- The passages that match a query's words best, the best first.
CREATE OR REPLACE FUNCTION app.matching_chunks(
  tenant uuid, bases uuid[], terms integer[], weights public.sparsevec, filter app.passage_filter,
  most integer
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
      AND (filter IS NULL OR EXISTS (
        SELECT FROM app.embeddings AS e
        WHERE e.tenant_id = tenant AND e.id = c.id AND app.passes(filter, e.document_name, e.chunk_metadata)
      ))
    ORDER BY distance, c.id LIMIT most
  ) AS found);
END
$$;

-- The passages nearest to a vector, the nearest first, by comparing all of them.
CREATE OR REPLACE FUNCTION app.nearest_of_all(
  tenant uuid, bases uuid[], model text, wanted public.halfvec, filter app.passage_filter, most integer
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
        AND (filter IS NULL OR app.passes(filter, e.document_name, e.chunk_metadata))
      OFFSET 0  -- else the planner might take the graph
    ) AS compared
    ORDER BY compared.distance, compared.id LIMIT most
  ) AS found);
END
$$;

-- The same by the HNSW graph of the tenant's partition, with an iterative scan within pgvector's limits, if it has one.
CREATE OR REPLACE FUNCTION app.nearest_by_graph(
  tenant uuid, bases uuid[], model text, wanted public.halfvec, filter app.passage_filter, most integer
)
RETURNS uuid[]
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan  -- the tenant's share of the partition decides whether the graph is used
AS $$
DECLARE
  found uuid[];
BEGIN
  PERFORM set_config('hnsw.ef_search', least(1000, greatest(120, most))::text, true);
  IF current_setting('hnsw.iterative_scan', true) IS NOT NULL THEN  -- pgvector 0.7 has none, and refuses its name
    PERFORM set_config('hnsw.iterative_scan', 'relaxed_order', true);
  END IF;
  SELECT array_agg(f.id ORDER BY f.distance, f.id) INTO found FROM (
    SELECT e.id, e.embedding_vector OPERATOR(public.<#>) wanted AS distance
    FROM app.embeddings AS e
    WHERE e.tenant_id = tenant AND e.knowledge_base_id = ANY (bases) AND e.embedding_model = model
      AND (filter IS NULL OR app.passes(filter, e.document_name, e.chunk_metadata))
    ORDER BY e.embedding_vector OPERATOR(public.<#>) wanted LIMIT most
  ) AS f;
  RETURN found;
END
$$;

-- The nearest passages: exactly if there are few to compare, else by the graph, and exactly again if that finds too
-- few.
CREATE OR REPLACE FUNCTION app.nearest_chunks(
  tenant uuid, bases uuid[], chunks bigint, model text, wanted public.halfvec, filter app.passage_filter, most integer
)
RETURNS uuid[]
LANGUAGE plpgsql
AS $$
DECLARE
  found uuid[];
BEGIN
  IF chunks > 5000 AND (filter).documents IS NULL THEN
    found := app.nearest_by_graph(tenant, bases, model, wanted, filter, most);
  END IF;
  IF coalesce(cardinality(found), 0) < least(most, chunks) THEN
    found := app.nearest_of_all(tenant, bases, model, wanted, filter, most);
  END IF;
  RETURN found;
END
$$;

-- Passages that may be among the best: by words, by meaning, or by either. `vectors` are the query's, one by each of
-- `models`. Raises FL409 for a base whose active model is not among `models`.
CREATE OR REPLACE FUNCTION app.candidates(
  tenant uuid, bases uuid[], mode text, terms integer[], weights public.sparsevec, filter app.passage_filter,
  models text[], vectors public.halfvec[], depth integer
)
RETURNS uuid[]
LANGUAGE plpgsql
AS $$
DECLARE
  of_model record;
  found uuid[] := '{}';
BEGIN
  IF mode <> 'vector' THEN
    found := app.matching_chunks(tenant, bases, terms, weights, filter, depth);
  END IF;
  FOR of_model IN
    SELECT m.embedding_model AS name, array_agg(b.id) AS bases, sum(b.total_chunks) AS chunks
    FROM app.knowledge_base_models AS m
    JOIN app.knowledge_bases AS b ON b.tenant_id = tenant AND b.id = m.knowledge_base_id
    WHERE mode <> 'text' AND m.tenant_id = tenant AND m.is_active AND m.knowledge_base_id = ANY (bases) GROUP BY 1
  LOOP
    IF of_model.name <> ALL (models) THEN
      RAISE EXCEPTION USING errcode = 'FL409', constraint = 'model_unavailable',
        message = format(
          'A knowledge base is searched by the model %s, which is not available. Activate another.', of_model.name
        );
    END IF;
    found := found || app.nearest_chunks(tenant, of_model.bases, of_model.chunks, of_model.name,
      vectors[array_position(models, of_model.name)], filter, depth);
  END LOOP;
  RETURN ARRAY(SELECT DISTINCT unnest(found));
END
$$;
