-- Erasure of a tenant, or of one person's data within it: asked for here, done by a job in steps, and receipted.

CREATE TABLE app.erasures (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  tenant_id uuid NOT NULL DEFAULT app.tenant(),  -- outlives the tenant, so no foreign key
  user_id text CHECK (length(user_id) BETWEEN 1 AND 255),  -- NULL: the whole tenant
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'done')),
  counts jsonb NOT NULL DEFAULT '{}',  -- rows by table, files and their rows; no names
  requested_by text NOT NULL DEFAULT current_setting('app.actor'),
  created_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  signature text  -- of the receipt, when it is done
);
CREATE INDEX erasures_tenant_id ON app.erasures (tenant_id, id DESC);
CREATE INDEX erasures_open ON app.erasures (id) WHERE state <> 'done';
CALL app.isolate('app.erasures');
REVOKE UPDATE, DELETE ON app.erasures FROM flo_app;
CREATE POLICY platform ON app.erasures TO flo_app
USING ((SELECT app.on_platform())) WITH CHECK ((SELECT app.on_platform()));
CALL app.open_to_jobs('app.erasures', 'SELECT, INSERT, UPDATE, DELETE');

CREATE POLICY platform ON app.legal_holds FOR SELECT TO flo_app USING ((SELECT app.on_platform()));

-- Takes a tenant from one state to another, or raises FL404, FL409, FL422. Returns its state after it. To delete for ever is
-- to ask for its erasure, from which there is no way back.
CREATE OR REPLACE FUNCTION app.change_tenant_state(named text, wanted text, reason text, confirmation text DEFAULT NULL)
RETURNS TABLE (tenant_id uuid, action text, status text, created_at timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
  tenant app.tenants;
  state text;
BEGIN
  SELECT * INTO tenant FROM app.tenants AS t WHERE t.slug = lower(named) OR t.id = app.id_in(named) FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'tenant_not_found', message = 'There is no such tenant.';
  END IF;
  state := CASE
    WHEN EXISTS (SELECT FROM app.erasures AS e WHERE e.tenant_id = tenant.id AND e.user_id IS NULL) THEN 'being erased'
    ELSE app.tenant_state(tenant)
  END;
  IF NOT (CASE wanted
    WHEN 'suspend' THEN state IN ('active', 'inactive')
    WHEN 'reactivate' THEN state IN ('suspended', 'inactive')
    WHEN 'soft_delete' THEN state NOT IN ('deleted', 'being erased')
    ELSE state = 'deleted'  -- restore, hard_delete
  END) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'wrong_state',
      message = format('The tenant is %s, so this cannot be done: %s.', state, wanted);
  END IF;
  IF wanted = 'hard_delete' AND confirmation IS DISTINCT FROM tenant.slug THEN
    RAISE EXCEPTION USING errcode = 'FL422', constraint = 'not_confirmed',
      message = 'body.confirm: type the slug of the tenant, exactly, to delete it for ever.';
  END IF;
  IF wanted = 'hard_delete' AND app.has_holds(tenant.id) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'legal_hold',
      message = 'Something of the tenant is under a legal hold. Release its holds first.';
  END IF;
  INSERT INTO app.tenant_actions AS a (tenant_id, slug, action, reason) VALUES (tenant.id, tenant.slug, wanted, reason);
  IF wanted = 'hard_delete' THEN
    INSERT INTO app.erasures AS e (tenant_id) VALUES (tenant.id);
  ELSE
    UPDATE app.tenants AS t SET
      status = CASE wanted WHEN 'suspend' THEN 'suspended' WHEN 'reactivate' THEN 'active' ELSE t.status END,
      deleted_at = CASE wanted WHEN 'soft_delete' THEN now() WHEN 'restore' THEN NULL ELSE t.deleted_at END,
      updated_at = now()
    WHERE t.id = tenant.id
    RETURNING t.* INTO tenant;
  END IF;
  RETURN QUERY
  SELECT tenant.id, wanted, CASE wanted WHEN 'hard_delete' THEN 'being erased' ELSE app.tenant_state(tenant) END, now();
END
$$;
