-- Legal holds: what is under one is not deleted, whoever asks. A released hold stays as a record.

CREATE TABLE app.legal_holds (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants,
  scope text NOT NULL CHECK (scope IN ('tenant', 'workflow', 'execution')),
  workflow_id uuid CHECK ((scope = 'workflow') = (workflow_id IS NOT NULL)),
  execution_id uuid CHECK ((scope = 'execution') = (execution_id IS NOT NULL)),  -- hot or cold
  reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
  created_by text NOT NULL DEFAULT current_setting('app.actor'),
  created_at timestamptz NOT NULL DEFAULT now(),
  released_by text,
  released_at timestamptz CHECK ((released_at IS NULL) = (released_by IS NULL)),
  release_reason text CHECK (length(release_reason) BETWEEN 1 AND 1000)
);
CREATE INDEX legal_holds_tenant_id ON app.legal_holds (tenant_id, id);
CREATE INDEX legal_holds_active ON app.legal_holds (tenant_id) WHERE released_at IS NULL;
CALL app.isolate('app.legal_holds');
REVOKE UPDATE, DELETE ON app.legal_holds FROM flo_app;
GRANT UPDATE (released_by, released_at, release_reason) ON app.legal_holds TO flo_app;
CALL app.open_to_jobs('app.legal_holds', 'SELECT, DELETE');
CREATE POLICY access ON app.legal_holds FOR SELECT TO flo_owner USING (true);  -- a cascade deletes as the owner
CREATE POLICY platform ON app.legal_holds FOR SELECT TO flo_app USING ((SELECT app.on_platform()));

-- Refuses every DELETE and every cascade of what is held. app.moving is on while an execution only changes partition.
CREATE FUNCTION app.keep_held()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  CASE TG_ARGV[0]
    WHEN 'tenant' THEN PERFORM app.require_not_held(OLD.id, wholly => true);
    WHEN 'wholly_of_tenant' THEN PERFORM app.require_not_held(OLD.tenant_id, wholly => true);
    WHEN 'of_tenant' THEN PERFORM app.require_not_held(OLD.tenant_id);
    WHEN 'workflow' THEN PERFORM app.require_not_held(OLD.tenant_id, OLD.id);
    WHEN 'of_workflow' THEN PERFORM app.require_not_held(OLD.tenant_id, OLD.workflow_id);
    WHEN 'execution' THEN
      IF current_setting('app.moving', true) IS DISTINCT FROM 'on' THEN
        PERFORM app.require_not_held(OLD.tenant_id, OLD.workflow_id, OLD.id);
      END IF;
  END CASE;
  RETURN OLD;
END
$$;

CREATE TRIGGER keep_held BEFORE DELETE ON app.tenants FOR EACH ROW EXECUTE FUNCTION app.keep_held('tenant');
CREATE TRIGGER keep_held BEFORE DELETE ON app.legal_holds FOR EACH ROW EXECUTE FUNCTION app.keep_held('wholly_of_tenant');
CREATE TRIGGER keep_held BEFORE DELETE ON app.user_preferences FOR EACH ROW EXECUTE FUNCTION app.keep_held('of_tenant');
CREATE TRIGGER keep_held BEFORE DELETE ON app.workflows FOR EACH ROW EXECUTE FUNCTION app.keep_held('workflow');
CREATE TRIGGER keep_held BEFORE DELETE ON app.webchat_sessions FOR EACH ROW EXECUTE FUNCTION app.keep_held('of_workflow');
CREATE TRIGGER keep_held BEFORE DELETE ON app.workflow_executions
FOR EACH ROW EXECUTE FUNCTION app.keep_held('execution');
