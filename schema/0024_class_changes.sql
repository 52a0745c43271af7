-- A tenant whose hot_ttl_days change class takes its executions along. The change is noted at once, the rows follow.

CREATE TABLE app.class_changes (
  tenant_id uuid NOT NULL REFERENCES app.tenants ON DELETE CASCADE,
  ttl_class smallint NOT NULL,  -- that the tenant left; rows of it are still to move
  changed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, ttl_class)
);
CALL app.isolate('app.class_changes');
REVOKE UPDATE, DELETE ON app.class_changes FROM flo_app;
CALL app.open_to_jobs('app.class_changes', 'SELECT, DELETE');

CREATE FUNCTION app.note_class_change()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  INSERT INTO app.class_changes AS c (tenant_id, ttl_class) VALUES (OLD.id, app.ttl_class(OLD.hot_ttl_days))
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
CREATE TRIGGER note_class_change AFTER UPDATE OF hot_ttl_days ON app.tenants FOR EACH ROW
WHEN (app.ttl_class(OLD.hot_ttl_days) <> app.ttl_class(NEW.hot_ttl_days))
EXECUTE FUNCTION app.note_class_change();

-- Moves the next executions of a tenant out of a class that is not its own: to its class, or to the backlog when they
-- are past it. Deliveries of the same executions wait for their turn. Returns how many, and the last id.
CREATE FUNCTION app.move_to_class(
  tenant uuid, left_class smallint, after uuid, most integer, OUT moved integer, OUT last uuid
)
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
  class smallint := (SELECT app.ttl_class(t.hot_ttl_days) FROM app.tenants AS t WHERE t.id = tenant);
  ids uuid[];
BEGIN
  PERFORM set_config('app.tenant_id', tenant::text, true), set_config('app.moving', 'on', true);
  ids := ARRAY(
    SELECT e.id FROM app.workflow_executions AS e
    WHERE e.tenant_id = tenant AND e.ttl_class = left_class AND e.ttl_class <> class AND e.id > after
    ORDER BY e.id LIMIT most
  );
  last := ids[cardinality(ids)];
  PERFORM app.take_turns(ids, left_class);
  UPDATE app.workflow_executions AS e SET ttl_class = app.class_for(e.id, class)
  WHERE e.ttl_class = left_class AND e.id = ANY (ids) AND e.id BETWEEN ids[1] AND last;
  GET DIAGNOSTICS moved = ROW_COUNT;
END
$$;

-- Keeps the deliveries of these executions of the entered tenant waiting until the transaction ends.
CREATE FUNCTION app.take_turns(ids uuid[], class smallint)
RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(turns.turn) FROM (
    SELECT DISTINCT app.turn(e.n8n_execution_id) AS turn
    FROM app.workflow_executions AS e
    WHERE e.ttl_class = class AND e.id = ANY (ids) AND e.id BETWEEN ids[1] AND ids[cardinality(ids)]
      AND e.n8n_execution_id IS NOT NULL
    ORDER BY 1
  ) AS turns;
END
$$;
