-- Creates and releases legal holds, and says what is under one.

-- The active holds that cover a row: on its whole tenant, on its workflow (with its executions and sessions), or on the
-- execution itself. Looked up by what is held, so that a thousand other holds of the tenant cost nothing: by the
-- expression of legal_holds_held, which under row-level security must be leakproof (COALESCE is not). The planner
-- inlines it.
CREATE OR REPLACE FUNCTION app.holds_on(tenant uuid, workflow uuid DEFAULT NULL, execution uuid DEFAULT NULL)
RETURNS SETOF app.legal_holds
LANGUAGE sql
STABLE
PARALLEL SAFE
AS $$
  SELECT * FROM app.legal_holds AS h
  WHERE h.tenant_id = tenant AND h.released_at IS NULL
    AND CASE h.scope WHEN 'tenant' THEN h.tenant_id WHEN 'workflow' THEN h.workflow_id ELSE h.execution_id END
      = ANY (ARRAY[tenant, workflow, execution])
$$;

-- Whether a row is under a hold: of its tenant, of its workflow, or of itself.
CREATE OR REPLACE FUNCTION app.is_held(tenant uuid, workflow uuid DEFAULT NULL, execution uuid DEFAULT NULL)
RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
AS $$ SELECT EXISTS (SELECT FROM app.holds_on(tenant, workflow, execution)) $$;

-- A tenant is under a hold when anything of it is.
CREATE OR REPLACE FUNCTION app.has_holds(tenant uuid)
RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
AS $$ SELECT EXISTS (SELECT FROM app.legal_holds AS h WHERE h.tenant_id = tenant AND h.released_at IS NULL) $$;

-- The lock that creating a hold and deleting share in a tenant, so that nothing is deleted after its hold is created.
CREATE OR REPLACE FUNCTION app.lock_of_holds(tenant uuid)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN hashtextextended('app.legal_holds ' || tenant, 0);

-- Returns true or raises FL409. `wholly`: any hold in the tenant counts, whatever its scope.
CREATE OR REPLACE FUNCTION app.require_not_held(
  tenant uuid, workflow uuid DEFAULT NULL, execution uuid DEFAULT NULL, wholly boolean DEFAULT false
)
RETURNS boolean
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(app.lock_of_holds(tenant));
  IF app.is_held(tenant, workflow, execution) OR wholly AND app.has_holds(tenant) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'legal_hold',
      message = 'This is under a legal hold and stays. GET /routes/legal-holds tells which; release it first.';
  END IF;
  RETURN true;
END
$$;

-- Merged deliveries as they are; those that would replace something of an execution under a legal hold have the outcome
-- held.
CREATE OR REPLACE FUNCTION app.without_held(results app.merged_delivery[])
RETURNS app.merged_delivery[]
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
  kept uuid[] := ARRAY(
    SELECT e.id
    FROM unnest(results) AS r
    JOIN app.workflow_executions AS e
      ON e.retention_class = (r.execution).retention_class AND e.id = (r.execution).id
    WHERE r.outcome = 'updated' AND r.known AND (r.execution).tenant_id IS NOT NULL
      AND app.is_held(e.tenant_id, e.workflow_id, e.id)
      AND NOT app.only_adds_to(  -- where an execution has no data, what is stored stays
        app.execution_row(
          e.retention_class, e.id, e.tenant_id, e.workflow_id, e.n8n_execution_id, e.status, e.started_at,
          e.finished_at, CASE WHEN (r.execution).execution_data IS NOT NULL THEN e.execution_data END,
          e.error_message, e.created_at, e.mode
        ),
        r.execution
      )
  );
BEGIN
  RETURN ARRAY(
    SELECT CASE
      WHEN r.outcome = 'updated' AND (r.execution).id = ANY (kept)
      THEN ROW(r.ordinal, r.n8n_execution_id, 'held', 'legal_hold', r.known, r.execution, NULL)::app.merged_delivery
      ELSE r::app.merged_delivery
    END
    FROM unnest(results) AS r ORDER BY r.ordinal
  );
END
$$;

-- Creates a hold in the current tenant, or raises FL404 if it has no such row, or FL409 if it has 1000, since whatever
-- is deleted or archived is compared with each. Waits for deletions under way.
CREATE OR REPLACE FUNCTION app.create_hold(scope text, workflow uuid, execution uuid, reason text)
RETURNS SETOF app.legal_holds
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan  -- only a plan for this very id leaves partitions out
AS $$
BEGIN
  -- first, as the deletion of a tenant takes its locks
  PERFORM FROM app.tenants AS t WHERE t.id = app.tenant() FOR KEY SHARE;
  PERFORM pg_advisory_xact_lock(app.lock_of_holds(app.tenant()));
  IF (SELECT count(*) FROM app.legal_holds AS h WHERE h.tenant_id = app.tenant() AND h.released_at IS NULL) >= 1000 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'too_many_open',
      message = 'The tenant has 1000 active legal holds: release one, or hold a workflow or the tenant as a whole.';
  ELSIF workflow IS NOT NULL AND NOT EXISTS (SELECT FROM app.workflows AS w WHERE w.id = workflow) THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found',
      message = 'body.workflow_id: there is no such workflow.';
  ELSIF execution IS NOT NULL
    AND NOT EXISTS (SELECT FROM app.workflow_executions AS e WHERE e.id = execution)
    AND NOT EXISTS (
      SELECT FROM app.archive_files AS f
      WHERE f.source = 'workflow_executions' AND f.state = 'stored' AND execution BETWEEN f.first_id AND f.last_id
    ) THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found',
      message = 'body.execution_id: there is no such execution, neither hot nor archived.';
  END IF;
  RETURN QUERY
  INSERT INTO app.legal_holds (scope, workflow_id, execution_id, reason)
  VALUES (create_hold.scope, workflow, execution, create_hold.reason) RETURNING *;
END
$$;

-- Releases an active hold, or raises FL409. It stays as a record of who created and who released it, and why.
CREATE OR REPLACE FUNCTION app.release_hold(hold uuid, reason text)
RETURNS SETOF app.legal_holds
LANGUAGE plpgsql
AS $$
BEGIN
  RETURN QUERY
  UPDATE app.legal_holds AS h
  SET released_by = current_setting('app.actor'), released_at = now(), release_reason = release_hold.reason
  WHERE h.id = hold AND h.released_at IS NULL RETURNING h.*;
  IF NOT FOUND AND EXISTS (SELECT FROM app.legal_holds AS h WHERE h.id = hold) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'hold_is_released', message = 'The hold has been released.';
  END IF;
END
$$;
