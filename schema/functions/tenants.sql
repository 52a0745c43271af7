-- The states of a tenant (provisioned, suspended, deleted, undeleted, erased), and its policies.

-- The policies of the current tenant. cold_ttl_days is NULL where files are kept for ever.
CREATE OR REPLACE FUNCTION app.policies_v2()
RETURNS TABLE (
  tenant_id uuid, hot_ttl_days integer, cold_ttl_days integer, confidence_threshold double precision,
  rate_limit_per_minute integer, time_zone text
)
LANGUAGE sql
STABLE
AS $$
  SELECT
    t.id, t.hot_ttl_days, c.cold_ttl_days, t.confidence_threshold, app.rate_limit_per_minute(t.id),
    coalesce(s.time_zone, 'UTC')
  FROM app.tenants AS t
  LEFT JOIN app.cold_policies AS c ON c.tenant_id = t.id
  LEFT JOIN app.rollup_settings AS s ON s.tenant_id = t.id
  WHERE t.id = app.tenant()
$$;

-- Changes what `changes` names. Only super admins change the rate limit.
CREATE OR REPLACE FUNCTION app.change_policies_v2(changes jsonb, if_match text[])
RETURNS TABLE (
  tenant_id uuid, hot_ttl_days integer, cold_ttl_days integer, confidence_threshold double precision,
  rate_limit_per_minute integer, time_zone text
)
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM FROM app.tenants AS t WHERE t.id = app.tenant() FOR UPDATE;
  PERFORM app.require_match(app.etag(p), if_match) FROM app.policies_v2() AS p;
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
  IF changes ? 'time_zone' THEN  -- rollups by hour and day are cut anew by the job
    INSERT INTO app.rollup_settings AS s (tenant_id, time_zone, rebuild_asked_at)
    VALUES (app.tenant(), app.require_time_zone('body.time_zone', changes ->> 'time_zone'), now())
    ON CONFLICT ON CONSTRAINT rollup_settings_pkey DO UPDATE
    SET time_zone = excluded.time_zone, rebuild_asked_at = greatest(s.rebuild_asked_at, excluded.rebuild_asked_at)
    WHERE s.time_zone <> excluded.time_zone;
  END IF;
  UPDATE app.tenants AS t
  SET (hot_ttl_days, confidence_threshold, updated_at) = (
    SELECT c.hot_ttl_days, c.confidence_threshold, now() FROM jsonb_populate_record(t, changes) AS c
  )
  WHERE t.id = app.tenant();
  RETURN QUERY SELECT * FROM app.policies_v2();
END
$$;

-- The same with what is kept longer of each workflow, or NULL.
CREATE OR REPLACE FUNCTION app.policies_v3()
RETURNS TABLE (
  tenant_id uuid, hot_ttl_days integer, cold_ttl_days integer, confidence_threshold double precision,
  rate_limit_per_minute integer, time_zone text, keep jsonb
)
LANGUAGE sql
STABLE
AS $$
  SELECT p.*, k.keep FROM app.policies_v2() AS p LEFT JOIN app.keep_policies AS k ON k.tenant_id = p.tenant_id
$$;

CREATE OR REPLACE FUNCTION app.change_policies_v3(changes jsonb, if_match text[])
RETURNS TABLE (
  tenant_id uuid, hot_ttl_days integer, cold_ttl_days integer, confidence_threshold double precision,
  rate_limit_per_minute integer, time_zone text, keep jsonb
)
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM FROM app.tenants AS t WHERE t.id = app.tenant() FOR UPDATE;
  PERFORM app.require_match(app.etag(p), if_match) FROM app.policies_v3() AS p;
  PERFORM app.change_policies_v2(changes - 'keep', NULL);
  IF changes -> 'keep' = 'null' THEN
    DELETE FROM app.keep_policies AS k WHERE k.tenant_id = app.tenant();
  ELSIF changes ? 'keep' THEN
    INSERT INTO app.keep_policies AS k (keep) VALUES ('{"last_per_workflow": 0}' || (changes -> 'keep'))
    ON CONFLICT ON CONSTRAINT keep_policies_pkey DO UPDATE SET keep = excluded.keep;
  END IF;
  RETURN QUERY SELECT * FROM app.policies_v3();
END
$$;

CREATE OR REPLACE FUNCTION app.tenant_state(tenant app.tenants)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE WHEN (tenant).deleted_at IS NULL THEN (tenant).status ELSE 'deleted' END;

-- Takes a tenant from one state to another, or raises FL404, FL409, FL422. Returns its state after it. To delete for
-- ever is to ask for its erasure, from which there is no way back.
CREATE OR REPLACE FUNCTION app.change_tenant_state(named text, wanted text, reason text, confirmation text DEFAULT NULL)
RETURNS TABLE (tenant_id uuid, action text, status text, created_at timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
  tenant app.tenants;
  state text;
BEGIN
  SELECT * INTO tenant FROM app.tenants AS t WHERE t.slug = lower(named) OR t.id = app.id_in(named) FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'tenant_not_found', message = 'There is no such tenant.';
  END IF;
  state := CASE
    WHEN EXISTS (SELECT FROM app.erasures AS e WHERE e.tenant_id = tenant.id AND e.user_id IS NULL) THEN 'being erased'
    ELSE app.tenant_state(tenant)
  END;
  IF NOT (CASE wanted
    WHEN 'suspend' THEN state IN ('active', 'inactive')
    WHEN 'reactivate' THEN state IN ('suspended', 'inactive')
    WHEN 'soft_delete' THEN state NOT IN ('deleted', 'being erased')
    ELSE state = 'deleted'  -- restore (the stored word for undelete), hard_delete
  END) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'wrong_state',
      message = format('The tenant is %s, so this cannot be done: %s.', state, wanted);
  END IF;
  IF wanted = 'hard_delete' AND confirmation IS DISTINCT FROM tenant.slug THEN
    RAISE EXCEPTION USING errcode = 'FL422', constraint = 'not_confirmed',
      message = 'body.confirm: type the slug of the tenant, exactly, to delete it for ever.';
  END IF;
  IF wanted = 'hard_delete' AND app.has_holds(tenant.id) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'legal_hold',
      message = 'Something of the tenant is under a legal hold. Release its holds first.';
  END IF;
  INSERT INTO app.tenant_actions AS a (tenant_id, slug, action, reason) VALUES (tenant.id, tenant.slug, wanted, reason);
  IF wanted = 'hard_delete' THEN
    INSERT INTO app.erasures AS e (tenant_id) VALUES (tenant.id);
  ELSE
    UPDATE app.tenants AS t SET
      status = CASE wanted WHEN 'suspend' THEN 'suspended' WHEN 'reactivate' THEN 'active' ELSE t.status END,
      deleted_at = CASE wanted WHEN 'soft_delete' THEN now() WHEN 'restore' THEN NULL ELSE t.deleted_at END,
      updated_at = now()
    WHERE t.id = tenant.id
    RETURNING t.* INTO tenant;
  END IF;
  RETURN QUERY
  SELECT tenant.id, wanted, CASE wanted WHEN 'hard_delete' THEN 'being erased' ELSE app.tenant_state(tenant) END, now();
END
$$;

-- A tenant and its owner at once. An owner who is known by e-mail alone accepts on the first visit.
CREATE OR REPLACE FUNCTION app.provision_tenant(slug text, name text, n8n_url text, owner_email text, owner_id text)
RETURNS TABLE (tenant_id uuid, tenant_slug text, owner_user_id text, membership_id uuid)
LANGUAGE plpgsql
AS $$
DECLARE
  tenant uuid := app.uuid7();
BEGIN
  INSERT INTO app.tenants (id, slug, name, n8n_url)
  VALUES (tenant, provision_tenant.slug, provision_tenant.name, provision_tenant.n8n_url);
  INSERT INTO app.tenant_actions (tenant_id, slug, action) VALUES (tenant, provision_tenant.slug, 'provision');
  RETURN QUERY
  INSERT INTO app.tenant_memberships AS m (tenant_id, user_id, role, status)
  VALUES (
    tenant, coalesce(owner_id, app.invited(owner_email)), 'owner',
    CASE WHEN owner_id IS NULL THEN 'pending' ELSE 'active' END
  )
  RETURNING tenant, provision_tenant.slug, m.user_id, m.id;
END
$$;
