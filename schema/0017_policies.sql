-- What a tenant is promised and held to: how long executions stay hot, how sure an answer must be, how many requests.

CREATE FUNCTION app.policies()
RETURNS TABLE (tenant_id uuid, hot_ttl_days integer, confidence_threshold double precision, rate_limit_per_minute integer)
LANGUAGE sql
STABLE
AS $$
  SELECT t.id, t.hot_ttl_days, t.confidence_threshold, app.rate_limit_per_minute(t.id)
  FROM app.tenants AS t WHERE t.id = app.tenant()
$$;

-- Changes what `changes` names. The rate limit is the platform's to say, not the tenant's own.
CREATE FUNCTION app.change_policies(changes jsonb, if_match text[])
RETURNS TABLE (tenant_id uuid, hot_ttl_days integer, confidence_threshold double precision, rate_limit_per_minute integer)
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
  UPDATE app.tenants AS t
  SET (hot_ttl_days, confidence_threshold, updated_at) = (
    SELECT c.hot_ttl_days, c.confidence_threshold, now() FROM jsonb_populate_record(t, changes) AS c
  )
  WHERE t.id = app.tenant();
  RETURN QUERY SELECT * FROM app.policies();
END
$$;
