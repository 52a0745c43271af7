-- Late deliveries of what is archived.

-- Tells the entered tenant's hot execution once more what its archived version says. What then says no more than that version
-- is a copy, and goes. Returns what became of the hot row: updated, unchanged, rejected or gone.
CREATE OR REPLACE FUNCTION app.merge_late(archived jsonb)
RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
  told app.workflow_executions := jsonb_populate_record(NULL::app.workflow_executions, archived);
  result text;
BEGIN
  SELECT r.outcome INTO result FROM app.record_executions(jsonb_build_array(archived)) AS r;
  PERFORM set_config('app.moving', 'on', true);  -- the archived version stays, held or not
  DELETE FROM app.workflow_executions AS e
  WHERE e.retention_class = 0 AND e.tenant_id = app.tenant() AND e.id = told.id AND e.workflow_id = told.workflow_id
    AND e.status = told.status AND e.started_at = told.started_at
    AND (e.finished_at, e.execution_data, e.error_message)
      IS NOT DISTINCT FROM (told.finished_at, told.execution_data, told.error_message);
  RETURN CASE WHEN FOUND THEN 'gone' ELSE result END;
END
$$;
