-- Words for full-text search, of passages and of queries, in their language.

-- A text whose punctuation, symbols and spaces beyond ASCII are spaces, since the parser would take them for letters or
-- not by the server's locale. Hyphens are one, and invisible characters within a word are removed.
CREATE OR REPLACE FUNCTION app.parted(text text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN regexp_replace(
  regexp_replace(translate(text, U&'\2010\2011', '--'), '[\u00AD\u200C\u200D\u2060\uFE00-\uFE0F\uFEFF]', '', 'g'),
  '[\u0080-\u00A9\u00AB-\u00B4\u00B6-\u00B9\u00BB-\u00BF\u00D7\u00F7'
  '\u037E\u0387\u055A-\u055F\u0589\u058A\u05BE\u05C0\u05C3\u05F3\u05F4\u060C\u061B\u061F'
  '\u066A-\u066D\u06D4\u0964\u0965'
  '\u2000-\u206F\u2070-\u209F\u20A0-\u20CF\u2100-\u2BFF\u2E00-\u2E7F'
  '\u3000-\u3004\u3008-\u3020\u3030\u303D-\u303F\u30FB'
  '\uE000-\uF8FF\uFE10-\uFE1F\uFE30-\uFE6F\uFF01-\uFF0F\uFF1A-\uFF20\uFF3B-\uFF40\uFF5B-\uFF65\uFFE0-\uFFFF'
  '\U0001F000-\U0001FAFF]+',
  ' ', 'g'
);

-- A text in the letters by which words are compared: in NFKC, Latin ones without accents, and `ß` is `ss`.
CREATE OR REPLACE FUNCTION app.folded(text text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE WHEN octet_length(text) = length(text) THEN text ELSE normalize(
  regexp_replace(
    normalize(
      translate(
        replace(replace(replace(replace(replace(replace(
          app.parted(text), 'ß', 'ss'), 'ẞ', 'SS'), 'æ', 'ae'), 'Æ', 'AE'), 'œ', 'oe'), 'Œ', 'OE'),
        'øØłŁđĐı', 'oOlLdDi'
      ),
      NFKD
    ),
    '([A-Za-z])[\u0300-\u036F]+', '\1', 'g'
  ),
  NFKC
) END;

-- The letters of what is written without spaces between words, as a regular expression has them in brackets: Thai, Lao,
-- Burmese, Hangul, Khmer, kana, Bopomofo, Han. Of Korean two syllables stand for a word, too, since no stemmer knows
-- its endings.
CREATE OR REPLACE FUNCTION app.unspaced()
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN '\u0E01-\u0E3A\u0E40-\u0E4E\u0E50-\u0E59\u0E81-\u0EDF\u1000-\u1049\u1050-\u109F\u1100-\u11FF\u1780-\u17D3'
  '\u3005-\u3007\u3041-\u3096\u3099-\u309F\u30A1-\u30FA\u30FC-\u30FF\u3105-\u312F\u31A0-\u31BF\u31F0-\u31FF'
  '\u3400-\u4DBF\u4E00-\u9FFF\uAC00-\uD7A3\uF900-\uFAFF\U00020000-\U000323AF';

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

-- A text without these letters, for the parser of words.
CREATE OR REPLACE FUNCTION app.spaced(text text, has_unspaced boolean)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE WHEN has_unspaced THEN regexp_replace(text, '[' || app.unspaced() || ']+', ' ', 'g') ELSE text END;

-- Of a folded text the runs of letters without spaces, as pairs of neighbours: any two letters in their order are
-- found, also within a run. A letter that stands alone is one. Each letter is indexed once more without a position.
CREATE OR REPLACE FUNCTION app.pairs_of(folded text, for_query boolean DEFAULT false)
RETURNS tsvector
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
  SELECT coalesce(string_agg(CASE l.next WHEN ' ' THEN l.letter ELSE l.letter || l.next END || ':' || l.place, ' ')
      FILTER (WHERE l.next <> ' ' OR l.previous = ' '), '')::tsvector
    || array_to_tsvector(coalesce(array_agg(l.letter) FILTER (WHERE NOT for_query), '{}'))
  FROM string_to_array(regexp_replace(folded, '[^' || app.unspaced() || ']+', ' ', 'g'), NULL) AS s (letters)
  CROSS JOIN LATERAL unnest(s.letters, s.letters[2:] || ' '::text, ' '::text || s.letters)
    WITH ORDINALITY AS l (letter, next, previous, place)
  WHERE l.letter <> ' '
$$;

-- A text in the letters by which it is stemmed: with its accents, by which most languages tell endings. English is
-- stemmed without.
CREATE OR REPLACE FUNCTION app.written(text text, folded text, language text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE WHEN language = 'english' OR octet_length(text) = length(text) THEN folded
  ELSE normalize(app.parted(text), NFKC) END;

-- Lexemes as they are compared, without accents.
CREATE OR REPLACE FUNCTION app.folded_lexemes(lexemes tsvector)
RETURNS tsvector
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
  SELECT coalesce(string_agg(
    quote_literal(lower(app.folded(l.lexeme))) || ':' || array_to_string(l.positions, ','), ' '), '')::tsvector
  FROM unnest(lexemes) AS l
$$;

-- A text as its words are read: folded, as it is stemmed, both without the letters that are paired, and its words so.
CREATE OR REPLACE FUNCTION app.reading(text text, language text)
RETURNS TABLE (
  folded text, has_pairs boolean, spaced text, written text, plain text, configuration regconfig,
  dictionary regdictionary
)
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
  SELECT f.folded, u.is_there, s.folded, s.written, p.plain, app.configuration(language), app.dictionary(language)
  FROM (SELECT app.folded(text) AS folded OFFSET 0) AS f
  CROSS JOIN LATERAL (
    SELECT octet_length(f.folded) <> length(f.folded) AND f.folded ~ ('[' || app.unspaced() || ']') AS is_there OFFSET 0
  ) AS u
  CROSS JOIN LATERAL (SELECT app.written(text, f.folded, language) AS written OFFSET 0) AS w
  CROSS JOIN LATERAL (
    SELECT app.spaced(f.folded, u.is_there) AS folded, app.spaced(w.written, u.is_there) AS written OFFSET 0
  ) AS s
  CROSS JOIN LATERAL (SELECT app.plain(s.written) AS plain OFFSET 0) AS p
  OFFSET 0
$$;

-- The stemmed words of a text, with the positions of those that stand there. Without positions, since they are no
-- further words of it: compounds as one word, and stop words with `=` before them, in capitals as well if so written;
-- and what words would be that were written without accents, unless the text is a query.
CREATE OR REPLACE FUNCTION app.words_of(text text, language text DEFAULT 'english', for_query boolean DEFAULT false)
RETURNS tsvector
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
  SELECT CASE WHEN r.has_pairs THEN app.pairs_of(r.folded, for_query) ELSE '' END
    || CASE WHEN r.written = r.spaced THEN to_tsvector(r.configuration, lower(r.plain))
      ELSE app.folded_lexemes(to_tsvector(r.configuration, lower(r.plain))) END
    || CASE WHEN r.written = r.spaced OR for_query THEN ''
      ELSE strip(to_tsvector(r.configuration, lower(app.plain(r.spaced)))) END
    || strip(to_tsvector(
      r.configuration, coalesce((SELECT string_agg(o.joined, ' ') FROM app.compounds(r.spaced) AS o), '')
    ))
    || array_to_tsvector(ARRAY(
      SELECT DISTINCT s.lexeme
      FROM (SELECT DISTINCT unnest(string_to_array(r.plain, ' ')) AS word) AS w
      CROSS JOIN LATERAL (VALUES
        ('=' || lower(app.folded(w.word))),
        (CASE WHEN length(w.word) > 1 AND w.word = upper(w.word) THEN '=' || app.folded(w.word) END)
      ) AS s (lexeme)
      WHERE w.word <> '' AND s.lexeme IS NOT NULL AND length(w.word) < 20
        AND ts_lexize(r.dictionary, lower(w.word)) = '{}'
    ))
  FROM app.reading(text, language) AS r
$$;

-- The words of a passage that have one of these lexemes, folded and in lower case, and compounds as they are written.
-- Stemming keeps all but the last two letters of English; the first three are compared before words are stemmed.
CREATE OR REPLACE FUNCTION app.found_words(passage text, lexemes text[], language text)
RETURNS text[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
  SELECT ARRAY(
    SELECT lower(app.folded(w.word))
    FROM (SELECT DISTINCT unnest(string_to_array(lower(r.plain), ' ')) AS word) AS w
    WHERE (language <> 'english' OR left(w.word, 3) LIKE ANY (p.beginnings)) AND (
      coalesce(lower(app.folded((ts_lexize(r.dictionary, w.word))[1])), '=' || lower(app.folded(w.word)))
        = ANY (lexemes)
      OR (r.written <> r.spaced AND (ts_lexize(r.dictionary, lower(app.folded(w.word))))[1] = ANY (lexemes))
    )
    UNION
    SELECT o.written FROM app.compounds(r.spaced) AS o
    WHERE (language <> 'english' OR left(o.joined, 3) LIKE ANY (p.beginnings))
      AND tsvector_to_array(to_tsvector(r.configuration, o.joined)) && lexemes
    UNION
    SELECT l.lexeme FROM unnest(CASE WHEN r.has_pairs THEN app.pairs_of(r.folded) ELSE '' END) AS l
    WHERE l.lexeme = ANY (lexemes)
  )
  FROM app.reading(passage, language) AS r
  CROSS JOIN (
    SELECT ARRAY(
      SELECT DISTINCT left(l.bare, least(3, greatest(1, length(l.bare) - 2))) || '%'
      FROM unnest(lexemes) AS u (lexeme) CROSS JOIN LATERAL (SELECT lower(ltrim(u.lexeme, '=')) AS bare) AS l
    ) AS beginnings
  ) AS p
$$;
