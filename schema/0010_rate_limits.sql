-- How many requests a tenant and a key may make. Counted in a transaction of its own, ahead of the request's in the same
-- flight: its lock on the tenant's row lasts microseconds, and refused requests count as well.

CREATE TABLE app.rate_limits (
  tenant_id uuid PRIMARY KEY DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  rate_limit_per_minute integer NOT NULL CHECK (rate_limit_per_minute BETWEEN 1 AND 1000000)
);
CALL app.isolate('app.rate_limits');
CREATE POLICY gate ON app.rate_limits FOR SELECT TO flo_owner USING (true);

ALTER TABLE app.api_keys
ADD rate_limit_per_minute integer,  -- NULL: the tenant's alone
ADD last_used_at timestamptz,     -- to the minute
ADD signing_hash bytea,           -- SHA-256 of the secret that signs the key's webhooks; NULL: it has none
ADD CONSTRAINT api_keys_rate_limit_per_minute CHECK (rate_limit_per_minute BETWEEN 1 AND 1000000) NOT VALID,
ADD CONSTRAINT api_keys_signing_hash CHECK (length(signing_hash) = 32) NOT VALID;
CREATE POLICY used ON app.api_keys FOR UPDATE TO flo_owner USING (true) WITH CHECK (true);

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

-- Buckets that are not full: each holds a minute's requests, fills steadily, and is forgotten when it is full.
-- Unlogged: a crash fills them all.
CREATE UNLOGGED TABLE app.rate_buckets (
  name text PRIMARY KEY,
  full_at timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE FUNCTION app.rate_limit_per_minute(tenant uuid)
RETURNS integer
LANGUAGE sql
STABLE
RETURN coalesce((SELECT r.rate_limit_per_minute FROM app.rate_limits AS r WHERE r.tenant_id = tenant), 6000);

-- Takes one request out of a bucket, or raises FL429 whose detail is the bucket as a row.
CREATE FUNCTION app.take(bucket text, kind text, quota integer, OUT name text, OUT q integer, OUT r integer, OUT t integer)
LANGUAGE plpgsql
AS $$
DECLARE
  step interval := interval '1 minute' / quota;
  moment timestamptz := clock_timestamp();
  filled timestamptz;
BEGIN
  INSERT INTO app.rate_buckets AS b VALUES (bucket, moment + step)
  ON CONFLICT ON CONSTRAINT rate_buckets_pkey DO UPDATE SET full_at = greatest(b.full_at, moment) + step
  WHERE greatest(b.full_at, moment) + step <= moment + interval '1 minute'
  RETURNING full_at INTO filled;
  name := kind;
  q := quota;
  IF filled IS NULL THEN
    SELECT ceil(extract(EPOCH FROM b.full_at + step - moment) - 60) INTO t FROM app.rate_buckets AS b WHERE b.name = bucket;
    RAISE EXCEPTION USING errcode = 'FL429', constraint = 'too_many_requests',
      message = format('The %s may make %s requests a minute. Wait %s seconds.', kind, quota, greatest(t, 1)),
      detail = json_build_object('name', kind, 'q', quota, 'r', 0, 't', greatest(t, 1))::text;
  END IF;
  r := floor(extract(EPOCH FROM moment + interval '1 minute' - filled) / extract(EPOCH FROM step));
  t := ceil(extract(EPOCH FROM filled - moment));
END
$$;

-- Counts one request of a caller in a tenant. Returns what is left: name of the bucket, quota a minute, remaining, and
-- the seconds until it is full.
CREATE FUNCTION app.spend(person text, email text, key_id text, key_hash bytea, named_tenant text, scope text)
RETURNS TABLE (name text, q integer, r integer, t integer)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1s'
AS $$
DECLARE
  caller record;
  of_key integer;
BEGIN
  SELECT * INTO caller FROM app.identify(person, email, key_id, key_hash, named_tenant, scope);
  IF caller.role = 'super_admin' THEN
    RETURN;  -- who helps a tenant at its limit
  END IF;
  RETURN QUERY SELECT * FROM app.take(caller.tenant_id::text, 'tenant', app.rate_limit_per_minute(caller.tenant_id));
  IF key_id IS NULL THEN
    RETURN;
  END IF;
  SELECT k.rate_limit_per_minute INTO of_key FROM app.api_keys AS k WHERE k.id = key_id;
  IF of_key IS NOT NULL THEN
    RETURN QUERY SELECT * FROM app.take(key_id, 'key', of_key);
  END IF;
  UPDATE app.api_keys AS k SET last_used_at = now()
  WHERE k.id = key_id AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute');
END
$$;

REVOKE ALL ON FUNCTION app.take, app.spend FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.spend TO flo_app;
