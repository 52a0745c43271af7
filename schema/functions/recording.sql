-- Records executions.

-- Merges deliveries and writes the executions. One that starts before the partitions of its retention class goes to the
-- overflow partition, and so does one that may be archived already: flomastr.archive.late_deliveries merges it. Who
-- records one gets it whole, as it is stored now.
CREATE OR REPLACE FUNCTION app.record_executions(deliveries jsonb, instance smallint DEFAULT 0)
RETURNS SETOF app.merged_delivery
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  n8n_ids text[] := ARRAY(
    SELECT DISTINCT d ->> 'n8n_execution_id' FROM jsonb_array_elements(deliveries) AS d
    WHERE d ->> 'n8n_execution_id' <> ''
  );
  archived uuid := (
    SELECT f.last_id FROM app.archive_files AS f
    WHERE f.tenant_id = app.tenant() AND f.source = 'workflow_executions' AND f.state = 'stored'
    ORDER BY f.last_id DESC LIMIT 1
  );
  results app.merged_delivery[];
  changed app.workflow_executions[];
  classes smallint[];
BEGIN
  -- two transactions that record one execution wait for each other, else both would find nothing
  PERFORM app.lock_n8n_ids(n8n_ids);

  results := ARRAY(SELECT m FROM app.merge_deliveries(deliveries, n8n_ids, instance) AS m);
  IF deliveries @? '$[*] ? (@.by_error_workflow == true)' THEN
    PERFORM app.note_reported_failures(deliveries, results);
  END IF;

  INSERT INTO app.workflow_executions (
    retention_class, id, workflow_id, n8n_execution_id, status, started_at, finished_at, execution_data, error_message
  )
  SELECT
    CASE WHEN (r.execution).id <= archived THEN 0
    ELSE app.retention_class_for((r.execution).id, (r.execution).retention_class) END,
    (r.execution).id, (r.execution).workflow_id, (r.execution).n8n_execution_id, (r.execution).status,
    (r.execution).started_at, (r.execution).finished_at, (r.execution).execution_data, (r.execution).error_message
  FROM unnest(results) AS r
  WHERE r.outcome = 'created';
  IF EXISTS (SELECT FROM unnest(results) AS r WHERE r.reset IS NOT NULL) THEN
    PERFORM app.note_resets(results);
  END IF;
  IF deliveries @? '$[*].execution_data.flomastr_object' THEN
    PERFORM app.refer_to_object((r.execution).id, (r.execution).execution_data)
    FROM unnest(results) AS r
    WHERE (r.execution).execution_data ? 'flomastr_object';
  END IF;

  -- checked first, since an UPDATE that finds nothing still locks every partition; it opens those in its bounds alone
  IF EXISTS (SELECT FROM unnest(results) AS r WHERE r.outcome = 'updated' AND r.known) THEN
    PERFORM pg_advisory_xact_lock_shared(app.lock_of_holds(app.tenant()));
    IF app.has_holds(app.tenant()) AND current_setting('app.moving', true) IS DISTINCT FROM 'on' THEN
      results := app.without_held(results);
    END IF;
    changed := ARRAY(
      SELECT r.execution FROM unnest(results) AS r
      WHERE r.outcome = 'updated' AND r.known AND (r.execution).tenant_id IS NOT NULL
      ORDER BY (r.execution).id
    );
  END IF;
  IF cardinality(changed) > 0 THEN
    classes := ARRAY(SELECT DISTINCT c.retention_class FROM unnest(changed) AS c);
    PERFORM set_config('app.merging', 'on', true);
    UPDATE app.workflow_executions AS e
    SET status = c.status, started_at = c.started_at, finished_at = c.finished_at, error_message = c.error_message,
      execution_data = coalesce(c.execution_data, e.execution_data)
    FROM unnest(changed) AS c
    WHERE e.retention_class = ANY (classes) AND e.id BETWEEN (changed[1]).id AND (changed[cardinality(changed)]).id
      AND e.retention_class = c.retention_class AND e.id = c.id;
    PERFORM set_config('app.merging', 'off', true);
  END IF;

  IF EXISTS (
    SELECT FROM app.reported_failures AS f
    WHERE f.tenant_id = app.tenant() AND f.execution_id IN (SELECT (r.execution).id FROM unnest(results) AS r)
  ) THEN
    PERFORM app.forget_reported_failures(deliveries, results, archived);
  END IF;

  IF cardinality(results) = 1 AND results[1].known THEN
    results[1].execution := (
      SELECT e FROM app.workflow_executions AS e
      WHERE e.retention_class = (results[1].execution).retention_class AND e.id = (results[1].execution).id
    );
  END IF;
  RETURN QUERY SELECT * FROM unnest(results);
END
$$;
