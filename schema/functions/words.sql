-- Words for full-text search: of passages, of queries, and their weights.

-- A text in the letters by which words are compared. Punctuation, symbols and spaces beyond ASCII become spaces, since
-- the parser would take them for letters or not by the server's locale. Invisible characters within a word are removed,
-- letters are in NFKC, Latin ones without accents, and `ß` is `ss`.
CREATE OR REPLACE FUNCTION app.folded(text text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE WHEN octet_length(text) = length(text) THEN text ELSE normalize(
  regexp_replace(
    normalize(
      translate(replace(replace(replace(replace(replace(replace(
        regexp_replace(
          regexp_replace(text, '[\u00AD\u200C\u200D\u2060\uFE00-\uFE0F\uFEFF]', '', 'g'),
          '[\u0080-\u00A9\u00AB-\u00B4\u00B6-\u00B9\u00BB-\u00BF\u00D7\u00F7'
          '\u037E\u0387\u055A-\u055F\u0589\u058A\u05BE\u05C0\u05C3\u05F3\u05F4\u060C\u061B\u061F'
          '\u066A-\u066D\u06D4\u0964\u0965'
          '\u2000-\u206F\u2070-\u209F\u20A0-\u20CF\u2100-\u2BFF\u2E00-\u2E7F'
          '\u3000-\u3004\u3008-\u3020\u3030\u303D-\u303F\u30FB'
          '\uE000-\uF8FF\uFE10-\uFE1F\uFE30-\uFE6F\uFF01-\uFF0F\uFF1A-\uFF20\uFF3B-\uFF40\uFF5B-\uFF65\uFFE0-\uFFFF'
          '\U0001F000-\U0001FAFF]+',
          ' ', 'g'
        ),
        'ß', 'ss'), 'ẞ', 'SS'), 'æ', 'ae'), 'Æ', 'AE'), 'œ', 'oe'), 'Œ', 'OE'),
        'øØłŁđĐı', 'oOlLdDi'),
      NFKD
    ),
    '([A-Za-z])[\u0300-\u036F]+', '\1', 'g'
  ),
  NFKC
) END;

-- The words of a folded text between single spaces, in their own case. Whatever is neither letter nor digit parts them,
-- and so does a border between letters and digits. `C++` and `C#` are cplusplus and csharp, and `v1.2` is 1.2.
CREATE OR REPLACE FUNCTION app.plain(folded text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN regexp_replace(
  regexp_replace(
    regexp_replace(
      regexp_replace(
        regexp_replace(folded, '(?<![A-Za-z0-9])[vV](?=[0-9]+\.)', '', 'g'),
        '(?<![A-Za-z0-9])([A-Za-z]{1,2})\+\+(?![A-Za-z+])', '\1plusplus ', 'g'
      ),
      '(?<![A-Za-z0-9])([A-Za-z]{1,2})#(?![A-Za-z0-9#])', '\1sharp ', 'g'
    ),
    '[\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u007F]+', ' ', 'g'
  ),
  '(?<=[0-9])(?=[^0-9 ])|(?<=[^0-9 ])(?=[0-9])', ' ', 'g'
);

-- What is written as one word of several, and that word: `e-mail` is email, `CVE-2026-2332` cve20262332, `Node.js`
-- nodejs, `AT&T` atandt, `5km` itself, and `1.2.3` 1dot2dot3.
CREATE OR REPLACE FUNCTION app.compounds(folded text)
RETURNS TABLE (written text, joined text)
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
  SELECT m.found[1], CASE WHEN m.found[1] ~ '^[0-9.-]+$' THEN regexp_replace(m.found[1], '[.-]', 'dot', 'g')
    ELSE replace(translate(m.found[1], '.-', ''), '&', 'and') END
  FROM regexp_matches(
    lower(regexp_replace(folded, '(?<![A-Za-z0-9])[vV](?=[0-9]+\.)', '', 'g')),
    '('
    '[^\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u007F]+'
    '(?:[.-][^\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u007F]+){1,7}'
    '|(?<![A-Za-z0-9])[A-Za-z0-9]{1,3}&[A-Za-z0-9]{1,3}(?![A-Za-z0-9])'
    '|[0-9]+[^\u0001-\u0040\u005B-\u0060\u007B-\u007F][^\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u007F]*'
    '|[^\u0001-\u0040\u005B-\u0060\u007B-\u007F]+[0-9][^\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u007F]*'
    ')', 'g'
  ) AS m (found)
$$;

-- The stemmed words of a text, with the positions of those that stand there. Without positions, since they are no
-- further words of it: compounds as one word, and stop words with `=` before them, in capitals as well if so written.
CREATE OR REPLACE FUNCTION app.words_of(text text)
RETURNS tsvector
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
  SELECT to_tsvector('english', lower(p.plain))
    || strip(to_tsvector('english', coalesce((SELECT string_agg(c.joined, ' ') FROM app.compounds(f.folded) AS c), '')))
    || array_to_tsvector(ARRAY(
      SELECT DISTINCT s.lexeme
      FROM (SELECT DISTINCT unnest(string_to_array(p.plain, ' ')) AS word) AS w
      CROSS JOIN LATERAL (VALUES
        ('=' || lower(w.word)), (CASE WHEN length(w.word) > 1 AND w.word = upper(w.word) THEN '=' || w.word END)
      ) AS s (lexeme)
      WHERE w.word <> '' AND s.lexeme IS NOT NULL AND length(w.word) < 20
        AND ts_lexize('english_stem', lower(w.word)) = '{}'
    ))
  FROM (SELECT app.folded(text) AS folded OFFSET 0) AS f
  CROSS JOIN LATERAL (SELECT app.plain(f.folded) AS plain OFFSET 0) AS p
$$;

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
CREATE OR REPLACE FUNCTION app.term_of(tenant uuid, lexeme text)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN app.term(lexeme) # ('x' || left(md5(tenant::text), 8))::bit(32)::integer;

CREATE OR REPLACE FUNCTION app.terms_of(tenant uuid, lexemes tsvector)
RETURNS integer[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
  SELECT coalesce(array_agg(app.term_of(tenant, l.lexeme)), '{}') FROM unnest(lexemes) AS l
$$;

-- BM25's weight of each word in a passage, with k1 = 1.6, b = 0.75 and 100 words for the usual length.
CREATE OR REPLACE FUNCTION app.weights_of(lexemes tsvector)
RETURNS public.sparsevec
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
  WITH counted AS (
    SELECT app.term(l.lexeme) + 1 AS dimension, sum(coalesce(cardinality(l.positions), 1)) AS times,
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

-- A query for full-text search: its words, their rarity among the passages of these bases, their weights, and for
-- each what stands for it as well: of a part of a compound the whole. NULL: it is the whole, which its parts stand for.
-- A query of stop words alone is searched by them; beside other words only those in capitals count.
CREATE OR REPLACE FUNCTION app.query_words(
  tenant uuid, bases uuid[], query text, OUT lexemes text[], OUT terms integer[], OUT alternatives integer[],
  OUT rarities double precision[], OUT weights public.sparsevec
)
LANGUAGE sql
STABLE
AS $$
  WITH words AS (
    SELECT l.lexeme, coalesce(cardinality(l.positions), 1) AS times, l.lexeme LIKE '=%' AS is_stop_word
    FROM unnest(app.words_of(query)) AS l
  ),
  parts AS (
    SELECT part.lexeme, min(whole.lexeme) AS whole
    FROM app.compounds(app.folded(query)) AS c
    CROSS JOIN LATERAL unnest(to_tsvector('english', c.joined)) AS whole
    CROSS JOIN LATERAL unnest(to_tsvector('english', lower(app.plain(c.written)))) AS part
    WHERE part.lexeme <> whole.lexeme GROUP BY 1
  ),
  wanted AS (
    SELECT DISTINCT ON (app.term(w.lexeme)) w.lexeme, w.times, app.term_of(tenant, w.lexeme) AS term,
      CASE WHEN w.lexeme NOT IN (SELECT p.whole FROM parts AS p)
        THEN app.term_of(tenant, coalesce((SELECT p.whole FROM parts AS p WHERE p.lexeme = w.lexeme), w.lexeme))
      END AS alternative
    FROM words AS w
    WHERE NOT w.is_stop_word OR NOT EXISTS (SELECT FROM words AS o WHERE NOT o.is_stop_word)
      OR (w.lexeme <> lower(w.lexeme) AND query <> upper(query))
  ),
  counted AS (
    SELECT w.lexeme, w.times, w.term, w.alternative,
      ln(1 + (b.chunks - coalesce(n.chunks, 0) + 0.5) / (coalesce(n.chunks, 0) + 0.5)) AS rarity
    FROM wanted AS w
    CROSS JOIN (
      SELECT coalesce(sum(b.total_chunks), 0)::double precision AS chunks FROM app.knowledge_bases AS b
      WHERE b.tenant_id = tenant AND b.id = ANY (bases)
    ) AS b
    CROSS JOIN LATERAL (
      SELECT sum(t.chunks)::double precision AS chunks FROM app.term_counts AS t
      WHERE t.tenant_id = tenant AND t.knowledge_base_id = ANY (bases) AND t.term = w.term
    ) AS n
  )
  SELECT array_agg(lexeme), array_agg(term), array_agg(alternative), array_agg(rarity),
    ('{' || string_agg(
      format('%s:%s', app.term(lexeme) + 1, rarity * times), ',' ORDER BY app.term(lexeme)) || '}/536870912'
    )::public.sparsevec
  FROM counted
$$;

-- The words of a passage that have one of these lexemes, folded and in lower case, and compounds as they are written.
-- Stemming keeps all but the last two letters; the first three are compared before words are stemmed.
CREATE OR REPLACE FUNCTION app.found_words(passage text, lexemes text[])
RETURNS text[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
  SELECT ARRAY(
    SELECT w.word
    FROM (SELECT DISTINCT unnest(string_to_array(lower(app.plain(f.folded)), ' ')) AS word) AS w
    WHERE left(w.word, 3) LIKE ANY (p.beginnings)
      AND coalesce((ts_lexize('english_stem', w.word))[1], '=' || w.word) = ANY (lexemes)
    UNION
    SELECT c.written FROM app.compounds(f.folded) AS c
    WHERE left(c.joined, 3) LIKE ANY (p.beginnings) AND tsvector_to_array(to_tsvector('english', c.joined)) && lexemes
  )
  FROM (SELECT app.folded(passage) AS folded OFFSET 0) AS f
  CROSS JOIN (
    SELECT ARRAY(
      SELECT DISTINCT left(l.bare, least(3, greatest(1, length(l.bare) - 2))) || '%'
      FROM unnest(lexemes) AS u (lexeme) CROSS JOIN LATERAL (SELECT lower(ltrim(u.lexeme, '=')) AS bare) AS l
    ) AS beginnings
  ) AS p
$$;
