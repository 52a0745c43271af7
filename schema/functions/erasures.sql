-- Requests erasures, and deletes executions for them.

-- Requests the erasure of one person's data in the current tenant, or raises FL409.
CREATE OR REPLACE FUNCTION app.ask_for_erasure(person text)
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

-- Requests the erasure of tenants that were deleted before a moment and have no holds. Returns how many.
CREATE OR REPLACE FUNCTION app.ask_for_erasures(deleted_before timestamptz, most integer)
RETURNS bigint
LANGUAGE sql
AS $$
  WITH due AS (
    SELECT t.id FROM app.tenants AS t
    WHERE t.deleted_at < deleted_before AND NOT app.has_holds(t.id)
      AND NOT EXISTS (SELECT FROM app.erasures AS e WHERE e.tenant_id = t.id AND e.user_id IS NULL)
    ORDER BY t.deleted_at LIMIT most
    FOR NO KEY UPDATE SKIP LOCKED  -- a tenant that is being undeleted is skipped
  ),
  asked AS (
    INSERT INTO app.erasures (tenant_id, requested_by) SELECT due.id, 'job:expire' FROM due
    ON CONFLICT DO NOTHING RETURNING 1
  )
  SELECT count(*) FROM asked
$$;

-- Deletes the next executions of a tenant that is being erased. Returns how many.
CREATE OR REPLACE FUNCTION app.erase_executions(tenant uuid, most integer)
RETURNS bigint
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan  -- only a plan for these very rows leaves partitions out
AS $$
DECLARE
  class smallint := (SELECT e.retention_class FROM app.workflow_executions AS e WHERE e.tenant_id = tenant LIMIT 1);
  ids uuid[] := ARRAY(
    SELECT e.id FROM app.workflow_executions AS e
    WHERE e.tenant_id = tenant AND e.retention_class = class ORDER BY e.id LIMIT most
  );
  erased bigint;
BEGIN
  DELETE FROM app.workflow_executions AS e
  WHERE e.tenant_id = tenant AND e.retention_class = class
    AND e.id = ANY (ids) AND e.id BETWEEN ids[1] AND ids[cardinality(ids)];
  GET DIAGNOSTICS erased = ROW_COUNT;
  RETURN erased;
END
$$;
