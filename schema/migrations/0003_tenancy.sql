-- Tenants, who belongs to them, and the row-level security that every table has.

-- The tenant that app.authorize set for this transaction; with NULL no row is visible.
CREATE FUNCTION app.tenant()
RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN nullif(current_setting('app.tenant_id', true), '')::uuid;

-- The caller of the authorized transaction. In a tenant the role is key, member, admin, owner or super_admin;
-- elsewhere it is the global one.
CREATE FUNCTION app.role()
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN nullif(current_setting('app.role', true), '');

CREATE FUNCTION app.person()
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN nullif(current_setting('app.person', true), '');

-- How an invitation by e-mail names the person, until the person accepts it.
CREATE FUNCTION app.invited(email text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN 'mailto:' || lower(email COLLATE "C");

CREATE FUNCTION app.invited_person()
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN app.invited(nullif(current_setting('app.email', true), ''));

CREATE FUNCTION app.on_platform()
RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN app.tenant() IS NULL AND coalesce(app.role() = 'super_admin', false);

-- Machines and those who administer a tenant act for all of its people; a member for one.
CREATE FUNCTION app.acts_for(user_id text)
RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN coalesce(user_id = app.person(), false)
  OR app.tenant() IS NOT NULL AND coalesce(app.role() IN ('key', 'admin', 'owner', 'super_admin'), false);

-- One form for every tenant table: its tenant's rows for flo_app and nobody else's, its owner included.
CREATE PROCEDURE app.isolate(tenant_table regclass, tenant_column text DEFAULT 'tenant_id')
LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', tenant_table);
  EXECUTE format(
    'CREATE POLICY tenant ON %s TO flo_app USING (%2$I = (SELECT app.tenant())) WITH CHECK (%2$I = (SELECT app.tenant()))',
    tenant_table, tenant_column
  );
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO flo_app', tenant_table);
END
$$;
REVOKE ALL ON PROCEDURE app.isolate FROM PUBLIC;

-- Opens a table to jobs, for these verbs and no others.
CREATE PROCEDURE app.open_to_jobs(opened regclass, verbs text)
LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', opened);
  EXECUTE format('CREATE POLICY job ON %s TO flo_job USING (true) WITH CHECK (true)', opened);
  EXECUTE format('GRANT %s ON %s TO flo_job', verbs, opened);
END
$$;
REVOKE ALL ON PROCEDURE app.open_to_jobs FROM PUBLIC;

CREATE TABLE app.tenants (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive', 'suspended')),
  n8n_url text CHECK (length(n8n_url) <= 255),
  branding_settings jsonb NOT NULL DEFAULT '{}',
  confidence_threshold double precision NOT NULL DEFAULT 0.8 CHECK (confidence_threshold BETWEEN 0 AND 1),
  hot_ttl_days integer NOT NULL DEFAULT 30 CHECK (hot_ttl_days BETWEEN 1 AND 365),
  deleted_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz,
  -- a path takes a slug or an id, so no slug may look like an id
  CHECK (slug !~ '^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$')
);
CALL app.isolate('app.tenants', 'id');
CREATE POLICY access ON app.tenants FOR SELECT TO flo_owner USING (true);  -- app.authorize looks, before any tenant is set
CALL app.open_to_jobs('app.tenants', 'SELECT, DELETE');
GRANT UPDATE (updated_at) ON app.tenants TO flo_job;  -- to lock a tenant: what is decided of it holds until the end

CREATE TABLE app.tenant_memberships (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  tenant_id uuid NOT NULL REFERENCES app.tenants ON DELETE CASCADE,
  user_id text NOT NULL CHECK (length(user_id) BETWEEN 1 AND 255),
  role text NOT NULL DEFAULT 'member' CHECK (role IN ('owner', 'admin', 'member')),
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'pending', 'inactive')),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz,
  UNIQUE (tenant_id, user_id)
);
CREATE INDEX tenant_memberships_user_id ON app.tenant_memberships (user_id);
CALL app.isolate('app.tenant_memberships');
CREATE POLICY access ON app.tenant_memberships FOR SELECT TO flo_owner USING (true);
CALL app.open_to_jobs('app.tenant_memberships', 'SELECT, DELETE');

-- Global roles, by verified e-mail. No tenant, so only super admins have a right here, and app.authorize looks.
CREATE TABLE app.user_roles (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  email text NOT NULL UNIQUE CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 255),
  role text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin', 'super_admin')),
  assigned_by text CHECK (length(assigned_by) <= 255),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz
);
ALTER TABLE app.user_roles ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.user_roles TO flo_app;
-- app.authorize looks, and the first super admin is made by hand
CREATE POLICY access ON app.user_roles TO flo_owner USING (true) WITH CHECK (true);

-- Everywhere outside a tenant: super admins see every tenant, who belongs to it, and the global roles;
CREATE POLICY platform ON app.tenants TO flo_app
USING ((SELECT app.on_platform())) WITH CHECK ((SELECT app.on_platform()));
CREATE POLICY platform ON app.tenant_memberships TO flo_app
USING ((SELECT app.on_platform())) WITH CHECK ((SELECT app.on_platform()));
CREATE POLICY platform ON app.user_roles TO flo_app
USING ((SELECT app.on_platform())) WITH CHECK ((SELECT app.on_platform()));

-- people see their own memberships, invitations included, and the tenants of these.
CREATE POLICY own ON app.tenant_memberships FOR SELECT TO flo_app
USING ((SELECT app.tenant()) IS NULL AND user_id IN ((SELECT app.person()), (SELECT app.invited_person())));
CREATE POLICY own ON app.tenants FOR SELECT TO flo_app
USING ((SELECT app.tenant()) IS NULL AND deleted_at IS NULL AND EXISTS (
  SELECT FROM app.tenant_memberships AS m
  WHERE m.tenant_id = tenants.id AND m.status IN ('active', 'pending') AND (tenants.status = 'active' OR m.role = 'owner')
));

-- Waits for other changes of the tenant's owners, then looks whether one is left. A tenant that is deleted or erased
-- needs none.
CREATE FUNCTION app.keep_an_owner()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM FROM app.tenants WHERE id = old.tenant_id FOR NO KEY UPDATE;
  IF FOUND AND NOT EXISTS (
    SELECT FROM app.tenant_memberships AS m
    WHERE m.tenant_id = old.tenant_id AND m.role = 'owner' AND m.status = 'active'
  ) AND NOT EXISTS (
    SELECT FROM app.erasures AS e WHERE e.tenant_id = old.tenant_id AND e.user_id IS NULL
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'last_owner',
      message = 'This is the last owner of the tenant: make somebody else an owner first.';
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER keep_an_owner_on_change AFTER UPDATE OF role, status ON app.tenant_memberships
FOR EACH ROW WHEN (old.role = 'owner' AND old.status = 'active' AND (new.role <> 'owner' OR new.status <> 'active'))
EXECUTE FUNCTION app.keep_an_owner();
CREATE TRIGGER keep_an_owner_on_removal AFTER DELETE ON app.tenant_memberships
FOR EACH ROW WHEN (old.role = 'owner' AND old.status = 'active')
EXECUTE FUNCTION app.keep_an_owner();

-- The same for the platform.
CREATE FUNCTION app.keep_a_super_admin()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('app.keep_a_super_admin', 0));
  IF NOT EXISTS (SELECT FROM app.user_roles AS r WHERE r.role = 'super_admin') THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'last_super_admin',
      message = 'This is the last super admin: make somebody else a super admin first.';
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER keep_a_super_admin_on_change AFTER UPDATE OF role ON app.user_roles
FOR EACH ROW WHEN (old.role = 'super_admin' AND new.role <> 'super_admin') EXECUTE FUNCTION app.keep_a_super_admin();
CREATE TRIGGER keep_a_super_admin_on_removal AFTER DELETE ON app.user_roles
FOR EACH ROW WHEN (old.role = 'super_admin') EXECUTE FUNCTION app.keep_a_super_admin();

-- Who vouches for an invitation; nobody where the platform does. What one may no longer give is no longer accepted.
CREATE TABLE app.invitations (
  tenant_id uuid NOT NULL DEFAULT app.tenant(),
  user_id text NOT NULL,
  invited_by text DEFAULT CASE app.role() WHEN 'super_admin' THEN NULL ELSE app.person() END,
  PRIMARY KEY (tenant_id, user_id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES app.tenant_memberships (tenant_id, user_id)
  ON UPDATE CASCADE ON DELETE CASCADE
);
CALL app.isolate('app.invitations');
CALL app.open_to_jobs('app.invitations', 'SELECT, DELETE');

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
CALL app.open_to_jobs('app.tenant_actions', 'SELECT, INSERT, DELETE');

-- How long files of the cold tier are kept. No row: for ever.
CREATE TABLE app.cold_policies (
  tenant_id uuid PRIMARY KEY DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  cold_ttl_days integer NOT NULL CHECK (cold_ttl_days BETWEEN 30 AND 36500)
);
CALL app.isolate('app.cold_policies');
CALL app.open_to_jobs('app.cold_policies', 'SELECT, DELETE');
