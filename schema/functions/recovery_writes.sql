-- Writes what a recovery has planned.

-- The columns of a table that are written, as a list of identifiers with a prefix.
CREATE OR REPLACE FUNCTION app.written_columns(of_table text, prefix text)
RETURNS text
LANGUAGE sql
STABLE
RETURN (
  SELECT string_agg(prefix || quote_ident(a.attname), ', ' ORDER BY a.attnum)
  FROM pg_attribute AS a
  WHERE a.attrelid = ('app.' || of_table)::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
);

-- Values of columns that came after an image was written: their defaults.
CREATE OR REPLACE FUNCTION app.defaults_of(of_table text)
RETURNS jsonb
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
  defaults jsonb;
  list text := (
    SELECT string_agg(format('%L, %s', a.attname, pg_get_expr(d.adbin, d.adrelid)), ', ')
    FROM pg_attribute AS a
    JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = ('app.' || of_table)::regclass AND NOT a.attisdropped AND a.attgenerated = '' AND a.attnotnull
  );
BEGIN
  EXECUTE format('SELECT jsonb_build_object(%s)', list) INTO defaults;
  RETURN defaults;
END
$$;

-- As who writes documents does: locks their bases, then their tasks.
CREATE OR REPLACE FUNCTION app.lock_documents(plan app.planned_row[])
RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
  bases uuid[] := ARRAY(
    SELECT DISTINCT (coalesce(p.present, p.image) ->> 'knowledge_base_id')::uuid FROM unnest(plan) AS p
    WHERE p.table_name = 'documents' AND p.action IN ('insert', 'update', 'delete')
  );
BEGIN
  PERFORM FROM app.knowledge_bases AS b
  WHERE b.tenant_id = app.tenant() AND b.id = ANY (bases) ORDER BY b.id FOR NO KEY UPDATE;
  PERFORM FROM app.embedding_tasks AS t
  WHERE t.tenant_id = app.tenant() AND t.document_id IN (
    SELECT p.id FROM unnest(plan) AS p WHERE p.table_name = 'documents'
  )
  ORDER BY t.id FOR UPDATE;
END
$$;

-- Locks what a recovery writes, so that nobody changes it until the end.
CREATE OR REPLACE FUNCTION app.lock_planned(plan app.planned_row[])
RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
  of_table text;
  ids uuid[];
BEGIN
  PERFORM app.lock_n8n_ids(ARRAY(
    SELECT DISTINCT n.id FROM unnest(plan) AS p
    CROSS JOIN LATERAL (VALUES (p.image ->> 'n8n_execution_id'), (p.present ->> 'n8n_execution_id')) AS n (id)
    WHERE p.table_name = 'workflow_executions' AND n.id IS NOT NULL
  ));
  PERFORM app.lock_documents(plan);
  FOREACH of_table IN ARRAY app.recoverable_tables() LOOP
    ids := ARRAY(
      SELECT p.id FROM unnest(plan) AS p
      WHERE p.table_name = of_table AND p.action IN ('update', 'delete') ORDER BY p.id
    );
    EXECUTE format(
      'SELECT FROM app.%I AS t WHERE t.tenant_id = app.tenant() AND t.id = ANY ($1) AND t.id BETWEEN $2 AND $3 %s'
      ' ORDER BY t.id FOR %s', of_table,
      CASE of_table WHEN 'workflow_executions' THEN 'AND t.retention_class = ANY (app.classes_of_tenant())' ELSE '' END,
      CASE of_table WHEN 'tenant_settings' THEN 'NO KEY UPDATE' ELSE 'UPDATE' END  -- whose other rows are written
    ) USING ids, ids[1], ids[cardinality(ids)];
  END LOOP;
END
$$;

-- Writes the rows of one table that have this action.
CREATE OR REPLACE FUNCTION app.write_planned(plan app.planned_row[], of_table text, wanted text)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  writes app.planned_row[] := ARRAY(
    SELECT p::app.planned_row FROM unnest(plan) AS p
    WHERE p.table_name = of_table AND p.action = wanted ORDER BY p.id
  );
  first uuid := writes[1].id;
  last uuid := writes[cardinality(writes)].id;
  is_execution boolean := of_table = 'workflow_executions';
  narrowed text := CASE WHEN is_execution THEN 'AND t.retention_class = ANY (app.classes_of_tenant())' ELSE '' END;
  class smallint := (SELECT h.class FROM app.hot_policies AS h WHERE h.tenant_id = app.tenant());
BEGIN
  CASE
    WHEN first IS NULL THEN
      RETURN;
    WHEN wanted = 'delete' THEN
      EXECUTE format('DELETE FROM app.%I AS t WHERE t.tenant_id = app.tenant() AND t.id = ANY ($1)'
        ' AND t.id BETWEEN $2 AND $3 %s', of_table, narrowed)
      USING ARRAY(SELECT p.id FROM unnest(writes) AS p), first, last;
    WHEN wanted = 'update' THEN
      IF of_table = 'workflows' THEN  -- which may have exchanged their ids
        UPDATE app.workflows AS w SET n8n_workflow_id = NULL FROM unnest(writes) AS i
        WHERE w.tenant_id = app.tenant() AND w.id = i.id AND w.n8n_workflow_id <> i.image ->> 'n8n_workflow_id';
      ELSIF of_table = 'knowledge_bases' THEN  -- or names
        UPDATE app.knowledge_bases AS b SET name = b.id::text FROM unnest(writes) AS i
        WHERE b.tenant_id = app.tenant() AND b.id = i.id AND b.name <> i.image ->> 'name';
      END IF;
      EXECUTE format('UPDATE app.%I AS t SET (%s) = (SELECT %s FROM jsonb_populate_record(t, CASE'
        ' WHEN i.seqs IS NULL THEN i.image ELSE app.lay_over(to_jsonb(t), app.image_before(i.id, i.seqs)) END) AS n)'
        ' FROM unnest($1) AS i WHERE t.tenant_id = app.tenant() AND t.id = i.id AND t.id BETWEEN $2 AND $3 %s',
        of_table, app.written_columns(of_table, ''), app.written_columns(of_table, 'n.'), narrowed)
      USING writes, first, last;
    WHEN wanted = 'insert' THEN
      EXECUTE format('INSERT INTO app.%1$I (%2$s) SELECT %3$s FROM unnest($1) AS i, jsonb_populate_record('
        'NULL::app.%1$I, $2 || CASE WHEN i.seqs IS NULL THEN i.image ELSE app.image_before(i.id, i.seqs) END %4$s'
        ') AS n', of_table, app.written_columns(of_table, ''), app.written_columns(of_table, 'n.'),
        CASE WHEN is_execution
          THEN $q$|| jsonb_build_object('retention_class', app.retention_class_for(i.id, $3))$q$ ELSE '' END)
      USING writes, app.defaults_of(of_table), class;
  END CASE;
END
$$;
