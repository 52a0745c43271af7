-- Tells who changed what, from the history of rows.

CREATE OR REPLACE FUNCTION app.values_after(of_table text, of_row uuid, since bigint, old jsonb)
RETURNS jsonb
LANGUAGE sql
STABLE
AS $$ SELECT app.values_after_archived(of_table, of_row, since, old, '[]', true) $$;

-- What the columns of a change, which has found `old`, held after it: what the next changes of them have found, else
-- what is stored now. NULL where the row is gone; without what none of the next 20 changes of the row has found. Of a
-- row that was inserted (`old` is NULL) what is long is left out. First of the next changes are `archived` ones, which
-- are not stored here any more; where these are not all (`are_all`) nothing is looked up behind them.
CREATE OR REPLACE FUNCTION app.values_after_archived(
  of_table text, of_row uuid, since bigint, old jsonb, archived jsonb, are_all boolean
)
RETURNS jsonb
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
  found jsonb := '{}';
  later jsonb;
  changes integer := 0;
  narrowed text := CASE of_table
    WHEN 'workflow_executions' THEN 'AND c.retention_class = ANY (app.classes_of_tenant())' ELSE ''
  END;
BEGIN
  FOR later IN
    SELECT i.old
    FROM (
      SELECT 0 AS tier, a.place, a.old FROM jsonb_array_elements(archived) WITH ORDINALITY AS a (old, place)
      UNION ALL
      (
        SELECT 1, n.seq, n.old FROM app.row_history AS n
        WHERE are_all AND n.tenant_id = app.tenant() AND n.row_id = of_row AND n.seq > since AND n.old IS NOT NULL
        ORDER BY n.seq LIMIT 20
      )
    ) AS i ORDER BY i.tier, i.place LIMIT 20
  LOOP
    changes := changes + 1;
    found := app.lay_over(later, found);
    IF old IS NOT NULL AND app.has_values(found, old) THEN
      RETURN app.values_of(found, old);
    END IF;
  END LOOP;
  IF changes < 20 AND are_all AND to_regclass('app.' || of_table) IS NOT NULL THEN  -- files know tables that are gone
    EXECUTE format(
      'SELECT %s FROM app.%I AS c WHERE c.tenant_id = app.tenant() AND c.id = $1 %s',
      app.row_without_long_values(of_table, '$2'), of_table, narrowed
    ) INTO later USING of_row, old;
    found := CASE WHEN later IS NULL THEN found ELSE app.lay_over(later, found) END;
  END IF;
  RETURN CASE WHEN old IS NULL THEN nullif(found, '{}') ELSE app.values_of(found, old) END;
END
$$;

-- Whether an image tells all that another one does.
CREATE OR REPLACE FUNCTION app.has_values(image jsonb, wanted jsonb)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN NOT EXISTS (
  SELECT FROM jsonb_object_keys(wanted - 'in_part') AS w (key) WHERE NOT image ? w.key
) AND NOT EXISTS (
  SELECT FROM jsonb_each(wanted -> 'in_part') AS w
  WHERE NOT image ? w.key AND NOT coalesce(
    image #> ARRAY['in_part', w.key] ? 'first' OR image #> ARRAY['in_part', w.key, 'members'] ?& ARRAY(
      SELECT jsonb_object_keys(w.value -> 'members') UNION SELECT jsonb_array_elements_text(w.value -> 'added')
    ),
    false
  )
);

-- What an image tells of the columns that another one has: of parts as many items, or the same members.
CREATE OR REPLACE FUNCTION app.values_of(image jsonb, wanted jsonb)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN (
  SELECT coalesce(jsonb_object_agg(w.key, image -> w.key) FILTER (WHERE image ? w.key), '{}')
  FROM jsonb_object_keys(wanted - 'in_part') AS w (key)
) || CASE WHEN wanted ? 'in_part' THEN jsonb_build_object('in_part', (
  SELECT jsonb_object_agg(w.key, CASE
    WHEN w.value ? 'first' THEN
      coalesce(image #> ARRAY['in_part', w.key], jsonb_build_object('first', jsonb_array_length(image -> w.key)))
    ELSE jsonb_build_object('members', (
      SELECT coalesce(jsonb_object_agg(m.key, m.value), '{}')
      FROM jsonb_each(coalesce(image -> w.key, image #> ARRAY['in_part', w.key, 'members'])) AS m
      WHERE w.value -> 'members' ? m.key OR w.value -> 'added' ? m.key
    ))
  END) FROM jsonb_each(wanted -> 'in_part') AS w
)) ELSE '{}' END;
