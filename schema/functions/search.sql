-- Search: the nearest vectors, the best words, or both, fused by score. It runs as flo_owner, since under row-level
-- security only leakproof operators may use an index, and `&&` is none; each statement names the tenant that
-- app.authorize set.

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
  texts AS MATERIALIZED (  -- else each is made for each hit
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
  found uuid[];
  text_hashes bytea[];
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
    SELECT array_agg(f.id ORDER BY f.place), array_agg(coalesce(c.text_hash, c.content_hash) ORDER BY f.place)
    INTO found, text_hashes
    FROM unnest(app.candidates(
      tenant, base_ids, mode, query_terms, query_weights, filter, models, vectors, depth
    )) WITH ORDINALITY AS f (id, place)
    CROSS JOIN LATERAL (SELECT * FROM app.chunks AS c WHERE c.tenant_id = tenant AND c.id = f.id LIMIT 1) AS c;
    EXIT WHEN coalesce(cardinality(found), 0) < depth OR depth > 10000
      OR most <= (SELECT count(DISTINCT h.text_hash) FROM unnest(text_hashes) AS h (text_hash));
    depth := 8 * depth;  -- too many of them are copies
  END LOOP;
  RETURN QUERY
  WITH best AS MATERIALIZED (
    SELECT array_agg(f.id ORDER BY f.place) AS ids, min(f.place) AS place
    FROM unnest(found, text_hashes) WITH ORDINALITY AS f (id, text_hash, place)
    GROUP BY f.text_hash ORDER BY 2 LIMIT most
  ),
  surrounded AS MATERIALIZED (  -- else it is done for each of the best
    SELECT s.* FROM (SELECT array_agg(b.ids[1] ORDER BY b.place) AS ids FROM best AS b HAVING around > 0) AS hits
    CROSS JOIN LATERAL app.contexts(tenant, hits.ids, around) AS s
  )
  SELECT e.knowledge_base_id, e.document_name, d.title, e.chunk_index, e.chunk_text, e.chunk_metadata,
    c.chunk_start, c.chunk_end,
    (
      SELECT jsonb_agg(jsonb_build_object(
        'knowledge_base_id', o.knowledge_base_id, 'document_name', od.name, 'chunk_index', o.chunk_index
      ) ORDER BY copy.place)
      FROM unnest(best.ids[2:101]) WITH ORDINALITY AS copy (id, place)
      CROSS JOIN LATERAL (SELECT * FROM app.chunks AS o WHERE o.tenant_id = tenant AND o.id = copy.id LIMIT 1) AS o
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
  CROSS JOIN LATERAL (SELECT * FROM app.chunks AS c WHERE c.tenant_id = tenant AND c.id = best.ids[1] LIMIT 1) AS c
  JOIN app.documents AS d ON d.tenant_id = tenant AND d.id = c.document_id
  JOIN app.knowledge_base_models AS m
    ON m.tenant_id = tenant AND m.knowledge_base_id = c.knowledge_base_id AND m.is_active
  JOIN app.embeddings AS e ON e.tenant_id = tenant AND e.id = c.id AND e.embedding_model = m.embedding_model
  JOIN app.tenants AS t ON t.id = tenant
  LEFT JOIN surrounded AS x ON x.id = c.id
  ORDER BY best.place;
END
$$;

REVOKE ALL ON FUNCTION app.find_passages FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.find_passages TO flo_app;
