-- Authorization, first in every transaction of a request and in the same round trip as its work: app.identify returns
-- the caller and the context (a tenant, the platform, or the person itself), app.authorize sets them for the
-- transaction. Only this file says which role a scope needs. Row-level security follows the context.

-- The id that a name of a tenant may be; any other name is a slug.
CREATE OR REPLACE FUNCTION app.id_in(name text)
RETURNS uuid
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE WHEN name ~* '^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$' THEN name::uuid END;

CREATE OR REPLACE FUNCTION app.rank(role text)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN coalesce(array_position('{member,admin,owner,super_admin}'::text[], role), 0);

-- The least role that a scope needs in a tenant. To embed a base again costs money, so no member and no key may do it.
CREATE OR REPLACE FUNCTION app.needed_role(scope text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE
  WHEN scope IN ('tenant:write', 'members:write', 'keys:read', 'keys:write', 'models:write') THEN 'admin'
  WHEN scope IN ('alerts:write', 'instances:write') THEN 'admin'
  WHEN scope IN ('holds:read', 'holds:write', 'archive:read', 'archive:write') THEN 'admin'
  WHEN scope IN ('recovery:read', 'recovery:preview') THEN 'admin'
  WHEN scope IN ('tenant:delete', 'erasures:read', 'erasures:write', 'recovery:write') THEN 'owner'
  ELSE 'member'
END;

-- The key behind an id and the hash of its secret, or FL401. The authorizer asks, and app.authorize asks again, so that
-- a revoked key ends at once and not with the authorizer's cache.
CREATE OR REPLACE FUNCTION app.verified_key(key_id text, key_hash bytea)
RETURNS TABLE (tenant_id uuid, scopes text[])
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
  SELECT k.tenant_id, k.scopes
  FROM app.api_keys AS k
  WHERE k.id = key_id
    AND key_hash IN (k.secret_hash, k.signing_hash)
    AND k.revoked_at IS NULL
    AND (k.expires_at IS NULL OR k.expires_at > now());
  IF NOT FOUND THEN
    RAISE EXCEPTION USING errcode = 'FL401', constraint = 'invalid_api_key',
      message = 'The API key is unknown, expired or revoked.';
  END IF;
END
$$;

-- The tenant of a person's request: the named one (id or slug), else the only one. An invited person may only answer
-- the invitation.
CREATE OR REPLACE FUNCTION app.tenant_of_person(person text, email text, super_admin boolean, named text, scope text)
RETURNS TABLE (tenant_id uuid, tenant_status text, role text)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  named_id uuid := app.id_in(named);
  found integer;
BEGIN
  IF scope = 'invitation:write' THEN
    RETURN QUERY
    SELECT t.id, t.status, m.role
    FROM app.tenants AS t
    JOIN app.tenant_memberships AS m ON m.tenant_id = t.id AND m.status <> 'inactive'
      AND m.user_id IN (person, app.invited(email))
    WHERE (t.slug = lower(named) OR t.id = named_id) AND t.deleted_at IS NULL
    ORDER BY m.status = 'pending' DESC LIMIT 1;
  ELSIF named IS NULL THEN
    RETURN QUERY
    SELECT t.id, t.status, m.role
    FROM app.tenant_memberships AS m
    JOIN app.tenants AS t ON t.id = m.tenant_id
    WHERE m.user_id = person AND m.status = 'active' AND t.deleted_at IS NULL
    LIMIT 2;
  ELSE
    RETURN QUERY
    SELECT t.id, t.status, m.role
    FROM app.tenants AS t
    LEFT JOIN app.tenant_memberships AS m ON m.tenant_id = t.id AND m.user_id = person AND m.status = 'active'
    WHERE (t.slug = lower(named) OR t.id = named_id) AND t.deleted_at IS NULL AND (m.role IS NOT NULL OR super_admin);
  END IF;
  GET DIAGNOSTICS found = ROW_COUNT;
  IF found = 0 THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'tenant_not_found',
      message = CASE
        WHEN named IS NULL AND super_admin THEN 'Name a tenant, in tenant_id or in the X-Tenant header.'
        WHEN named IS NULL THEN 'You belong to no tenant.'
        ELSE 'There is no such tenant, or you do not belong to it.'
      END;
  ELSIF found > 1 THEN
    RAISE EXCEPTION USING errcode = 'FL400', constraint = 'tenant_required',
      message = 'You belong to several tenants. Name one in tenant_id or in the X-Tenant header.';
  END IF;
END
$$;

-- The caller and its tenant, or FL400, FL401, FL403, FL404. Outside tenants the tenant is NULL and the role the global
-- one.
CREATE OR REPLACE FUNCTION app.identify(
  person text, email text, key_id text, key_hash bytea, named_tenant text, scope text,
  OUT tenant_id uuid, OUT role text, OUT actor text
)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant record;
BEGIN
  IF key_id IS NOT NULL THEN
    SELECT t.id, t.slug, t.status, t.deleted_at, k.scopes
    INTO tenant
    FROM app.verified_key(key_id, key_hash) AS k
    JOIN app.tenants AS t ON t.id = k.tenant_id;
    IF tenant.deleted_at IS NOT NULL OR lower(named_tenant) <> tenant.slug
      AND app.id_in(named_tenant) IS DISTINCT FROM tenant.id THEN
      RAISE EXCEPTION USING errcode = 'FL403', constraint = 'other_tenants_key',
        message = 'The API key belongs to another tenant.';
    END IF;
    IF scope <> ALL (tenant.scopes) THEN
      RAISE EXCEPTION USING errcode = 'FL403', constraint = 'missing_scope',
        message = CASE WHEN scope = ANY (app.key_scopes()) THEN format('The API key lacks the scope %s.', scope)
        ELSE 'This is for people: no API key may do it.' END;
    END IF;
    tenant_id := tenant.id;
    role := 'key';
    actor := 'key:' || key_id;
  ELSIF person IS NOT NULL THEN
    IF person = '' OR person ILIKE 'mailto:%' THEN  -- who is invited is called so until the invitation is accepted
      RAISE EXCEPTION USING errcode = 'FL401', constraint = 'not_signed_in',
        message = 'The token''s sub cannot name a person.';
    END IF;
    actor := 'user:' || person;
    role := coalesce(
      (SELECT r.role FROM app.user_roles AS r WHERE r.email = lower(identify.email COLLATE "C")), 'user');
    IF scope LIKE 'platform:%' AND role <> 'super_admin' THEN
      RAISE EXCEPTION USING errcode = 'FL403', constraint = 'super_admin_only',
        message = 'Only super admins may do this.';
    ELSIF scope LIKE 'platform:%' OR scope LIKE 'me:%' THEN
      RETURN;
    END IF;
    SELECT p.tenant_id AS id, p.tenant_status AS status, p.role
    INTO tenant
    FROM app.tenant_of_person(person, email, role = 'super_admin', named_tenant, scope) AS p;
    tenant_id := tenant.id;
    role := CASE role WHEN 'super_admin' THEN role ELSE tenant.role END;
    IF app.rank(role) < app.rank(app.needed_role(scope)) THEN
      RAISE EXCEPTION USING errcode = 'FL403', constraint = 'role_too_low',
        message = format('This needs the role %s in the tenant; yours is %s.', app.needed_role(scope), role);
    END IF;
  ELSE
    RAISE EXCEPTION USING errcode = 'FL401', constraint = 'not_signed_in',
      message = 'Sign in first: send a bearer token or an API key in the Authorization header.';
  END IF;
  IF tenant.status <> 'active' AND (scope NOT LIKE '%:read' OR role NOT IN ('owner', 'super_admin')) THEN
    RAISE EXCEPTION USING errcode = 'FL403', constraint = 'tenant_suspended',
      message = 'The tenant is suspended: its owners may read, and nobody may write.';
  END IF;
END
$$;

-- Authorizes the caller for one scope in one context until the deadline, or raises FL400, FL401, FL403, FL404.
CREATE OR REPLACE FUNCTION app.authorize(
  person text,            -- the subject of a verified token, or NULL
  email text,             -- its verified e-mail, or NULL
  key_id text,            -- an API key's id, or NULL
  key_hash bytea,         -- the hash of the secret that came with it
  named_tenant text,      -- id or slug, or NULL for the caller's only tenant
  scope text,             -- 'workflows:read', 'platform:write', 'me:read', ...
  milliseconds integer    -- how long each statement of this transaction may take
)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  caller record;
BEGIN
  SELECT * INTO caller FROM app.identify(person, email, key_id, key_hash, named_tenant, scope);
  IF scope LIKE '%:read' THEN
    PERFORM set_config('transaction_read_only', 'on', true);
  END IF;
  PERFORM
    set_config('app.tenant_id', coalesce(caller.tenant_id::text, ''), true),
    set_config('app.actor', caller.actor, true),
    set_config('app.person', CASE WHEN key_id IS NULL THEN person ELSE '' END, true),
    set_config('app.email', CASE WHEN key_id IS NULL THEN coalesce(email, '') ELSE '' END, true),
    set_config('app.role', caller.role, true),
    set_config('jit', 'off', true),  -- compiling a plan over all partitions takes longer than a request may
    set_config('statement_timeout', milliseconds::text, true),
    set_config('lock_timeout', least(milliseconds, 2000)::text, true);
END
$$;

REVOKE ALL ON FUNCTION app.verified_key, app.tenant_of_person, app.identify, app.authorize FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.verified_key, app.authorize TO flo_app;
