-- app.enter: the one gate. First in every transaction of a request, in the same network flight as its work.

CREATE TABLE app.api_keys (
  id text PRIMARY KEY CHECK (id ~ '^[0-9A-Za-z]{12}$'),
  tenant_id uuid NOT NULL REFERENCES app.tenants ON DELETE CASCADE,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
  secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),  -- SHA-256; the secret has 190 random bits, so no salt
  scopes text[] NOT NULL CHECK (array_position(scopes, NULL) IS NULL),
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz
);
CREATE INDEX api_keys_tenant_id ON app.api_keys (tenant_id);
CALL app.isolate('app.api_keys');
CREATE POLICY gate ON app.api_keys FOR SELECT TO flo_owner USING (true);

-- The key behind an id and the hash of its secret, or FL401. The authorizer asks, and app.enter asks again, so that
-- a revoked key ends at once and not with the authorizer's cache.
CREATE FUNCTION app.verified_key(key_id text, key_hash bytea)
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
    AND k.secret_hash = key_hash
    AND k.revoked_at IS NULL
    AND (k.expires_at IS NULL OR k.expires_at > now());
  IF NOT FOUND THEN
    RAISE EXCEPTION USING errcode = 'FL401', constraint = 'invalid_api_key',
      message = 'The API key is unknown, expired or revoked.';
  END IF;
END
$$;

-- Which tenant a person may enter: the named one (id or slug), else the only one.
CREATE FUNCTION app.tenant_of_person(person text, super_admin boolean, named text)
RETURNS TABLE (tenant_id uuid, tenant_status text, role text)
LANGUAGE plpgsql
STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  named_id uuid := CASE WHEN named ~* '^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$' THEN named::uuid END;
  found integer;
BEGIN
  IF named IS NULL THEN
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
        WHEN named IS NULL THEN 'You belong to no tenant.'
        ELSE 'There is no such tenant, or you do not belong to it.'
      END;
  ELSIF found > 1 THEN
    RAISE EXCEPTION USING errcode = 'FL400', constraint = 'tenant_required',
      message = 'You belong to several tenants. Name one in tenant_id or in the X-Tenant header.';
  END IF;
END
$$;

-- Admits the caller to one tenant for one purpose until the deadline, or raises: FL400, FL401, FL403, FL404.
CREATE FUNCTION app.enter(
  person text,            -- the subject of a verified token, or NULL
  email text,             -- its verified e-mail, or NULL
  key_id text,            -- an API key's id, or NULL
  key_hash bytea,         -- the hash of the secret that came with it
  named_tenant text,      -- id or slug, or NULL for the caller's only tenant
  scope text,             -- 'workflows:read', 'workflows:write', ...
  milliseconds integer    -- how long each statement of this transaction may take
)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant record;
  actor text;
  super_admin boolean := false;
BEGIN
  IF key_id IS NOT NULL THEN
    actor := 'key:' || key_id;
    SELECT t.id AS tenant_id, t.slug, t.status AS tenant_status, t.deleted_at, k.scopes, NULL AS role
    INTO tenant
    FROM app.verified_key(key_id, key_hash) AS k
    JOIN app.tenants AS t ON t.id = k.tenant_id;
    IF tenant.deleted_at IS NOT NULL OR lower(named_tenant) <> tenant.slug
      AND replace(lower(named_tenant), '-', '') <> replace(tenant.tenant_id::text, '-', '') THEN
      RAISE EXCEPTION USING errcode = 'FL403', constraint = 'other_tenants_key',
        message = 'The API key belongs to another tenant.';
    END IF;
    IF scope <> ALL (tenant.scopes) THEN
      RAISE EXCEPTION USING errcode = 'FL403', constraint = 'missing_scope',
        message = format('The API key lacks the scope %s.', scope);
    END IF;
  ELSIF person IS NOT NULL THEN
    actor := 'user:' || person;
    super_admin := EXISTS (
      SELECT FROM app.user_roles AS r WHERE r.email = lower(enter.email COLLATE "C") AND r.role = 'super_admin'
    );
    SELECT * INTO tenant FROM app.tenant_of_person(person, super_admin, named_tenant);
  ELSE
    RAISE EXCEPTION USING errcode = 'FL401', constraint = 'not_signed_in',
      message = 'Sign in first: send a bearer token or an API key in the Authorization header.';
  END IF;
  IF tenant.tenant_status <> 'active' AND NOT super_admin
    AND (scope NOT LIKE '%:read' OR tenant.role IS DISTINCT FROM 'owner') THEN
    RAISE EXCEPTION USING errcode = 'FL403', constraint = 'tenant_suspended',
      message = 'The tenant is suspended: its owners may read, and nobody may write.';
  END IF;
  PERFORM
    set_config('app.tenant_id', tenant.tenant_id::text, true),
    set_config('app.actor', actor, true),
    set_config('statement_timeout', milliseconds::text, true),
    set_config('lock_timeout', least(milliseconds, 2000)::text, true);
END
$$;

REVOKE ALL ON FUNCTION app.verified_key, app.tenant_of_person, app.enter FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.verified_key, app.enter TO flo_app;

-- Answers to POSTs that carried an Idempotency-Key, written in the transaction of their effect.
CREATE TABLE app.idempotency_keys (
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  actor text NOT NULL DEFAULT current_setting('app.actor'),
  key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  fingerprint bytea NOT NULL,  -- of method, path and body: another request may not come under the same key
  answer jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, actor, key)
);
CALL app.isolate('app.idempotency_keys');

-- Takes the key, or tells why not: FL208 there is an answer already, FL422 it was used for something else.
-- While another transaction holds it, this one waits for it (lock_timeout).
CREATE FUNCTION app.claim_key(claimed text, request_fingerprint bytea)
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
    WHERE k.tenant_id = app.tenant() AND k.actor = current_setting('app.actor') AND k.key = claimed
      AND k.fingerprint = request_fingerprint
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL208', constraint = 'already_answered', message = 'This request has been answered.';
  END IF;
  RAISE EXCEPTION USING errcode = 'FL422', constraint = 'idempotency_key_reused',
    message = 'This Idempotency-Key was used for another request. Send a new key.';
END
$$;
