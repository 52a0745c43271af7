-- Requests erasures, and deletes executions for them.

-- Who asks for something of which a tenant may have so many waits for others of the tenant who do, and then counts.
CREATE OR REPLACE FUNCTION app.wait_for_turn(wanted text)
RETURNS void
LANGUAGE sql
AS $$ SELECT pg_advisory_xact_lock(hashtextextended(wanted || app.tenant(), 0)) $$;

-- Whether the current tenant has a row of this person, or archived chats or history, whose persons only files name.
-- Invitations and preferences go with a membership.
CREATE OR REPLACE FUNCTION app.may_have_data_of(person text)
RETURNS boolean
LANGUAGE sql
STABLE
RETURN EXISTS (SELECT FROM app.tenant_memberships AS m WHERE m.tenant_id = app.tenant() AND m.user_id = person)
  OR EXISTS (SELECT FROM app.webchat_sessions AS s WHERE s.tenant_id = app.tenant() AND s.user_id = person)
  OR EXISTS (SELECT FROM app.idempotency_keys AS k WHERE k.tenant_id = app.tenant() AND k.actor = 'user:' || person)
  OR EXISTS (SELECT FROM app.archive_files AS f WHERE f.tenant_id = app.tenant() AND f.source <> 'workflow_executions');

-- Requests the erasure of one person's data in the current tenant, or raises FL409, or FL404 for an unknown person.
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
  IF NOT app.may_have_data_of(person) THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found',
      message = 'body.user_id: the tenant has no data of such a person.';
  END IF;
  PERFORM app.wait_for_turn('erasures');
  IF (SELECT count(*) FROM app.erasures AS e WHERE e.tenant_id = app.tenant() AND e.state <> 'done') >= 20 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'too_many_open',
      message = 'The tenant has 20 open erasures: wait until one is done.';
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
