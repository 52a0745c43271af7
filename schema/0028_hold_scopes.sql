-- Who places and releases holds, and how. Beside it stand the scopes of the cold tier and of erasures.

-- The least role that a scope needs in a tenant. None of the new ones is for keys (app.key_scopes).
CREATE OR REPLACE FUNCTION app.needed_role(scope text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE
  WHEN scope IN ('tenant:write', 'members:write', 'keys:read', 'keys:write') THEN 'admin'
  WHEN scope IN ('holds:read', 'holds:write', 'archive:read', 'archive:write') THEN 'admin'
  WHEN scope IN ('tenant:delete', 'erasures:read', 'erasures:write') THEN 'owner'
  ELSE 'member'
END;

-- What a stored file has of a held workflow is not known here, so any hold of its tenant keeps it. To replace it by
-- another file is no deletion.
CREATE TRIGGER keep_held BEFORE DELETE ON app.archive_files
FOR EACH ROW WHEN (OLD.state = 'stored') EXECUTE FUNCTION app.keep_held('wholly_of_tenant');

-- Places a hold in the entered tenant, on what it has, or raises FL404. What is being deleted is waited for.
CREATE FUNCTION app.place_hold(scope text, workflow uuid, execution uuid, reason text)
RETURNS SETOF app.legal_holds
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan  -- only a plan for this very id leaves leaves out
AS $$
BEGIN
  PERFORM FROM app.tenants AS t WHERE t.id = app.tenant() FOR KEY SHARE;  -- then the turn, as who deletes the tenant
  PERFORM pg_advisory_xact_lock(app.turn_of_holds(app.tenant()));
  IF workflow IS NOT NULL AND NOT EXISTS (SELECT FROM app.workflows AS w WHERE w.id = workflow) THEN
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
  VALUES (place_hold.scope, workflow, execution, place_hold.reason) RETURNING *;
END
$$;

-- Ends a hold once. It stays as a record of who placed and who released it, and why.
CREATE FUNCTION app.release_hold(hold uuid, reason text)
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
