-- Rate limits of tenants and keys. Requests are counted in a transaction of their own, before the request's in the same
-- pipeline: its lock on the tenant's row lasts microseconds, and refused requests count as well.

CREATE OR REPLACE FUNCTION app.rate_limit_per_minute(tenant uuid)
RETURNS integer
LANGUAGE sql
STABLE
RETURN coalesce((SELECT r.rate_limit_per_minute FROM app.rate_limits AS r WHERE r.tenant_id = tenant), 6000);

-- Takes the weight of a request out of a bucket, or raises FL429 whose detail is the bucket as a row. What weighs more
-- than the bucket holds empties it, so that it waits and is not refused for ever.
CREATE OR REPLACE FUNCTION app.take_from_bucket(
  bucket text, kind text, quota integer, weight integer, OUT name text, OUT q integer, OUT r integer, OUT t integer
)
LANGUAGE plpgsql
AS $$
DECLARE
  one interval := interval '1 minute' / quota;
  step interval := one * least(weight, quota);
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
    SELECT ceil(extract(EPOCH FROM b.full_at + step - moment) - 60) INTO t
    FROM app.rate_buckets AS b WHERE b.name = bucket;
    RAISE EXCEPTION USING errcode = 'FL429', constraint = 'too_many_requests',
      message = format('The %s may make %s requests a minute, and this one weighs %s. Wait %s seconds.',
        kind, quota, least(weight, quota), greatest(t, 1)),
      detail = json_build_object('name', kind, 'q', quota, 'r', 0, 't', greatest(t, 1))::text;
  END IF;
  -- `one` is rounded
  r := floor(round(extract(EPOCH FROM moment + interval '1 minute' - filled) / extract(EPOCH FROM one), 3));
  t := ceil(extract(EPOCH FROM filled - moment));
END
$$;

-- Counts one request of a caller: in its tenant, or as its own where it administers or acts outside tenants, so that a
-- tenant at its limit can still be helped. Returns what is left: name of the bucket, quota a minute, remaining, and the
-- seconds until it is full.
CREATE OR REPLACE FUNCTION app.spend(
  person text, email text, key_id text, key_hash bytea, named_tenant text, scope text, weight integer DEFAULT 1
)
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
    RETURN;  -- super admins can help a tenant that is at its limit
  END IF;
  IF caller.tenant_id IS NULL
    OR scope LIKE ANY ('{keys:%,invitation:%,members:write,tenant:write,tenant:delete}'::text[]) THEN
    RETURN QUERY SELECT * FROM app.take_from_bucket(caller.actor, 'person', 600, weight);
    RETURN;
  END IF;
  RETURN QUERY SELECT * FROM app.take_from_bucket(
    caller.tenant_id::text, 'tenant', app.rate_limit_per_minute(caller.tenant_id), weight);
  IF key_id IS NULL THEN
    RETURN;
  END IF;
  SELECT k.rate_limit_per_minute INTO of_key FROM app.api_keys AS k WHERE k.id = key_id;
  IF of_key IS NOT NULL THEN
    RETURN QUERY SELECT * FROM app.take_from_bucket(key_id, 'key', of_key, weight);
  END IF;
  UPDATE app.api_keys AS k SET last_used_at = now()
  WHERE k.id = key_id AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute');
END
$$;

REVOKE ALL ON FUNCTION app.take_from_bucket, app.spend FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.spend TO flo_app;
