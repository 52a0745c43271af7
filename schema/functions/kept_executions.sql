-- What must stay when a partition goes, and its way to the overflow partition.

-- The tenants that may have rows of a partition that must not go with it: unfinished, held, written to while it was
-- sealed, or of a tenant that keeps them longer, by a change of its class or by what it keeps of each workflow.
CREATE OR REPLACE FUNCTION app.tenants_to_keep(class integer, lower uuid, upper uuid)
RETURNS TABLE (tenant_id uuid)
LANGUAGE sql
STABLE
AS $$
  SELECT e.tenant_id FROM app.workflow_executions AS e
  WHERE e.retention_class = class AND e.id >= lower AND e.id < upper AND NOT app.is_final(e.status)
  UNION
  SELECT e.tenant_id FROM app.touched_executions AS t
  JOIN app.workflow_executions AS e ON e.id = t.id
  WHERE e.retention_class = class AND e.id >= lower AND e.id < upper
  UNION
  SELECT l.tenant_id
  FROM (
    SELECT h.tenant_id FROM app.legal_holds AS h WHERE h.released_at IS NULL
    UNION SELECT k.tenant_id FROM app.keep_policies AS k
    UNION SELECT c.tenant_id FROM app.retention_class_changes AS c WHERE c.retention_class = class
  ) AS l
  WHERE EXISTS (
    SELECT FROM app.workflow_executions AS e
    WHERE e.retention_class = class AND e.id >= lower AND e.id < upper AND e.tenant_id = l.tenant_id
  )
$$;

-- The first so many rows of a tenant that must not go with the partition.
CREATE OR REPLACE FUNCTION app.ids_to_keep(tenant uuid, class integer, lower uuid, upper uuid, most integer)
RETURNS uuid[]
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
  is_held boolean := app.has_holds(tenant);
  is_kept boolean := EXISTS (SELECT FROM app.keep_policies AS k WHERE k.tenant_id = tenant);
  is_longer boolean := app.is_kept_longer(tenant, class) AND EXISTS (
    SELECT FROM app.retention_class_changes AS c WHERE c.tenant_id = tenant AND c.retention_class = class
  );
BEGIN
  IF NOT (is_held OR is_kept OR is_longer) THEN
    RETURN ARRAY(
      SELECT e.id FROM app.workflow_executions AS e
      WHERE e.tenant_id = tenant AND e.retention_class = class AND e.id >= lower AND e.id < upper
        AND NOT app.is_final(e.status)
      UNION
      SELECT e.id FROM app.touched_executions AS t
      JOIN app.workflow_executions AS e ON e.id = t.id
      WHERE e.tenant_id = tenant AND e.retention_class = class AND e.id >= lower AND e.id < upper
      ORDER BY id LIMIT most
    );
  END IF;
  RETURN ARRAY(
    SELECT e.id FROM app.workflow_executions AS e
    JOIN app.hot_policies AS h ON h.tenant_id = e.tenant_id
    LEFT JOIN (
      SELECT f.workflow_id AS id, f.first_id
      FROM app.hot_policies AS p
      CROSS JOIN LATERAL app.first_ids(
        tenant,
        ARRAY(
          SELECT DISTINCT r.workflow_id FROM app.workflow_executions AS r
          WHERE r.tenant_id = tenant AND r.retention_class = ids_to_keep.class AND r.id >= lower AND r.id < upper
        ),
        p.newest
      ) AS f
      WHERE p.tenant_id = tenant AND p.newest > 0
      OFFSET 0
    ) AS n ON n.id = e.workflow_id
    WHERE e.tenant_id = tenant AND e.retention_class = ids_to_keep.class AND e.id >= lower AND e.id < upper
      AND (
        is_longer OR NOT app.is_final(e.status)
        OR is_held AND EXISTS (SELECT FROM app.holds_on(e.tenant_id, e.workflow_id, e.id))
        OR is_kept AND app.hot_days(h, e.status, e.id >= n.first_id) > ids_to_keep.class
        OR EXISTS (SELECT FROM app.touched_executions AS t WHERE t.id = e.id)
      )
    ORDER BY e.id LIMIT most
  );
END
$$;

-- Those of any tenant, as the code before asks for them.
CREATE OR REPLACE FUNCTION app.next_to_keep(
  class integer, lower uuid, upper uuid, most integer, OUT tenant_id uuid, OUT ids uuid[]
)
LANGUAGE sql
STABLE
AS $$
  SELECT t.tenant_id, k.ids
  FROM app.tenants_to_keep(class, lower, upper) AS t
  CROSS JOIN LATERAL app.ids_to_keep(t.tenant_id, class, lower, upper, most) AS k (ids)
  WHERE cardinality(k.ids) > 0 LIMIT 1
$$;

CREATE OR REPLACE FUNCTION app.move_to_overflow(tenant uuid, class smallint, ids uuid[])
RETURNS bigint
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
  moved bigint;
BEGIN
  PERFORM set_config('app.tenant_id', tenant::text, true), set_config('app.moving', 'on', true);
  PERFORM app.lock_executions(ids, class);
  WITH newest AS MATERIALIZED (
    SELECT f.workflow_id AS id, f.first_id
    FROM app.hot_policies AS h
    CROSS JOIN LATERAL app.first_ids(
      tenant,
      ARRAY(
        SELECT DISTINCT r.workflow_id FROM app.workflow_executions AS r
        WHERE r.retention_class = move_to_overflow.class AND r.id = ANY (ids)
          AND r.id BETWEEN ids[1] AND ids[cardinality(ids)]
      ),
      h.newest
    ) AS f
    WHERE h.tenant_id = tenant AND h.newest > 0
  )
  UPDATE app.workflow_executions AS e SET retention_class = 0
  WHERE e.retention_class = move_to_overflow.class AND e.id = ANY (ids)
    AND e.id BETWEEN ids[1] AND ids[cardinality(ids)]
    AND (NOT app.is_final(e.status) OR app.is_held(e.tenant_id, e.workflow_id, e.id)
      OR EXISTS (SELECT FROM app.touched_executions AS t WHERE t.id = e.id) OR app.is_kept_longer(tenant, class)
      OR EXISTS (
        SELECT FROM app.hot_policies AS h
        LEFT JOIN newest AS n ON n.id = e.workflow_id
        WHERE h.tenant_id = tenant AND app.hot_days(h, e.status, e.id >= n.first_id) > move_to_overflow.class
      ));
  GET DIAGNOSTICS moved = ROW_COUNT;
  RETURN moved;
END
$$;
