-- What a preview tells of a plan.

-- By table and action.
CREATE OR REPLACE FUNCTION app.plan_counts(plan app.planned_row[])
RETURNS jsonb
LANGUAGE sql
STABLE
RETURN (
  SELECT coalesce(jsonb_object_agg(t.table_name, t.counts), '{}')
  FROM (
    SELECT c.table_name, jsonb_object_agg(c.action, c.rows) AS counts
    FROM (SELECT p.table_name, p.action, count(*) AS rows FROM unnest(plan) AS p GROUP BY 1, 2) AS c
    GROUP BY 1
  ) AS t
);

CREATE OR REPLACE FUNCTION app.plan_hash(plan app.planned_row[])
RETURNS text
LANGUAGE sql
STABLE
RETURN (
  SELECT md5(coalesce(string_agg(p.table_name || p.id || p.action, ' ' ORDER BY p.table_name, p.id), ''))
  FROM unnest(plan) AS p
);

-- The values of an object that differ from those of another. Large ones are told by their size, and those that a plan
-- has so differ where it has both. NULL of NULL.
CREATE OR REPLACE FUNCTION app.small_values(shown jsonb, other jsonb)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE WHEN shown IS NOT NULL THEN (
  SELECT coalesce(jsonb_object_agg(
    v.key, CASE WHEN pg_column_size(v.value) > 1000 THEN app.omitted(v.value) ELSE v.value END
  ), '{}')
  FROM jsonb_each(shown) AS v
  WHERE other IS NULL OR (other ? v.key AND (other -> v.key <> v.value OR v.value ? 'omitted_bytes'))
) END;

-- Up to three rows of each table and action: what would change, from what, to what. Large values are left out.
CREATE OR REPLACE FUNCTION app.plan_examples(plan app.planned_row[])
RETURNS jsonb
LANGUAGE sql
STABLE
AS $$
  SELECT coalesce(jsonb_agg(jsonb_build_object(
    'table', e.table_name, 'action', e.action, 'id', e.id, 'now', app.small_values(e.present, e.image), 'then',
    CASE e.action WHEN 'delete' THEN NULL ELSE app.small_values(e.image, e.present) END
  ) ORDER BY e.table_name, e.action, e.id), '[]')
  FROM (
    SELECT p.*, row_number() OVER (PARTITION BY p.table_name, p.action ORDER BY p.id) AS nth FROM unnest(plan) AS p
  ) AS e WHERE e.nth <= 3
$$;
