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
  ids uuid[];
  images jsonb[];
  narrowed text := '';
  whole text := CASE WHEN cardinality(app.long_columns(of_table)) > 0
    THEN format('app.whole_image(%L, i.id, i.image)', of_table) ELSE 'i.image' END;
  defaults jsonb := app.defaults_of(of_table);
  class smallint := (SELECT h.class FROM app.hot_policies AS h WHERE h.tenant_id = app.tenant());
BEGIN
  SELECT array_agg(p.id ORDER BY p.id),
    array_agg(CASE wanted WHEN 'insert' THEN defaults || p.image ELSE p.image END ORDER BY p.id)
  INTO ids, images FROM unnest(plan) AS p WHERE p.table_name = of_table AND p.action = wanted;
  IF ids IS NULL THEN
    RETURN;
  END IF;
  IF of_table = 'workflow_executions' THEN
    narrowed := 'AND t.retention_class = ANY (app.classes_of_tenant())';
    images := ARRAY(
      SELECT CASE wanted WHEN 'insert' THEN
        i.image || jsonb_build_object('retention_class', app.retention_class_for((i.image ->> 'id')::uuid, class))
      ELSE i.image END
      FROM unnest(images) WITH ORDINALITY AS i (image, ordinal) ORDER BY i.ordinal
    );
  END IF;
  CASE wanted
    WHEN 'delete' THEN
      EXECUTE format('DELETE FROM app.%I AS t WHERE t.tenant_id = app.tenant() AND t.id = ANY ($1)'
        ' AND t.id BETWEEN $2 AND $3 %s', of_table, narrowed) USING ids, ids[1], ids[cardinality(ids)];
    WHEN 'update' THEN
      IF of_table = 'workflows' THEN  -- which may have exchanged their ids
        UPDATE app.workflows AS w SET n8n_workflow_id = NULL FROM unnest(ids, images) AS i (id, image)
        WHERE w.tenant_id = app.tenant() AND w.id = i.id AND w.n8n_workflow_id <> i.image ->> 'n8n_workflow_id';
      ELSIF of_table = 'knowledge_bases' THEN  -- or names
        UPDATE app.knowledge_bases AS b SET name = b.id::text FROM unnest(ids, images) AS i (id, image)
        WHERE b.tenant_id = app.tenant() AND b.id = i.id AND b.name <> i.image ->> 'name';
      END IF;
      EXECUTE format('UPDATE app.%I AS t SET (%s) = (SELECT %s FROM jsonb_populate_record(t, %s) AS n)'
        ' FROM unnest($1, $2) AS i (id, image) WHERE t.tenant_id = app.tenant() AND t.id = i.id'
        ' AND t.id BETWEEN $3 AND $4 %s',
        of_table, app.written_columns(of_table, ''), app.written_columns(of_table, 'n.'), whole, narrowed)
      USING ids, images, ids[1], ids[cardinality(ids)];
    WHEN 'insert' THEN
      EXECUTE format('INSERT INTO app.%1$I (%2$s) SELECT %3$s'
        ' FROM unnest($1, $2) AS i (id, image), jsonb_populate_record(NULL::app.%1$I, %4$s) AS n',
        of_table, app.written_columns(of_table, ''), app.written_columns(of_table, 'n.'), whole) USING ids, images;
  END CASE;
END
$$;
