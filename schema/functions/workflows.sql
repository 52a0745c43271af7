-- Workflows.

-- Deletes a workflow with its executions and chats, unless they are too many for one request: to delete 50,000
-- executions takes a second of CPU, and as much of the history of what they were. No more than one beyond is counted.
CREATE OR REPLACE FUNCTION app.delete_workflow(workflow uuid, if_match text[])
RETURNS SETOF app.workflows
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan  -- over all partitions, made once
AS $$
DECLARE
  too_many CONSTANT integer := 50001;
BEGIN
  PERFORM FROM app.workflows AS w
  WHERE w.tenant_id = app.tenant() AND w.id = workflow AND app.require_match(app.etag(w), if_match) FOR UPDATE;
  IF FOUND AND too_many <= (
    SELECT count(*) FROM (
      (
        SELECT FROM app.workflow_executions AS e
        WHERE e.tenant_id = app.tenant() AND e.workflow_id = workflow LIMIT too_many
      )
      UNION ALL
      (
        SELECT FROM app.webchat_sessions AS s
        WHERE s.tenant_id = app.tenant() AND s.workflow_id = workflow LIMIT too_many
      )
    ) AS of_workflow
  ) THEN
    PERFORM app.require_not_held(app.tenant(), workflow);
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'workflow_too_large',
      message = 'The workflow has more than 50000 executions and chats that are not archived: delete some of them '
        'first, or wait until they are archived.';
  END IF;
  RETURN QUERY DELETE FROM app.workflows AS w WHERE w.tenant_id = app.tenant() AND w.id = workflow RETURNING w.*;
END
$$;
