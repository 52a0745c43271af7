-- Which executions leave the hot tier before hot_ttl_days. No row: none.
CREATE TABLE app.keep_policies (
  tenant_id uuid PRIMARY KEY DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  keep jsonb NOT NULL CHECK (
    (keep ->> 'success_days')::integer BETWEEN 1 AND 365
    AND (keep ->> 'error_days')::integer BETWEEN (keep ->> 'success_days')::integer AND 365
    AND (keep ->> 'last_per_workflow')::integer BETWEEN 0 AND 1000
    AND keep ?& '{success_days,error_days,last_per_workflow}'
  )
);
CALL app.isolate('app.keep_policies');
CALL app.open_to_jobs('app.keep_policies', 'SELECT, DELETE');
CREATE POLICY recovery ON app.keep_policies TO flo_owner
USING (tenant_id = (SELECT app.tenant())) WITH CHECK (tenant_id = (SELECT app.tenant()));

-- For how many days executions stay hot, rounded up to retention classes: successes, whose class is the partition key
-- of all; other final ones; and those that are among the `newest` of their workflow.
CREATE VIEW app.hot_policies WITH (security_invoker = true) AS
SELECT
  t.id AS tenant_id,
  app.retention_class(least(t.hot_ttl_days, (k.keep ->> 'success_days')::integer)) AS class,
  app.retention_class(least(t.hot_ttl_days, (k.keep ->> 'error_days')::integer)) AS class_of_others,
  app.retention_class(t.hot_ttl_days) AS class_of_newest,
  coalesce((k.keep ->> 'last_per_workflow')::integer, 0) AS newest
FROM app.tenants AS t
LEFT JOIN app.keep_policies AS k ON k.tenant_id = t.id;
GRANT SELECT ON app.hot_policies TO flo_app, flo_job;

-- Executions move when policies change the class: the one that a tenant leaves is noted. That of hot_ttl_days alone is
-- noted as before.
CREATE FUNCTION app.note_change_beside_keep()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  INSERT INTO app.retention_class_changes AS c (tenant_id, retention_class)
  SELECT k.tenant_id, app.retention_class(least(OLD.hot_ttl_days, (k.keep ->> 'success_days')::integer))
  FROM app.keep_policies AS k
  WHERE k.tenant_id = OLD.id
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
CREATE TRIGGER note_change_beside_keep AFTER UPDATE OF hot_ttl_days ON app.tenants FOR EACH ROW
WHEN (app.retention_class(OLD.hot_ttl_days) <> app.retention_class(NEW.hot_ttl_days))
EXECUTE FUNCTION app.note_change_beside_keep();

CREATE FUNCTION app.note_change_of_keep()
RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
  before integer := OLD.keep ->> 'success_days';
BEGIN
  IF current_setting('app.erasing', true) = 'on' THEN
    RETURN NULL;
  END IF;
  INSERT INTO app.retention_class_changes AS c (tenant_id, retention_class)
  SELECT h.tenant_id, app.retention_class(least(t.hot_ttl_days, before))
  FROM app.hot_policies AS h
  JOIN app.tenants AS t ON t.id = h.tenant_id
  WHERE h.tenant_id = coalesce(NEW.tenant_id, OLD.tenant_id)
    AND h.class <> app.retention_class(least(t.hot_ttl_days, before))
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
CREATE TRIGGER note_change_of_keep AFTER INSERT OR UPDATE OR DELETE ON app.keep_policies FOR EACH ROW
EXECUTE FUNCTION app.note_change_of_keep();

-- It is a setting, which is recovered with the others.
CREATE TRIGGER record_settings AFTER INSERT OR UPDATE OR DELETE ON app.keep_policies FOR EACH ROW
EXECUTE FUNCTION app.record_settings('{keep}', '{"keep": null}');
CREATE OR REPLACE VIEW app.tenant_settings WITH (security_invoker = true) AS
SELECT
  t.id, t.id AS tenant_id, t.name, t.n8n_url, t.branding_settings, t.confidence_threshold, t.hot_ttl_days,
  (SELECT c.cold_ttl_days FROM app.cold_policies AS c WHERE c.tenant_id = t.id) AS cold_ttl_days,
  coalesce((SELECT s.time_zone FROM app.rollup_settings AS s WHERE s.tenant_id = t.id), 'UTC') AS time_zone,
  (SELECT k.keep FROM app.keep_policies AS k WHERE k.tenant_id = t.id) AS keep
FROM app.tenants AS t;

CREATE FUNCTION app.write_keep()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  IF new.keep IS NULL THEN
    DELETE FROM app.keep_policies AS k WHERE k.tenant_id = old.id;
  ELSIF new.keep IS DISTINCT FROM old.keep THEN
    INSERT INTO app.keep_policies (tenant_id, keep) VALUES (old.id, new.keep)
    ON CONFLICT ON CONSTRAINT keep_policies_pkey DO UPDATE SET keep = excluded.keep;
  END IF;
  RETURN new;
END
$$;
CREATE TRIGGER write_keep INSTEAD OF UPDATE ON app.tenant_settings FOR EACH ROW EXECUTE FUNCTION app.write_keep();
