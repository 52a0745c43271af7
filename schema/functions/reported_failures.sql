-- Failures that an error workflow alone has told of: what n8n says of the end takes their place.

-- The order of states, in which what an error workflow says is the weakest of what is final.
CREATE OR REPLACE FUNCTION app.delivery_rank(status text, by_error_workflow boolean)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE WHEN by_error_workflow AND status = 'error' THEN 2 * app.execution_rank('unknown') + 1
ELSE 2 * app.execution_rank(status) END;

-- Whether an execution's error is such a failure.
CREATE OR REPLACE FUNCTION app.is_reported_failure(execution uuid)
RETURNS boolean
LANGUAGE sql
STABLE
RETURN EXISTS (
  SELECT FROM app.reported_failures AS r WHERE r.tenant_id = app.tenant() AND r.execution_id = execution
);

-- Of what an error workflow tells: the executions that have not ended otherwise.
CREATE OR REPLACE FUNCTION app.note_reported_failures(deliveries jsonb, results app.merged_delivery[])
RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  told uuid[] := ARRAY(
    SELECT DISTINCT (r.execution).id
    FROM jsonb_array_elements(deliveries) WITH ORDINALITY AS d (item, ordinal), unnest(results) AS r
    WHERE r.ordinal = d.ordinal AND d.item ->> 'by_error_workflow' = 'true' AND (r.execution).id IS NOT NULL
    ORDER BY 1
  );
BEGIN
  INSERT INTO app.reported_failures AS r (execution_id)
  SELECT t.id FROM unnest(told) AS t (id)
  WHERE t.id NOT IN (
    SELECT e.id FROM app.workflow_executions AS e
    WHERE e.tenant_id = app.tenant() AND e.id = ANY (told) AND e.id BETWEEN told[1] AND told[cardinality(told)]
      AND app.is_final(e.status)
  )
  ORDER BY t.id
  ON CONFLICT DO NOTHING;
END
$$;

-- Of what is told of an end otherwise. A new row may have an archived version, of which this still has to say so.
CREATE OR REPLACE FUNCTION app.forget_reported_failures(
  deliveries jsonb, results app.merged_delivery[], last_archived uuid
)
RETURNS void
LANGUAGE sql
AS $$
  DELETE FROM app.reported_failures AS f
  USING jsonb_array_elements(deliveries) WITH ORDINALITY AS d (item, ordinal), unnest(results) AS r
  WHERE f.tenant_id = app.tenant() AND f.execution_id = (r.execution).id AND r.ordinal = d.ordinal
    AND r.outcome IN ('created', 'updated', 'unchanged')
    AND (r.known OR last_archived IS NULL OR (r.execution).id > last_archived)
    AND app.is_final(d.item ->> 'status') AND d.item ->> 'by_error_workflow' IS DISTINCT FROM 'true';
$$;
