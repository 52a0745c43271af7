-- The life of a tenant: provisioned, suspended, deleted, restored, gone.

-- What was done to tenants, by whom and why. Outlives them, so no foreign key.
CREATE TABLE app.tenant_actions (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  tenant_id uuid NOT NULL,
  slug text NOT NULL,
  action text NOT NULL CHECK (action IN ('provision', 'suspend', 'reactivate', 'soft_delete', 'restore', 'hard_delete')),
  reason text CHECK (length(reason) <= 1000),
  actor text NOT NULL DEFAULT current_setting('app.actor'),
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tenant_actions_tenant_id ON app.tenant_actions (tenant_id, id);
CALL app.isolate('app.tenant_actions');
REVOKE UPDATE, DELETE ON app.tenant_actions FROM flo_app;  -- what was done is not rewritten
CREATE POLICY platform ON app.tenant_actions TO flo_app
USING ((SELECT app.on_platform())) WITH CHECK ((SELECT app.on_platform()));

CREATE FUNCTION app.tenant_state(tenant app.tenants)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE WHEN (tenant).deleted_at IS NULL THEN (tenant).status ELSE 'deleted' END;

-- Takes a tenant from one state to another, or raises FL404, FL409, FL422. Returns its state after it.
CREATE FUNCTION app.change_tenant_state(named text, wanted text, reason text, confirmation text DEFAULT NULL)
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
  state := app.tenant_state(tenant);
  IF NOT (CASE wanted
    WHEN 'suspend' THEN state IN ('active', 'inactive')
    WHEN 'reactivate' THEN state IN ('suspended', 'inactive')
    WHEN 'soft_delete' THEN state <> 'deleted'
    ELSE state = 'deleted'  -- restore, hard_delete
  END) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'wrong_state',
      message = format('The tenant is %s, so this cannot be done: %s.', state, wanted);
  END IF;
  IF wanted = 'hard_delete' AND confirmation IS DISTINCT FROM tenant.slug THEN
    RAISE EXCEPTION USING errcode = 'FL422', constraint = 'not_confirmed',
      message = 'body.confirm: type the slug of the tenant, exactly, to delete it for ever.';
  END IF;
  INSERT INTO app.tenant_actions AS a (tenant_id, slug, action, reason) VALUES (tenant.id, tenant.slug, wanted, reason);
  IF wanted = 'hard_delete' THEN
    DELETE FROM app.tenants AS t WHERE t.id = tenant.id;
  ELSE
    UPDATE app.tenants AS t SET
      status = CASE wanted WHEN 'suspend' THEN 'suspended' WHEN 'reactivate' THEN 'active' ELSE t.status END,
      deleted_at = CASE wanted WHEN 'soft_delete' THEN now() WHEN 'restore' THEN NULL ELSE t.deleted_at END,
      updated_at = now()
    WHERE t.id = tenant.id
    RETURNING t.* INTO tenant;
  END IF;
  RETURN QUERY
  SELECT tenant.id, wanted, CASE wanted WHEN 'hard_delete' THEN 'gone' ELSE app.tenant_state(tenant) END, now();
END
$$;

-- A tenant and its owner at once. An owner who is known by e-mail alone accepts on the first visit.
CREATE FUNCTION app.provision_tenant(slug text, name text, n8n_url text, owner_email text, owner_id text)
RETURNS TABLE (tenant_id uuid, tenant_slug text, owner_user_id text, membership_id uuid)
LANGUAGE plpgsql
AS $$
DECLARE
  tenant uuid := app.uuid7();
BEGIN
  INSERT INTO app.tenants (id, slug, name, n8n_url)
  VALUES (tenant, provision_tenant.slug, provision_tenant.name, provision_tenant.n8n_url);
  INSERT INTO app.tenant_actions (tenant_id, slug, action) VALUES (tenant, provision_tenant.slug, 'provision');
  RETURN QUERY
  INSERT INTO app.tenant_memberships AS m (tenant_id, user_id, role, status)
  VALUES (
    tenant, coalesce(owner_id, app.invited(owner_email)), 'owner',
    CASE WHEN owner_id IS NULL THEN 'pending' ELSE 'active' END
  )
  RETURNING tenant, provision_tenant.slug, m.user_id, m.id;
END
$$;
