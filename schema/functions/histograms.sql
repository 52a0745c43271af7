-- Histograms of durations: what has which key, and their percentiles.

-- The histogram's key of a duration: each step is 4 per cent, so its middle is within 2 per cent of what has the key.
CREATE OR REPLACE FUNCTION app.duration_key(microseconds bigint)
RETURNS smallint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN ceil(
  ln((CASE WHEN microseconds < 1 THEN 1 ELSE microseconds END)::double precision) / ln(1.02::double precision / 0.98)
);

-- The counts of a histogram of running totals, and the running totals of one of counts. Loops take a tenth of the time
-- of queries.
CREATE OR REPLACE FUNCTION app.histogram_counts(keys smallint[], upto integer[])
RETURNS integer[]
LANGUAGE plpgsql
IMMUTABLE
STRICT
PARALLEL SAFE
AS $$
BEGIN
  IF upto = '{}' THEN
    RETURN array_fill(1, ARRAY[cardinality(keys)]);
  END IF;
  FOR place IN REVERSE cardinality(upto) .. 2 LOOP
    upto[place] := upto[place] - upto[place - 1];
  END LOOP;
  RETURN upto;
END
$$;
CREATE OR REPLACE FUNCTION app.running_totals(counts integer[])
RETURNS integer[]
LANGUAGE plpgsql
IMMUTABLE
STRICT
PARALLEL SAFE
AS $$
BEGIN
  FOR place IN 2 .. cardinality(counts) LOOP
    counts[place] := counts[place - 1] + counts[place];
  END LOOP;
  RETURN counts;
END
$$;

CREATE OR REPLACE FUNCTION app.histogram_of(keys smallint[], upto integer[], counts integer[])
RETURNS app.histogram
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$ SELECT ROW(keys, coalesce(upto, app.running_totals(counts)))::app.histogram $$;

-- How many durations have this key or a lower one.
CREATE OR REPLACE FUNCTION app.runs_upto(histogram app.histogram, key smallint)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN coalesce((histogram).upto[width_bucket(key, (histogram).keys)], width_bucket(key, (histogram).keys));

-- The lowest key that so many durations have or a lower one.
CREATE OR REPLACE FUNCTION app.key_of(histogram app.histogram, runs integer)
RETURNS smallint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN (histogram).keys[
  CASE WHEN (histogram).upto = '{}' THEN runs ELSE width_bucket(runs - 1, (histogram).upto) + 1 END
];

CREATE OR REPLACE FUNCTION app.runs_of(histogram app.histogram)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN coalesce((histogram).upto[cardinality((histogram).upto)], cardinality((histogram).keys));

-- The keys of percentiles of all durations of these histograms, in the order of `percents`. That of a percentile lies
-- between the lowest and the highest that it has in one of them: this is halved, until it is one key.
CREATE OR REPLACE FUNCTION app.percentile_keys(histograms app.histogram[], percents integer[])
RETURNS TABLE (keys smallint[])
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
  WITH RECURSIVE between (place, runs, lowest, highest) AS (
    SELECT p.place, (sum(app.runs_of(h)) * p.percent + 99) / 100, min(k.key), max(k.key)
    FROM unnest(percents) WITH ORDINALITY AS p (percent, place)
    CROSS JOIN unnest(histograms) AS h
    CROSS JOIN LATERAL (
      SELECT app.key_of(h, ((app.runs_of(h)::bigint * p.percent + 99) / 100)::integer) AS key
    ) AS k
    GROUP BY p.place, p.percent
    UNION ALL
    SELECT b.place, b.runs, CASE WHEN r.suffice THEN b.lowest ELSE m.key + 1::smallint END,
      CASE WHEN r.suffice THEN m.key ELSE b.highest END
    FROM between AS b
    CROSS JOIN LATERAL (SELECT (b.lowest + b.highest) / 2::smallint AS key) AS m
    CROSS JOIN LATERAL (SELECT sum(app.runs_upto(h, m.key)) >= b.runs AS suffice FROM unnest(histograms) AS h) AS r
    WHERE b.lowest < b.highest
  )
  SELECT array_agg(b.lowest ORDER BY b.place) FROM between AS b WHERE (b.lowest < b.highest) IS NOT TRUE
$$;
