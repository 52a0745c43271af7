-- squawk-ignore-file ban-drop-function, adding-field-with-default
-- Knowledge bases and their documents, alerts and settings of tenants have a history too, and are recovered from it.

-- How a document was cut, from which its passages are derived again: of each what app.store_documents was sent, without
-- its text where that stands in the content.
ALTER TABLE app.documents ADD COLUMN passages jsonb;
CREATE POLICY backfill ON app.documents FOR UPDATE TO flo_owner USING (true) WITH CHECK (true);
ALTER TABLE app.documents DISABLE TRIGGER count_changed;
UPDATE app.documents AS d SET passages = (
  SELECT jsonb_agg(
    jsonb_build_object(
      'start', c.chunk_start, 'end', c.chunk_end, 'context', c.context, 'metadata', e.chunk_metadata
    ) || CASE WHEN d.content IS NULL THEN jsonb_build_object('text', e.chunk_text) ELSE '{}' END
    ORDER BY c.chunk_index
  )
  FROM app.chunks AS c
  CROSS JOIN LATERAL (
    SELECT e.chunk_text, e.chunk_metadata FROM app.embeddings AS e
    WHERE e.tenant_id = c.tenant_id AND e.id = c.id LIMIT 1
  ) AS e
  WHERE c.tenant_id = d.tenant_id AND c.document_id = d.id
);
ALTER TABLE app.documents ENABLE TRIGGER count_changed;
DROP POLICY backfill ON app.documents;

-- History and recoveries name a row by its id. There is one row for each base, so it is soon rewritten.
ALTER TABLE app.knowledge_base_models ADD COLUMN id uuid NOT NULL DEFAULT app.uuid7();

-- Of an update as app.record_history writes it, with the whole of `passages`: what is planned without its long values
-- is found by the one change that has them.
CREATE FUNCTION app.record_changed_documents()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  ignored text[] := TG_ARGV[0];
BEGIN
  WITH recorded AS (
    INSERT INTO app.row_history AS h (tenant_id, table_name, action, row_id, old)
    SELECT s.tenant_id, TG_TABLE_NAME, 'update', s.id, d.old
    FROM stored AS s
    JOIN written AS w ON w.id = s.id
    CROSS JOIN LATERAL (SELECT to_jsonb(s) - ignored AS before, to_jsonb(w) - ignored AS after OFFSET 0) AS i
    CROSS JOIN LATERAL (
      SELECT
        coalesce(jsonb_object_agg(b.key, b.value) FILTER (WHERE p.part IS NULL), '{}') || CASE
          WHEN bool_or(p.part IS NOT NULL) THEN jsonb_build_object(
            'in_part', jsonb_object_agg(b.key, p.part) FILTER (WHERE p.part IS NOT NULL)
          ) ELSE '{}'
        END AS old
      FROM jsonb_each(i.before) AS b
      CROSS JOIN LATERAL (
        SELECT CASE WHEN b.key <> 'passages' THEN app.changed_part(b.value, i.after -> b.key) END AS part OFFSET 0
      ) AS p
      WHERE b.value <> i.after -> b.key
    ) AS d
    WHERE s.tenant_id IS NOT NULL AND i.before <> i.after
    RETURNING h.tenant_id, h.seq
  )
  INSERT INTO app.recorded_transactions (tenant_id, first_seq)
  SELECT r.tenant_id, min(r.seq) FROM recorded AS r GROUP BY r.tenant_id
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION app.record_changed_documents FROM PUBLIC;

CALL app.keep_history(
  'app.knowledge_bases', '{document_count,total_chunks,last_updated,languages,words_pending,indexed_as}'
);
CALL app.keep_history('app.knowledge_base_models');
CALL app.keep_history('app.documents', '{chunk_count,language,indexed_as}');
DROP TRIGGER record_updated ON app.documents;
CREATE TRIGGER record_updated AFTER UPDATE ON app.documents REFERENCING OLD TABLE AS stored NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION app.record_changed_documents('{chunk_count,language,indexed_as}');
CALL app.keep_history('app.alerts', '{fired_id,fired_at,watched_since}');
CREATE TRIGGER take_restore_point AFTER DELETE ON app.knowledge_bases REFERENCING OLD TABLE AS stored
FOR EACH STATEMENT EXECUTE FUNCTION app.take_restore_point('before a knowledge base was deleted');

-- What a tenant has set, from the tables that have it: one row, of the tenant's id. Neither its state nor its limits.
CREATE VIEW app.tenant_settings WITH (security_invoker = true) AS
SELECT
  t.id, t.id AS tenant_id, t.name, t.n8n_url, t.branding_settings, t.confidence_threshold, t.hot_ttl_days,
  (SELECT c.cold_ttl_days FROM app.cold_policies AS c WHERE c.tenant_id = t.id) AS cold_ttl_days,
  coalesce((SELECT s.time_zone FROM app.rollup_settings AS s WHERE s.tenant_id = t.id), 'UTC') AS time_zone
FROM app.tenants AS t;
GRANT SELECT ON app.tenant_settings TO flo_app;

-- Writes the history of settings. Arguments: the columns, and what they are without a row.
CREATE FUNCTION app.record_settings()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  columns text[] := TG_ARGV[0];
  before jsonb := coalesce(to_jsonb(OLD), TG_ARGV[1]::jsonb);
  after jsonb := coalesce(to_jsonb(NEW), TG_ARGV[1]::jsonb);
BEGIN
  IF current_setting('app.erasing', true) = 'on' THEN
    RETURN NULL;
  END IF;
  WITH recorded AS (
    INSERT INTO app.row_history AS h (tenant_id, table_name, action, row_id, old)
    SELECT t.id, 'tenant_settings', 'update', t.id, d.old
    FROM (
      SELECT jsonb_object_agg(c.name, before -> c.name) AS old FROM unnest(columns) AS c (name)
      WHERE before -> c.name IS DISTINCT FROM after -> c.name
    ) AS d
    CROSS JOIN (
      SELECT coalesce(before ->> 'tenant_id', after ->> 'tenant_id', after ->> 'id')::uuid AS id
    ) AS t
    WHERE d.old IS NOT NULL
    RETURNING h.tenant_id, h.seq
  )
  INSERT INTO app.recorded_transactions (tenant_id, first_seq)
  SELECT r.tenant_id, r.seq FROM recorded AS r
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION app.record_settings FROM PUBLIC;
CREATE TRIGGER record_settings AFTER UPDATE ON app.tenants FOR EACH ROW
WHEN (
  (old.name, old.n8n_url, old.branding_settings, old.confidence_threshold, old.hot_ttl_days) IS DISTINCT FROM
  (new.name, new.n8n_url, new.branding_settings, new.confidence_threshold, new.hot_ttl_days)
)
EXECUTE FUNCTION app.record_settings('{name,n8n_url,branding_settings,confidence_threshold,hot_ttl_days}', '{}');
CREATE TRIGGER record_settings AFTER INSERT OR UPDATE OR DELETE ON app.cold_policies FOR EACH ROW
EXECUTE FUNCTION app.record_settings('{cold_ttl_days}', '{"cold_ttl_days": null}');
CREATE TRIGGER record_settings AFTER INSERT OR UPDATE OF time_zone ON app.rollup_settings FOR EACH ROW
EXECUTE FUNCTION app.record_settings('{time_zone}', '{"time_zone": "UTC"}');

-- A recovery writes the view.
CREATE FUNCTION app.write_settings()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  UPDATE app.tenants AS t SET
    name = new.name, n8n_url = new.n8n_url, branding_settings = new.branding_settings,
    confidence_threshold = new.confidence_threshold, hot_ttl_days = new.hot_ttl_days, updated_at = now()
  WHERE t.id = old.id;
  IF new.cold_ttl_days IS NULL THEN
    DELETE FROM app.cold_policies AS c WHERE c.tenant_id = old.id;
  ELSIF new.cold_ttl_days IS DISTINCT FROM old.cold_ttl_days THEN
    INSERT INTO app.cold_policies (tenant_id, cold_ttl_days) VALUES (old.id, new.cold_ttl_days)
    ON CONFLICT ON CONSTRAINT cold_policies_pkey DO UPDATE SET cold_ttl_days = excluded.cold_ttl_days;
  END IF;
  IF new.time_zone <> old.time_zone THEN  -- rollups by hour and day are cut anew by the job
    INSERT INTO app.rollup_settings AS s (tenant_id, time_zone, rebuild_asked_at)
    VALUES (old.id, new.time_zone, now())
    ON CONFLICT ON CONSTRAINT rollup_settings_pkey DO UPDATE
    SET time_zone = excluded.time_zone, rebuild_asked_at = greatest(s.rebuild_asked_at, excluded.rebuild_asked_at);
  END IF;
  RETURN new;
END
$$;
CREATE TRIGGER write_settings INSTEAD OF UPDATE ON app.tenant_settings FOR EACH ROW
EXECUTE FUNCTION app.write_settings();

-- A recovery runs as the owner, in its tenant alone.
CREATE POLICY recovery ON app.tenants TO flo_owner
USING (id = (SELECT app.tenant())) WITH CHECK (id = (SELECT app.tenant()));
DO $$
DECLARE
  written text;
BEGIN
  FOREACH written IN ARRAY '{cold_policies,retention_class_changes,alerts,knowledge_bases,knowledge_base_models,
    documents,chunks,embeddings,embedding_tasks}'::text[] LOOP
    EXECUTE format('CREATE POLICY recovery ON app.%I TO flo_owner USING (tenant_id = (SELECT app.tenant()))'
      ' WITH CHECK (tenant_id = (SELECT app.tenant()))', written);
  END LOOP;
END
$$;
