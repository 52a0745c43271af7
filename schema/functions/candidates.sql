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
    FROM (  -- by this index alone: its entries of a word are one tenant's but for chance, those of another all its own
      SELECT * FROM app.chunks AS c WHERE c.terms && matching_chunks.terms OFFSET 0
    ) AS c
    WHERE c.tenant_id = tenant AND c.knowledge_base_id = ANY (bases)
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

-- By how many standard deviations a value is better than the average.
CREATE OR REPLACE FUNCTION app.deviations(value double precision, average double precision, deviation double precision)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN coalesce((value - average) / nullif(deviation, 0), 0);

-- Candidates of several lists, the best first. A candidate's score is the sum of its deviations by words and by
-- meaning. What the three best mean on average is half as much asked for as what the query means.
CREATE OR REPLACE FUNCTION app.best_first(
  tenant uuid, candidates uuid[], mode text, weights public.sparsevec, models text[], vectors public.halfvec[]
)
RETURNS uuid[]
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_generic_plan  -- planning takes longer than execution
SET join_collapse_limit = 1
AS $$
DECLARE
  words double precision := CASE mode WHEN 'hybrid' THEN 0.6 ELSE 0 END;
BEGIN
  RETURN (
  WITH found AS MATERIALIZED (
    SELECT c.id, m.embedding_model,
      coalesce(-(c.weights OPERATOR(public.<#>) best_first.weights), 0) AS by_words,
      -(e.embedding_vector OPERATOR(public.<#>) vectors[array_position(models, m.embedding_model)]) AS by_meaning
    FROM unnest(candidates) AS candidate (id)
    CROSS JOIN LATERAL (SELECT * FROM app.chunks AS c WHERE c.tenant_id = tenant AND c.id = candidate.id LIMIT 1) AS c
    JOIN app.knowledge_base_models AS m
      ON m.tenant_id = tenant AND m.knowledge_base_id = c.knowledge_base_id AND m.is_active
    JOIN app.embeddings AS e ON e.tenant_id = tenant AND e.id = c.id AND e.embedding_model = m.embedding_model
  ),
  complete AS (
    SELECT f.id, f.embedding_model,
      app.deviations(f.by_words, avg(f.by_words) OVER (), stddev(f.by_words) OVER ()) AS by_words,
      coalesce(f.by_meaning, min(f.by_meaning) OVER (PARTITION BY f.embedding_model), 0) AS by_meaning
    FROM found AS f
  ),
  compared AS MATERIALIZED (
    SELECT c.*,
      app.deviations(c.by_meaning, avg(c.by_meaning) OVER of_model, stddev(c.by_meaning) OVER of_model) AS near
    FROM complete AS c WINDOW of_model AS (PARTITION BY c.embedding_model)
  ),
  best AS MATERIALIZED (  -- else it is made for each candidate
    SELECT b.embedding_model, public.avg(e.embedding_vector) AS vector FROM (
      SELECT c.id, c.embedding_model FROM compared AS c
      WHERE mode = 'hybrid' ORDER BY words * c.by_words + (1 - words) * c.near DESC, c.id LIMIT 3
    ) AS b
    JOIN app.embeddings AS e ON e.tenant_id = tenant AND e.id = b.id AND e.embedding_model = b.embedding_model
    GROUP BY b.embedding_model
  ),
  again AS (
    SELECT c.id, c.embedding_model, c.by_words,
      c.by_meaning - 0.5 * coalesce(e.embedding_vector OPERATOR(public.<#>) b.vector, 0) AS by_meaning
    FROM compared AS c
    LEFT JOIN best AS b ON b.embedding_model = c.embedding_model
    LEFT JOIN app.embeddings AS e  -- read anew: to carry vectors along takes longer
      ON e.tenant_id = tenant AND e.id = c.id AND e.embedding_model = b.embedding_model
  ),
  scored AS (
    SELECT a.id, words * a.by_words + (1 - words)
      * app.deviations(a.by_meaning, avg(a.by_meaning) OVER of_model, stddev(a.by_meaning) OVER of_model) AS score
    FROM again AS a WINDOW of_model AS (PARTITION BY a.embedding_model)
  )
  SELECT array_agg(s.id ORDER BY s.score DESC, s.id) FROM scored AS s
  );
END
$$;

-- Passages that may be among the best, the best first: by words, by meaning, or by both. `vectors` are the query's, one
-- by each of `models`. Raises FL409 for a base whose active model is not among `models`.
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
    found := found || app.matching_chunks(tenant, bases, terms, weights, filter, depth);
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
  IF mode = 'hybrid' OR (mode = 'vector' AND cardinality(models) > 1) THEN  -- else it is one list, in its order
    found := app.best_first(tenant, ARRAY(SELECT DISTINCT unnest(found)), mode, weights, models, vectors);
  END IF;
  RETURN found;
END
$$;
