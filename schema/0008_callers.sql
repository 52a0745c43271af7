-- Who calls, in which place, as whom: a tenant, the platform (no tenant, super admins only), or oneself ('me', no tenant).
-- What a scope needs of a person is told in one place, and row-level security follows the place.

-- What the entered transaction knows of its caller. In a tenant the role is key, member, admin, owner or super_admin;
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

CREATE FUNCTION app.rank(role text)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN coalesce(array_position('{member,admin,owner,super_admin}'::text[], role), 0);

-- The least role that a scope needs in a tenant.
CREATE FUNCTION app.needed_role(scope text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE
  WHEN scope IN ('tenant:write', 'members:write', 'keys:read', 'keys:write') THEN 'admin'
  WHEN scope = 'tenant:delete' THEN 'owner'
  ELSE 'member'
END;

-- Everywhere outside a tenant: super admins see every tenant, who belongs to it, and the global roles;
CREATE POLICY platform ON app.tenants TO flo_app
USING ((SELECT app.on_platform())) WITH CHECK ((SELECT app.on_platform()));
CREATE POLICY platform ON app.tenant_memberships TO flo_app
USING ((SELECT app.on_platform())) WITH CHECK ((SELECT app.on_platform()));
ALTER TABLE app.user_roles ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON app.user_roles TO flo_app
USING ((SELECT app.on_platform())) WITH CHECK ((SELECT app.on_platform()));
GRANT SELECT, INSERT, UPDATE, DELETE ON app.user_roles TO flo_app;
-- app.enter looks, and the first super admin is made by hand
CREATE POLICY gate ON app.user_roles TO flo_owner USING (true) WITH CHECK (true);

-- people see their own memberships, invitations included, and the tenants of these.
CREATE POLICY own ON app.tenant_memberships FOR SELECT TO flo_app
USING ((SELECT app.tenant()) IS NULL AND user_id IN ((SELECT app.person()), (SELECT app.invited_person())));
CREATE POLICY own ON app.tenants FOR SELECT TO flo_app
USING ((SELECT app.tenant()) IS NULL AND deleted_at IS NULL AND EXISTS (
  SELECT FROM app.tenant_memberships AS m
  WHERE m.tenant_id = tenants.id AND m.status IN ('active', 'pending') AND (tenants.status = 'active' OR m.role = 'owner')
));

-- A person's answers outside any tenant are remembered as well.
-- squawk-ignore ban-drop-constraint -- the index below guarantees the same
ALTER TABLE app.idempotency_keys DROP CONSTRAINT idempotency_keys_pkey;
-- squawk-ignore ban-drop-not-null
ALTER TABLE app.idempotency_keys ALTER tenant_id DROP NOT NULL;
CREATE UNIQUE INDEX idempotency_keys_key ON app.idempotency_keys (tenant_id, actor, key) NULLS NOT DISTINCT;
CREATE POLICY own ON app.idempotency_keys TO flo_app
USING ((SELECT app.tenant()) IS NULL AND tenant_id IS NULL AND actor = (SELECT current_setting('app.actor', true)))
WITH CHECK ((SELECT app.tenant()) IS NULL AND tenant_id IS NULL AND actor = (SELECT current_setting('app.actor', true)));

CREATE OR REPLACE FUNCTION app.claim_key(claimed text, request_fingerprint bytea)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  INSERT INTO app.idempotency_keys (key, fingerprint) VALUES (claimed, request_fingerprint) ON CONFLICT DO NOTHING;
  IF FOUND THEN
    RETURN;
  END IF;
  IF EXISTS (
    SELECT FROM app.idempotency_keys AS k
    WHERE k.actor = current_setting('app.actor') AND k.key = claimed AND k.fingerprint = request_fingerprint
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL208', constraint = 'already_answered', message = 'This request has been answered.';
  END IF;
  RAISE EXCEPTION USING errcode = 'FL422', constraint = 'idempotency_key_reused',
    message = 'This Idempotency-Key was used for another request. Send a new key.';
END
$$;
