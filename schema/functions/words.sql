-- Words for full-text search: of passages, of queries, and their weights.

-- The stemmed words of a text. Punctuation, symbols and spaces beyond ASCII become spaces, since the parser would take
-- them for letters or not by the server's locale. Invisible characters within a word are removed, and letters are in
-- NFKC.
CREATE OR REPLACE FUNCTION app.words_of(text text)
RETURNS tsvector
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN to_tsvector('english', lower(normalize(
  regexp_replace(
    regexp_replace(text, '[\u00AD\u200C\u200D\u2060\uFE00-\uFE0F\uFEFF]', '', 'g'),
    '[/\\_@\u0080-\u00A9\u00AB-\u00B4\u00B6-\u00B9\u00BB-\u00BF\u00D7\u00F7'
    '\u037E\u0387\u055A-\u055F\u0589\u058A\u05BE\u05C0\u05C3\u05F3\u05F4\u060C\u061B\u061F'
    '\u066A-\u066D\u06D4\u0964\u0965'
    '\u2000-\u206F\u2070-\u209F\u20A0-\u20CF\u2100-\u2BFF\u2E00-\u2E7F'
    '\u3000-\u3004\u3008-\u3020\u3030\u303D-\u303F\u30FB'
    '\uE000-\uF8FF\uFE10-\uFE1F\uFE30-\uFE6F\uFF01-\uFF0F\uFF1A-\uFF20\uFF3B-\uFF40\uFF5B-\uFF65\uFFE0-\uFFFF'
    '\U0001F000-\U0001FAFF]+',
    ' ', 'g'
  ),
  NFKC
)));

-- The number of a lexeme, which is a dimension of these vectors. MD5, since it is the same in every version of
-- Postgres.
CREATE OR REPLACE FUNCTION app.term(lexeme text)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN ('x' || left(md5(lexeme), 8))::bit(32)::integer & 536870911;

-- A lexeme has another number in each tenant, so that the index entries of a word are one tenant's, and no search reads
-- those of other tenants.
CREATE OR REPLACE FUNCTION app.terms_of(tenant uuid, lexemes tsvector)
RETURNS integer[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
  SELECT coalesce(array_agg(app.term(l.lexeme) # ('x' || left(md5(tenant::text), 8))::bit(32)::integer), '{}')
  FROM unnest(lexemes) AS l
$$;

-- BM25's weight of each word in a passage, with k1 = 1.6, b = 0.75 and 100 words for the usual length.
CREATE OR REPLACE FUNCTION app.weights_of(lexemes tsvector)
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

-- A query for full-text search: its words, their rarity among the passages of these bases, and their weights.
CREATE OR REPLACE FUNCTION app.query_terms(
  tenant uuid, bases uuid[], query text, OUT lexemes text[], OUT terms integer[],
  OUT rarities double precision[], OUT weights public.sparsevec
)
LANGUAGE sql
STABLE
AS $$
  WITH counted AS (
    SELECT b.chunks, word.lexeme, word.term,
      ln(1 + (b.chunks - coalesce(n.chunks, 0) + 0.5) / (coalesce(n.chunks, 0) + 0.5)) AS rarity
    FROM (
      SELECT DISTINCT ON (app.term(l.lexeme))
        l.lexeme, (app.terms_of(tenant, array_to_tsvector(ARRAY[l.lexeme])))[1] AS term
      FROM unnest(app.words_of(query)) AS l
    ) AS word
    CROSS JOIN (
      SELECT coalesce(sum(b.total_chunks), 0)::double precision AS chunks FROM app.knowledge_bases AS b
      WHERE b.tenant_id = tenant AND b.id = ANY (bases)
    ) AS b
    CROSS JOIN LATERAL (
      SELECT sum(t.chunks)::double precision AS chunks FROM app.term_counts AS t
      WHERE t.tenant_id = tenant AND t.knowledge_base_id = ANY (bases) AND t.term = word.term
    ) AS n
  )
  SELECT array_agg(lexeme), array_agg(term), array_agg(rarity),
    ('{' || string_agg(format('%s:%s', app.term(lexeme) + 1, rarity), ',' ORDER BY app.term(lexeme)) || '}/536870912')
      ::public.sparsevec
  FROM counted
$$;

-- A pattern for words that may have these lexemes, whose stems are then compared: stemming keeps all but the last two
-- letters. Three letters select enough; longer prefixes take milliseconds a passage. Accents may be separate
-- characters.
CREATE OR REPLACE FUNCTION app.like_lexemes(lexemes text[])
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN (
  SELECT '\m(?:' || string_agg(DISTINCT p.prefix, '|') || ')[[:alnum:]\u0300-\u036F]*'
  FROM unnest(lexemes) AS l (lexeme)
  CROSS JOIN LATERAL (VALUES
    (left(l.lexeme, least(3, greatest(1, length(l.lexeme) - 2)))),
    (CASE WHEN l.lexeme IS NOT NFD NORMALIZED THEN left(normalize(l.lexeme, NFD), 1) END)
  ) AS p (prefix)
  WHERE l.lexeme ~ '^[[:alnum:]]+$'
);
