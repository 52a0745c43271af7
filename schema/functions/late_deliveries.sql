-- Late deliveries of what is archived.

-- Records the archived version of an execution as one more delivery to its hot row. A hot row that then equals the
-- archived version is deleted; of any other the archived version no longer counts. Returns the outcome for the hot row:
-- updated, unchanged, rejected or gone; held when a legal hold keeps both versions as they are.
CREATE OR REPLACE FUNCTION app.merge_late(archived jsonb)
RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
  version app.workflow_executions := jsonb_populate_record(NULL::app.workflow_executions, archived);
  result text;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(app.lock_of_holds(app.tenant()));
  IF app.is_held(app.tenant(), version.workflow_id, version.id) THEN
    PERFORM app.supersede(version);
    RETURN 'held';
  END IF;
  archived := archived || jsonb_build_object(
    'by_error_workflow', app.is_reported_failure(version.id)
  );
  PERFORM set_config('app.moving', 'on', true);  -- the archived version stays as it is
  SELECT r.outcome INTO result FROM app.record_executions(jsonb_build_array(archived)) AS r;
  DELETE FROM app.workflow_executions AS e
  WHERE e.retention_class = 0 AND e.tenant_id = app.tenant() AND e.id = version.id
    AND e.workflow_id = version.workflow_id
    AND e.status = version.status AND e.started_at = version.started_at
    AND (e.finished_at, e.execution_data, e.error_message)
      IS NOT DISTINCT FROM (version.finished_at, version.execution_data, version.error_message);
  IF FOUND THEN
    RETURN 'gone';
  END IF;
  PERFORM app.supersede(version);
  RETURN result;
END
$$;

-- Writes that the archived version of a hot execution does not count, which happens once.
CREATE OR REPLACE FUNCTION app.supersede(version app.workflow_executions)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  version.tenant_id := app.tenant();
  version.mode := app.execution_mode(version.execution_data);
  WITH superseded AS (
    INSERT INTO app.superseded_versions (tenant_id, id, delta)
    SELECT e.tenant_id, e.id, app.execution_delta(version, 1) FROM app.workflow_executions AS e
    WHERE e.retention_class = 0 AND e.tenant_id = version.tenant_id AND e.id = version.id
    ON CONFLICT DO NOTHING RETURNING id
  )
  INSERT INTO app.execution_deltas SELECT (app.execution_delta(version, -1)).* FROM superseded;
END
$$;
