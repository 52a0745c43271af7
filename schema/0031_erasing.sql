-- How erasures are asked for and carried out.

-- A tenant is erased once, and a person not twice at a time.
CREATE UNIQUE INDEX erasures_of_tenant ON app.erasures (tenant_id) WHERE user_id IS NULL;
CREATE UNIQUE INDEX erasures_of_person ON app.erasures (tenant_id, user_id) WHERE state <> 'done';

GRANT UPDATE (updated_at) ON app.tenants TO flo_job;  -- to lock a tenant: what is decided of it holds until the end

-- Asks for the erasure of one person's data in the entered tenant, or raises FL409.
CREATE FUNCTION app.ask_for_erasure(person text)
RETURNS SETOF app.erasures
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM app.require_not_held(app.tenant(), wholly => true);
  IF ARRAY[person] = ARRAY(
    SELECT m.user_id FROM app.tenant_memberships AS m WHERE m.role = 'owner' AND m.status = 'active'
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'last_owner',
      message = 'This is the last owner of the tenant: make somebody else an owner first.';
  END IF;
  RETURN QUERY INSERT INTO app.erasures (user_id) VALUES (person) RETURNING *;
END
$$;

-- Asks for the erasure of tenants that were deleted before a moment. What is held is not asked for. How many.
CREATE FUNCTION app.ask_for_erasures(deleted_before timestamptz, most integer)
RETURNS bigint
LANGUAGE sql
AS $$
  WITH due AS (
    SELECT t.id FROM app.tenants AS t
    WHERE t.deleted_at < deleted_before AND NOT app.has_holds(t.id)
      AND NOT EXISTS (SELECT FROM app.erasures AS e WHERE e.tenant_id = t.id AND e.user_id IS NULL)
    ORDER BY t.deleted_at LIMIT most
    FOR NO KEY UPDATE SKIP LOCKED  -- who restores it now keeps it
  ),
  asked AS (
    INSERT INTO app.erasures (tenant_id, requested_by) SELECT due.id, 'job:expire' FROM due
    ON CONFLICT DO NOTHING RETURNING 1
  )
  SELECT count(*) FROM asked
$$;

-- The next executions of a tenant that is erased. How many.
CREATE FUNCTION app.erase_executions(tenant uuid, most integer)
RETURNS bigint
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan  -- only a plan for these very rows leaves leaves out
AS $$
DECLARE
  class smallint := (SELECT e.ttl_class FROM app.workflow_executions AS e WHERE e.tenant_id = tenant LIMIT 1);
  ids uuid[] := ARRAY(
    SELECT e.id FROM app.workflow_executions AS e
    WHERE e.tenant_id = tenant AND e.ttl_class = class ORDER BY e.id LIMIT most
  );
  erased bigint;
BEGIN
  DELETE FROM app.workflow_executions AS e
  WHERE e.tenant_id = tenant AND e.ttl_class = class
    AND e.id = ANY (ids) AND e.id BETWEEN ids[1] AND ids[cardinality(ids)];
  GET DIAGNOSTICS erased = ROW_COUNT;
  RETURN erased;
END
$$;

-- A tenant that is deleted or erased needs no owner.
CREATE OR REPLACE FUNCTION app.keep_an_owner()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM FROM app.tenants WHERE id = old.tenant_id FOR NO KEY UPDATE;
  IF FOUND AND NOT EXISTS (
    SELECT FROM app.tenant_memberships AS m
    WHERE m.tenant_id = old.tenant_id AND m.role = 'owner' AND m.status = 'active'
  ) AND NOT EXISTS (
    SELECT FROM app.erasures AS e WHERE e.tenant_id = old.tenant_id AND e.user_id IS NULL
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'last_owner',
      message = 'This is the last owner of the tenant: make somebody else an owner first.';
  END IF;
  RETURN NULL;
END
$$;
