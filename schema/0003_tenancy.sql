-- Tenants, who belongs to them, and the row-level security that every tenant table has.

-- The tenant that app.enter admitted the caller to in this transaction; NULL admits to no row.
CREATE FUNCTION app.tenant()
RETURNS uuid
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN nullif(current_setting('app.tenant_id', true), '')::uuid;

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

-- Global roles, by verified e-mail. No tenant, so flo_app has no right here at all: app.enter looks.
CREATE TABLE app.user_roles (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  email text NOT NULL UNIQUE CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 255),
  role text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin', 'super_admin')),
  assigned_by text CHECK (length(assigned_by) <= 255),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz
);

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

CALL app.isolate('app.tenants', 'id');
CALL app.isolate('app.tenant_memberships');

-- app.enter runs as flo_owner and must look before any tenant is set.
CREATE POLICY gate ON app.tenants FOR SELECT TO flo_owner USING (true);
CREATE POLICY gate ON app.tenant_memberships FOR SELECT TO flo_owner USING (true);
