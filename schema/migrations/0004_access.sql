-- What app.authorize looks at: API keys, limits, and answers that were given already.

-- What an API key may be given. The rest is for people.
CREATE FUNCTION app.key_scopes()
RETURNS text[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN '{workflows:read,workflows:write,executions:read,executions:write,events:write,webchat:read,webchat:write,
  preferences:read,preferences:write,tenant:read,knowledge:read,knowledge:write}'::text[];

CREATE TABLE app.api_keys (
  id text PRIMARY KEY CHECK (id ~ '^[0-9A-Za-z]{12}$'),
  tenant_id uuid NOT NULL REFERENCES app.tenants ON DELETE CASCADE,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
  secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),  -- SHA-256; the secret has 190 random bits, so no salt
  scopes text[] NOT NULL CHECK (array_position(scopes, NULL) IS NULL),
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  rate_limit_per_minute integer,  -- NULL: the tenant's alone
  last_used_at timestamptz,  -- to the minute
  signing_hash bytea,  -- SHA-256 of the secret that signs the key's webhooks; NULL: it has none
  replaced_by text,  -- the key that it was rotated to
  CONSTRAINT api_keys_rate_limit_per_minute CHECK (rate_limit_per_minute BETWEEN 1 AND 1000000),
  CONSTRAINT api_keys_signing_hash CHECK (length(signing_hash) = 32),
  CONSTRAINT api_keys_scopes CHECK (scopes <@ app.key_scopes())
);
CREATE INDEX api_keys_tenant_id ON app.api_keys (tenant_id);
CALL app.isolate('app.api_keys');
CREATE POLICY access ON app.api_keys FOR SELECT TO flo_owner USING (true);
CREATE POLICY used ON app.api_keys FOR UPDATE TO flo_owner USING (true) WITH CHECK (true);
CALL app.open_to_jobs('app.api_keys', 'SELECT, DELETE');

-- How many requests a tenant may make, unless it is the usual number.
CREATE TABLE app.rate_limits (
  tenant_id uuid PRIMARY KEY DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  rate_limit_per_minute integer NOT NULL CHECK (rate_limit_per_minute BETWEEN 1 AND 1000000)
);
CALL app.isolate('app.rate_limits');
CREATE POLICY access ON app.rate_limits FOR SELECT TO flo_owner USING (true);
CALL app.open_to_jobs('app.rate_limits', 'SELECT, DELETE');

-- Buckets that are not full: each holds a minute's requests, fills steadily, and is forgotten when it is full.
-- Unlogged: a crash fills them all.
CREATE UNLOGGED TABLE app.rate_buckets (
  name text PRIMARY KEY,
  full_at timestamptz NOT NULL
) WITH (fillfactor = 50);
GRANT SELECT, DELETE ON app.rate_buckets TO flo_job;  -- has no row-level security: app.take writes it

-- Answers to POSTs that carried an Idempotency-Key, written in the transaction of their effect.
CREATE TABLE app.idempotency_keys (
  tenant_id uuid DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,  -- NULL: outside any tenant
  actor text NOT NULL DEFAULT current_setting('app.actor'),
  key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  fingerprint bytea NOT NULL,  -- of method, path and body: another request may not come under the same key
  answer jsonb,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX idempotency_keys_key ON app.idempotency_keys (tenant_id, actor, key) NULLS NOT DISTINCT;
CALL app.isolate('app.idempotency_keys');
CREATE POLICY own ON app.idempotency_keys TO flo_app
USING ((SELECT app.tenant()) IS NULL AND tenant_id IS NULL AND actor = (SELECT current_setting('app.actor', true)))
WITH CHECK ((SELECT app.tenant()) IS NULL AND tenant_id IS NULL AND actor = (SELECT current_setting('app.actor', true)));
CALL app.open_to_jobs('app.idempotency_keys', 'SELECT, DELETE');
