-- Tells who changed what, from the history of rows.

-- What the columns of a change held after it: what the next change of them has found, else what is stored now. NULL
-- where the row is gone.
CREATE OR REPLACE FUNCTION app.values_after(h app.row_history)
RETURNS jsonb
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
  later jsonb;
  stored jsonb;
  narrowed text := CASE h.table_name
    WHEN 'workflow_executions' THEN 'AND t.retention_class = ANY (app.classes_of_tenant())' ELSE ''
  END;
BEGIN
  IF h.action = 'delete' OR h.row_id IS NULL THEN
    RETURN NULL;
  END IF;
  SELECT app.laid_over(n.old ORDER BY n.seq DESC) INTO later FROM app.row_history AS n
  WHERE n.tenant_id = h.tenant_id AND n.row_id = h.row_id AND n.seq > h.seq AND n.old IS NOT NULL;
  EXECUTE format('SELECT to_jsonb(t) FROM app.%I AS t WHERE t.tenant_id = $1 AND t.id = $2 %s', h.table_name, narrowed)
  INTO stored USING h.tenant_id, h.row_id;
  stored := stored || later;
  RETURN CASE WHEN h.old IS NULL THEN stored
  ELSE (SELECT jsonb_object_agg(o.key, coalesce(stored, later) -> o.key) FROM jsonb_each(h.old) AS o) END;
END
$$;
