-- Recovery of a tenant to how it was. A row was, before the changes that are undone, as the first of them has found it:
-- what is stored now, with the old values of these changes put over it, the earliest last.

CREATE OR REPLACE FUNCTION app.recoverable_tables()
RETURNS text[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN '{tenant_settings,workflows,workflow_executions,webchat_sessions,user_preferences,alerts,knowledge_bases,
  knowledge_base_models,documents}'::text[];  -- parents first

-- From which on the history has what a recovery undoes.
CREATE OR REPLACE FUNCTION app.first_undone(r app.recoveries)
RETURNS bigint
LANGUAGE sql
STABLE
RETURN (
  SELECT min(t.first_seq) FROM app.recorded_transactions AS t
  WHERE t.tenant_id = r.tenant_id AND t.xid >= pg_snapshot_xmin(r.since)
    AND NOT pg_visible_in_snapshot(t.xid, r.since) AND (r.of_transaction IS NULL OR t.xid = r.of_transaction)
);

-- The rows of a table that a recovery is about: whether each was there, what of it was otherwise, and whether it has
-- changed since, which nothing here may undo. Images that are long are told by the changes that they are of.
CREATE OR REPLACE FUNCTION app.undone_rows(
  r app.recoveries, of_table text, OUT id uuid, OUT existed boolean, OUT image jsonb, OUT seqs bigint[],
  OUT has_changed boolean
)
RETURNS SETOF record
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
  first bigint := app.first_undone(r);
BEGIN
  RETURN QUERY
  WITH transactions AS MATERIALIZED (
    SELECT
      t.xid,
      (r.is_exact OR t.committed_at > r.at) AND (r.of_transaction IS NULL OR t.xid = r.of_transaction)
        AND pg_visible_in_snapshot(t.xid, r.seen) AS is_undone,
      r.of_transaction IS NOT NULL AND t.xid <> r.of_transaction
        OR NOT pg_visible_in_snapshot(t.xid, r.seen) AS is_later
    FROM app.recorded_transactions AS t
    WHERE t.tenant_id = r.tenant_id AND (r.of_transaction IS NOT NULL OR NOT pg_visible_in_snapshot(t.xid, r.since))
  ),
  changes AS (
    SELECT c.id, h.seq, h.action, h.old, app.is_long_image(h.old) AS is_long, t.is_undone, t.is_later
    FROM app.row_history AS h
    JOIN transactions AS t ON t.xid = h.xid
    CROSS JOIN LATERAL unnest(coalesce(h.row_ids, ARRAY[h.row_id])) AS c (id)
    WHERE h.tenant_id = r.tenant_id AND h.seq >= first AND h.table_name = of_table
      AND (r.row_ids IS NULL OR c.id = ANY (r.row_ids)) AND (t.is_undone OR t.is_later)
  )
  SELECT
    c.id, (array_agg(c.action ORDER BY c.seq) FILTER (WHERE c.is_undone))[1] <> 'insert',
    app.laid_over(CASE WHEN NOT c.is_long THEN c.old END ORDER BY c.seq DESC) FILTER (WHERE c.is_undone),
    CASE WHEN bool_or(c.is_long) FILTER (WHERE c.is_undone) THEN array_agg(c.seq) FILTER (WHERE c.is_undone) END,
    coalesce(max(c.seq) FILTER (WHERE c.is_later) > min(c.seq) FILTER (WHERE c.is_undone), false)
  FROM changes AS c
  GROUP BY c.id HAVING bool_or(c.is_undone);
END
$$;

-- The SQL of the row `c` of a table as jsonb, without what is long and not named by an image, which is SQL too. What is
-- long is not read.
CREATE OR REPLACE FUNCTION app.row_without_long_values(of_table text, image text)
RETURNS text
LANGUAGE sql
STABLE
RETURN (
  SELECT format(
    'to_jsonb((SELECT s FROM (SELECT %s) AS s)) - array_remove(ARRAY[%s]::text[], NULL)',
    string_agg(CASE WHEN t.is_long IS NULL THEN format('c.%I', a.attname)
      ELSE format('CASE WHEN %s THEN NULL ELSE c.%I END AS %2$I', t.is_long, a.attname) END, ', ' ORDER BY a.attnum),
    string_agg(format('CASE WHEN %s THEN %L END', t.is_long, a.attname), ', ') FILTER (WHERE t.is_long IS NOT NULL)
  )
  FROM pg_attribute AS a
  CROSS JOIN LATERAL (
    SELECT CASE WHEN a.atttypid IN ('text'::regtype, 'jsonb'::regtype) THEN format(
      'pg_column_size(c.%I) > 1000 AND NOT coalesce(%s ? %L OR %2$s -> ''in_part'' ? %3$L, false)',
      a.attname, image, a.attname
    ) END AS is_long
  ) AS t
  WHERE a.attrelid = ('app.' || of_table)::regclass AND a.attnum > 0 AND NOT a.attisdropped
);

-- What is to be done with the rows of a table; rows that are as they were are left out. Long images are read one after
-- the other. Raises FL422 for too many bytes.
CREATE OR REPLACE FUNCTION app.planned_rows(r app.recoveries, of_table text)
RETURNS SETOF app.planned_row
LANGUAGE plpgsql
STABLE
SET enable_memoize = off  -- whose keys would be long values
AS $$
DECLARE
  first uuid;
  last uuid;
  planned record;
  bytes bigint := 0;
BEGIN
  SELECT (min(u.id::text))::uuid, (max(u.id::text))::uuid INTO first, last FROM app.undone_rows(r, of_table) AS u;
  FOR planned IN EXECUTE format(
    $q$
      SELECT ROW($2, p.id,
        CASE
          WHEN p.has_changed THEN 'changed_since'
          WHEN NOT p.existed THEN CASE WHEN c.id IS NOT NULL THEN 'delete' END
          WHEN c.id IS NOT NULL THEN CASE WHEN s.present || w.image <> s.present THEN 'update' END
          WHEN w.image ? 'tenant_id' THEN 'insert'
          ELSE 'archived'
        END,
        CASE WHEN pg_column_size(w.image) > 2000 THEN app.short_image(w.image) ELSE w.image END,
        CASE WHEN pg_column_size(s.present) > 2000 THEN app.short_row(s.present, w.image) ELSE s.present END, p.seqs
      )::app.planned_row AS row, pg_column_size(w.image) + coalesce(pg_column_size(s.present), 0) AS bytes
      FROM app.undone_rows($1, $2) AS p
      LEFT JOIN app.%1$I AS c ON c.id = p.id AND c.tenant_id = app.tenant() AND c.id BETWEEN $3 AND $4 %2$s
      CROSS JOIN LATERAL (
        SELECT CASE WHEN p.seqs IS NULL THEN p.image ELSE app.image_before(p.id, p.seqs) END AS image OFFSET 0
      ) AS o
      CROSS JOIN LATERAL (SELECT CASE WHEN c.id IS NOT NULL THEN %3$s END AS present OFFSET 0) AS s
      CROSS JOIN LATERAL (
        SELECT CASE WHEN o.image ? 'in_part' AND c.id IS NOT NULL THEN app.lay_over(s.present, o.image)
          ELSE o.image END AS image OFFSET 0
      ) AS w
    $q$, of_table, CASE of_table
      WHEN 'workflow_executions' THEN 'AND c.retention_class = ANY (app.classes_of_tenant())' ELSE ''
    END, app.row_without_long_values(of_table, 'o.image')
  ) USING r, of_table, first, last
  LOOP
    bytes := bytes + planned.bytes;
    IF bytes > app.most_bytes_of_recovery() THEN
      PERFORM app.refuse_plan(to_char(app.most_bytes_of_recovery() / 1000000, 'FM999 "MB"'));
    END IF;
    IF (planned.row).action IS NOT NULL THEN
      RETURN NEXT planned.row;
    END IF;
  END LOOP;
END
$$;

-- The classes that have executions of the current tenant.
CREATE OR REPLACE FUNCTION app.classes_of_tenant()
RETURNS smallint[]
LANGUAGE sql
STABLE
RETURN ARRAY(
  SELECT 0::smallint
  UNION SELECT h.class FROM app.hot_policies AS h WHERE h.tenant_id = app.tenant()
  UNION SELECT c.retention_class FROM app.retention_class_changes AS c WHERE c.tenant_id = app.tenant()
);

-- The models of a base come and go with it. One that is there keeps those that it has.
CREATE OR REPLACE FUNCTION app.with_models_of_bases(plan app.planned_row[])
RETURNS app.planned_row[]
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_generic_plan  -- else each mention of a plan is a copy of it
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM unnest(plan) AS p WHERE p.table_name = 'knowledge_base_models') THEN
    RETURN plan;
  END IF;
  RETURN ARRAY(
    SELECT p::app.planned_row FROM unnest(plan) AS p
    WHERE p.table_name <> 'knowledge_base_models'
      OR p.action IN ('insert', 'delete')
      AND (p.action, (coalesce(p.present, p.image) ->> 'knowledge_base_id')::uuid) IN (
        SELECT b.action, b.id FROM unnest(plan) AS b WHERE b.table_name = 'knowledge_bases'
      )
  );
END
$$;

-- All that a recovery does. What stays as it is has another action: held, archived, without its parent (orphaned), or
-- because another row has its unique name (taken).
CREATE OR REPLACE FUNCTION app.plan_recovery(r app.recoveries)
RETURNS app.planned_row[]
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_generic_plan  -- else each mention of a plan is a copy of it
AS $$
DECLARE
  plan app.planned_row[] := ARRAY(
    SELECT p FROM unnest(r.tables) AS t (name), app.planned_rows(r, t.name) AS p
  );
BEGIN
  IF app.has_holds(r.tenant_id) THEN
    plan := app.left_as_they_are(plan, ARRAY(
      SELECT p.id FROM unnest(plan) AS p
      WHERE (p.action = 'delete' OR p.action = 'update' AND p.table_name <> 'alerts') AND app.is_held(
        r.tenant_id, CASE p.table_name WHEN 'workflows' THEN p.id ELSE (p.present ->> 'workflow_id')::uuid END, p.id
      )
    ), 'held');
  END IF;
  RETURN app.with_models_of_bases(app.without_taken(app.without_orphans(plan)));
END
$$;

-- How many rows hang on what is deleted and would go along, though the recovery does not name them.
CREATE OR REPLACE FUNCTION app.swept_along(plan app.planned_row[])
RETURNS bigint
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_generic_plan  -- else each mention of a plan is a copy of it
AS $$
DECLARE
  parents uuid[] := ARRAY(
    SELECT p.id FROM unnest(plan) AS p
    WHERE p.table_name IN ('workflows', 'knowledge_bases') AND p.action = 'delete'
  );
BEGIN
  RETURN CASE WHEN cardinality(parents) > 0 THEN (
    SELECT count(*) FROM (
      SELECT e.id FROM app.workflow_executions AS e
      WHERE e.tenant_id = app.tenant() AND e.workflow_id = ANY (parents)
        AND e.retention_class = ANY (app.classes_of_tenant())
      UNION ALL SELECT s.id FROM app.webchat_sessions AS s
      WHERE s.tenant_id = app.tenant() AND s.workflow_id = ANY (parents)
      UNION ALL SELECT d.id FROM app.documents AS d
      WHERE d.tenant_id = app.tenant() AND d.knowledge_base_id = ANY (parents)
      EXCEPT ALL SELECT p.id FROM unnest(plan) AS p WHERE p.action = 'delete'
    ) AS swept
  ) ELSE 0 END;
END
$$;
