-- Events as n8n posts them: unknown workflows are created, then the executions are recorded.

-- Creates the workflows that are missing, but for those that n8n has archived. One without a name gets its n8n id as
-- name until an event has one. One statement in one order, so that concurrent batches cannot deadlock; known workflows
-- are neither changed nor locked.
CREATE OR REPLACE FUNCTION app.create_missing_workflows(events jsonb, instance smallint DEFAULT 0)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  INSERT INTO app.workflows AS w (n8n_instance, n8n_workflow_id, name)
  SELECT instance, e.n8n_workflow_id, coalesce(
    (array_agg(e.workflow_name ORDER BY e.workflow_name IS NULL, e.started_at DESC NULLS FIRST, e.workflow_name))[1],
    e.n8n_workflow_id
  )
  FROM jsonb_to_recordset(events) AS e (
    n8n_workflow_id text, workflow_name text, workflow_archived boolean, started_at timestamptz
  )
  LEFT JOIN app.workflows AS known ON known.n8n_workflow_id = e.n8n_workflow_id AND known.n8n_instance = instance
  WHERE e.n8n_workflow_id IS NOT NULL AND (
    known.id IS NULL
    OR known.name = known.n8n_workflow_id AND e.workflow_name <> known.name
  )
  GROUP BY e.n8n_workflow_id
  HAVING bool_or(known.id IS NOT NULL OR e.workflow_archived IS NOT TRUE)
  ORDER BY e.n8n_workflow_id COLLATE "C"
  ON CONFLICT ON CONSTRAINT workflows_n8n_workflow_id_key DO UPDATE
  SET name = excluded.name, updated_at = now()
  WHERE w.name = w.n8n_workflow_id AND excluded.name <> w.name;
END
$$;

-- Records deliveries of executions, in the instance of the API key, when the workflows that they name are there.
CREATE OR REPLACE FUNCTION app.record_deliveries(deliveries jsonb)
RETURNS SETOF app.merged_delivery
LANGUAGE plpgsql
AS $$
DECLARE
  instance text := app.delivering_instance(NULL);
  number smallint := CASE WHEN instance = 'default' THEN 0 ELSE app.n8n_instance(instance) END;
BEGIN
  IF deliveries @? '$[*].workflow_name ? (@ != null)' THEN
    PERFORM app.create_missing_workflows(jsonb_path_query_array(
      deliveries, '$[*] ? (@.workflow_name != null && @.workflow_id == null)'
    ), number);
  END IF;
  RETURN QUERY SELECT * FROM app.record_executions(deliveries, number);
END
$$;

-- The same, as the code before calls it.
CREATE OR REPLACE FUNCTION app.with_workflows(deliveries jsonb)
RETURNS jsonb
LANGUAGE plpgsql
AS $$
BEGIN
  IF deliveries @? '$[*].workflow_name ? (@ != null)' THEN
    PERFORM app.create_missing_workflows(jsonb_path_query_array(
      deliveries, '$[*] ? (@.workflow_name != null && @.workflow_id == null)'
    ));
  END IF;
  RETURN deliveries;
END
$$;

-- Records events of an instance, or of that of the API key: deliveries as app.record_executions takes them, with
-- workflow_name. One that has an outcome already (ignored, followed, or rejected with an error) keeps it. Returns a row
-- for each, in order; `restarted`: another run of the instance has the n8n id, so that n8n's database began anew
-- between them.
CREATE OR REPLACE FUNCTION app.record_events(events jsonb, instance text DEFAULT NULL)
RETURNS SETOF app.recorded_event
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  of_instance text := app.delivering_instance(instance);
  number smallint := app.n8n_instance(of_instance);
  results app.recorded_event[];
BEGIN
  PERFORM app.create_missing_workflows(events, number);
  PERFORM app.follow_workflows(events, number);
  results := ARRAY(
  WITH reported AS (
    SELECT e.*, count(*) FILTER (WHERE e.outcome IS NULL) OVER (ORDER BY e.ordinal) AS delivery_ordinal
    FROM ROWS FROM (
      jsonb_to_recordset(events) AS (n8n_execution_id text, n8n_workflow_id text, outcome text, error text)
    ) WITH ORDINALITY AS e (n8n_execution_id, n8n_workflow_id, outcome, error, ordinal)
  )
  SELECT ROW(
    t.n8n_execution_id, t.n8n_workflow_id, (r.execution).id,
    coalesce(t.outcome, r.outcome), coalesce(t.error, app.why_rejected(r.rejection)), r.reset IS NOT NULL
  )::app.recorded_event
  FROM reported AS t
  LEFT JOIN app.record_executions(jsonb_path_query_array(events, '$[*] ? (!exists(@.outcome))'), number) AS r
    ON r.ordinal = t.delivery_ordinal AND t.outcome IS NULL
  ORDER BY t.ordinal
  );
  IF EXISTS (SELECT FROM unnest(results) AS r WHERE r.outcome = 'rejected') THEN
    PERFORM app.keep_rejected(events, results, of_instance);
  END IF;
  RETURN QUERY SELECT * FROM unnest(results);
END
$$;

-- The same, or nothing: refuses all events if one is rejected.
CREATE OR REPLACE FUNCTION app.record_all_events(events jsonb, instance text DEFAULT NULL)
RETURNS SETOF app.recorded_event
LANGUAGE plpgsql
AS $$
DECLARE
  index integer := 0;
  recorded app.recorded_event;
BEGIN
  FOR recorded IN SELECT * FROM app.record_events(events, instance) LOOP
    IF recorded.outcome = 'rejected' THEN
      RAISE EXCEPTION USING
        errcode = 'FL422', constraint = 'items_rejected', message = format('body.%s: %s', index, recorded.error);
    END IF;
    index := index + 1;
    RETURN NEXT recorded;
  END LOOP;
END
$$;
