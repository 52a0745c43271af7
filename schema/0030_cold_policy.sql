-- How long a tenant's archived files are kept is one of its policies. NULL: for ever.

-- squawk-ignore ban-drop-function -- made again below, with a column more
DROP FUNCTION app.change_policies;
-- squawk-ignore ban-drop-function
DROP FUNCTION app.policies;

CREATE FUNCTION app.policies()
RETURNS TABLE (
  tenant_id uuid, hot_ttl_days integer, cold_ttl_days integer, confidence_threshold double precision,
  rate_limit_per_minute integer
)
LANGUAGE sql
STABLE
AS $$
  SELECT t.id, t.hot_ttl_days, c.cold_ttl_days, t.confidence_threshold, app.rate_limit_per_minute(t.id)
  FROM app.tenants AS t
  LEFT JOIN app.cold_policies AS c ON c.tenant_id = t.id
  WHERE t.id = app.tenant()
$$;

-- Changes what `changes` names. The rate limit is the platform's to say, not the tenant's own.
CREATE FUNCTION app.change_policies(changes jsonb, if_match text[])
RETURNS TABLE (
  tenant_id uuid, hot_ttl_days integer, cold_ttl_days integer, confidence_threshold double precision,
  rate_limit_per_minute integer
)
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM FROM app.tenants AS t WHERE t.id = app.tenant() FOR UPDATE;
  PERFORM app.require_match(app.etag(p), if_match) FROM app.policies() AS p;
  IF changes ? 'rate_limit_per_minute' AND app.role() IS DISTINCT FROM 'super_admin' THEN
    RAISE EXCEPTION USING errcode = 'FL403', constraint = 'super_admin_only',
      message = 'body.rate_limit_per_minute: only super admins may change it.';
  ELSIF changes ? 'rate_limit_per_minute' THEN
    INSERT INTO app.rate_limits (rate_limit_per_minute) VALUES ((changes ->> 'rate_limit_per_minute')::integer)
    ON CONFLICT ON CONSTRAINT rate_limits_pkey DO UPDATE SET rate_limit_per_minute = excluded.rate_limit_per_minute;
  END IF;
  IF changes -> 'cold_ttl_days' = 'null' THEN
    DELETE FROM app.cold_policies AS c WHERE c.tenant_id = app.tenant();
  ELSIF changes ? 'cold_ttl_days' THEN
    INSERT INTO app.cold_policies (cold_ttl_days) VALUES ((changes ->> 'cold_ttl_days')::integer)
    ON CONFLICT ON CONSTRAINT cold_policies_pkey DO UPDATE SET cold_ttl_days = excluded.cold_ttl_days;
  END IF;
  UPDATE app.tenants AS t
  SET (hot_ttl_days, confidence_threshold, updated_at) = (
    SELECT c.hot_ttl_days, c.confidence_threshold, now() FROM jsonb_populate_record(t, changes) AS c
  )
  WHERE t.id = app.tenant();
  RETURN QUERY SELECT * FROM app.policies();
END
$$;
