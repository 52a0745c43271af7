-- Words as numbers: of passages with their weights, of queries with their rarity.

-- The number of a lexeme, which is a dimension of these vectors. MD5, since it is the same in every version of
-- Postgres.
CREATE OR REPLACE FUNCTION app.term(lexeme text)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN ('x' || left(md5(lexeme), 8))::bit(32)::integer & 536870911;

-- A lexeme has another number in each language but English: a stem of one never finds a word of another.
CREATE OR REPLACE FUNCTION app.term_in(language text, lexeme text)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN app.term(CASE language WHEN 'english' THEN lexeme ELSE language || ':' || lexeme END);

-- And in each tenant, so that the index entries of a word are one tenant's, and no search reads those of other tenants.
CREATE OR REPLACE FUNCTION app.term_of(tenant uuid, lexeme text, language text)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN app.term_in(language, lexeme) # ('x' || left(md5(tenant::text), 8))::bit(32)::integer;

CREATE OR REPLACE FUNCTION app.terms_of(tenant uuid, lexemes tsvector, language text DEFAULT 'english')
RETURNS integer[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
  SELECT coalesce(array_agg(app.term_of(tenant, l.lexeme, language)), '{}') FROM unnest(lexemes) AS l
$$;

-- BM25's weight of each word in a passage, with k1 = 1.6, b = 0.75 and 100 words for the usual length.
CREATE OR REPLACE FUNCTION app.weights_of(lexemes tsvector, language text DEFAULT 'english')
RETURNS public.sparsevec
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
  WITH counted AS (
    SELECT app.term_in(language, l.lexeme) + 1 AS dimension, sum(coalesce(cardinality(l.positions), 1)) AS times,
      coalesce(sum(sum(cardinality(l.positions))) OVER (), 0) AS words
    FROM unnest(lexemes) AS l GROUP BY 1
  )
  SELECT (
    '{' || coalesce(string_agg(format('%s:%s', dimension,
      round((times * 2.6 / (times + 1.6 * (0.25 + 0.75 * words / 100)))::numeric, 4)), ',' ORDER BY dimension), '')
    || '}/536870912'
  )::public.sparsevec
  FROM counted
$$;

-- A query for full-text search: its words in each of these languages, their rarity among the passages of these bases,
-- their weights, and for each what stands for it as well: of a part of a compound the whole. NULL: it is the whole,
-- which its parts stand for. A query of stop words alone is searched by them; beside other words only those in capitals
-- count.
--
-- At most 4,000 words count, each in each language: of a longer query those that come first.
--
-- A word is as rare as all its forms together: those that stand at its place, or are written alike, in any of the
-- languages.
CREATE OR REPLACE FUNCTION app.query_words(
  tenant uuid, bases uuid[], spoken text[], query text, OUT languages text[], OUT lexemes text[], OUT terms integer[],
  OUT alternatives integer[], OUT rarities double precision[], OUT weights public.sparsevec
)
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_generic_plan  -- planning takes longer than execution
AS $$
DECLARE
  all_chunks double precision := (
    SELECT coalesce(sum(b.total_chunks), 0) FROM app.knowledge_bases AS b
    WHERE b.tenant_id = tenant AND b.id = ANY (bases)
  );
BEGIN
  WITH words AS (
    SELECT s.language, l.lexeme, coalesce(cardinality(l.positions), 1) AS times, l.positions,
      l.lexeme LIKE '=%' AS is_stop_word, row_number() OVER (PARTITION BY s.language ORDER BY l.positions[1]) AS place,
      bool_and(l.lexeme LIKE '=%') OVER (PARTITION BY s.language) AS are_all_stop_words
    FROM unnest(spoken) AS s (language) CROSS JOIN LATERAL unnest(app.words_of(query, s.language, true)) AS l
  ),
  parts AS (
    SELECT s.language, part.lexeme, min(whole.lexeme) AS whole
    FROM app.compounds(regexp_replace(app.folded(query), '[' || app.unspaced() || ']+', ' ', 'g')) AS c
    CROSS JOIN (
      SELECT l.language, app.configuration(l.language) AS configuration FROM unnest(spoken) AS l (language)
    ) AS s
    CROSS JOIN LATERAL unnest(to_tsvector(s.configuration, c.joined)) AS whole
    CROSS JOIN LATERAL unnest(to_tsvector(s.configuration, lower(app.plain(c.written)))) AS part
    WHERE part.lexeme <> whole.lexeme GROUP BY 1, 2
  ),
  wanted AS MATERIALIZED (
    SELECT DISTINCT ON (app.term_in(w.language, w.lexeme))
      w.language, w.lexeme, w.times, w.positions, app.term_of(tenant, w.lexeme, w.language) AS term,
      CASE WHEN h.whole IS NULL
        THEN app.term_of(tenant, coalesce(p.whole, w.lexeme), w.language)
      END AS alternative
    FROM words AS w
    LEFT JOIN parts AS p ON p.language = w.language AND p.lexeme = w.lexeme
    LEFT JOIN (SELECT DISTINCT o.language, o.whole FROM parts AS o) AS h
      ON h.language = w.language AND h.whole = w.lexeme
    WHERE w.place <= 4000 / cardinality(spoken)
      AND (NOT w.is_stop_word OR w.are_all_stop_words OR (w.lexeme <> lower(w.lexeme) AND query <> upper(query)))
  ),
  counts AS MATERIALIZED (
    SELECT w.term, n.chunks
    FROM wanted AS w
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(t.chunks), 0)::double precision AS chunks FROM app.term_counts AS t
      WHERE t.tenant_id = tenant AND t.knowledge_base_id = ANY (bases) AND t.term = w.term
    ) AS n
  ),
  places AS (
    SELECT w.term, unnest(w.positions)::text AS place FROM wanted AS w
    UNION ALL
    SELECT w.term, '=' || w.lexeme FROM wanted AS w
  ),
  forms AS (
    SELECT DISTINCT a.term, b.term AS form FROM places AS a JOIN places AS b ON b.place = a.place
  ),
  counted AS (
    SELECT w.language, w.lexeme, w.times, w.term, w.alternative,
      ln(1 + (all_chunks - n.chunks + 0.5) / (n.chunks + 0.5)) AS rarity
    FROM wanted AS w
    JOIN (
      SELECT f.term, least(all_chunks, sum(c.chunks)) AS chunks FROM forms AS f JOIN counts AS c ON c.term = f.form
      GROUP BY 1
    ) AS n ON n.term = w.term
  )
  SELECT array_agg(c.language), array_agg(c.lexeme), array_agg(c.term), array_agg(c.alternative), array_agg(c.rarity),
    ('{' || string_agg(
      format('%s:%s', app.term_in(c.language, c.lexeme) + 1, c.rarity * c.times), ','
      ORDER BY app.term_in(c.language, c.lexeme)
    ) || '}/536870912')::public.sparsevec
  INTO languages, lexemes, terms, alternatives, rarities, weights
  FROM counted AS c;
END
$$;
