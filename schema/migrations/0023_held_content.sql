-- Under a legal hold a write may only add: fill what is empty, append, end an execution that still runs.

-- Whether nothing stored is replaced or emptied. Of objects each field counts, lists may grow at their end.
CREATE FUNCTION app.only_adds(stored jsonb, written jsonb)
RETURNS boolean
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
BEGIN
  RETURN CASE
    WHEN stored IS NULL OR stored IN ('null', '""', '[]', '{}') THEN true
    WHEN jsonb_typeof(stored) = 'object' AND jsonb_typeof(written) = 'object' THEN NOT EXISTS (
      SELECT FROM jsonb_each(stored) AS s WHERE NOT app.only_adds(s.value, written -> s.key)
    )
    WHEN jsonb_typeof(stored) = 'array' AND jsonb_typeof(written) = 'array' THEN NOT EXISTS (
      SELECT FROM jsonb_array_elements(stored) WITH ORDINALITY AS s (value, ordinal)
      WHERE s.value IS DISTINCT FROM written -> (s.ordinal - 1)::integer
    )
    ELSE stored IS NOT DISTINCT FROM written
  END;
END
$$;

-- The same of an execution. One that has not ended may change its state and its moments, and what ends it may replace
-- what it has said until then, but empties nothing.
CREATE FUNCTION app.only_adds_to(stored app.workflow_executions, written app.workflow_executions)
RETURNS boolean
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
DECLARE
  final text[] := '{crashed,canceled,error,success}';
  ignored text[] := '{retention_class,mode}';
BEGIN
  IF stored.status <> ALL (final) THEN
    ignored := ignored || '{status,started_at,finished_at}';
    IF written.status = ANY (final) THEN
      ignored := ignored || '{execution_data,error_message}';
    END IF;
  END IF;
  RETURN app.only_adds(to_jsonb(stored) - ignored, to_jsonb(written) - ignored)
    AND (coalesce(stored.execution_data, '{}') = '{}' OR coalesce(written.execution_data, '{}') <> '{}')
    AND (coalesce(stored.error_message, '') = '' OR coalesce(written.error_message, '') <> '');
END
$$;

-- Refuses to replace what is held. Arguments: what the row is, and columns that are no content.
CREATE FUNCTION app.keep_held_values()
RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
  ignored text[] := TG_ARGV[1];
BEGIN
  CASE TG_ARGV[0]
    WHEN 'execution' THEN
      PERFORM pg_advisory_xact_lock_shared(app.lock_of_holds(OLD.tenant_id));
      IF app.is_held(OLD.tenant_id, OLD.workflow_id, OLD.id) AND NOT app.only_adds_to(OLD, NEW) THEN
        PERFORM app.require_not_held(OLD.tenant_id, OLD.workflow_id, OLD.id);
      END IF;
      RETURN NEW;
    WHEN 'workflow' THEN
      IF OLD.name = OLD.n8n_workflow_id THEN  -- nobody has named it yet
        ignored := ignored || '{name}';
      END IF;
    ELSE
  END CASE;
  IF NOT app.only_adds(to_jsonb(OLD) - ignored, to_jsonb(NEW) - ignored) THEN
    CASE TG_ARGV[0]
      WHEN 'tenant' THEN PERFORM app.require_not_held(OLD.id);
      WHEN 'of_tenant' THEN PERFORM app.require_not_held(OLD.tenant_id);
      WHEN 'workflow' THEN PERFORM app.require_not_held(OLD.tenant_id, OLD.id);
      WHEN 'of_workflow' THEN PERFORM app.require_not_held(OLD.tenant_id, OLD.workflow_id);
    END CASE;
  END IF;
  RETURN NEW;
END
$$;

CREATE TRIGGER keep_held_values BEFORE UPDATE ON app.tenants FOR EACH ROW
EXECUTE FUNCTION app.keep_held_values('tenant', '{status,deleted_at,hot_ttl_days,confidence_threshold,updated_at}');
CREATE TRIGGER keep_held_values BEFORE UPDATE ON app.workflows FOR EACH ROW
EXECUTE FUNCTION app.keep_held_values('workflow', '{updated_at}');
CREATE TRIGGER keep_held_values BEFORE UPDATE ON app.user_preferences FOR EACH ROW
EXECUTE FUNCTION app.keep_held_values('of_tenant', '{user_id,updated_at}');
CREATE TRIGGER keep_held_values BEFORE UPDATE ON app.webchat_sessions FOR EACH ROW
WHEN (old.messages IS DISTINCT FROM new.messages)
EXECUTE FUNCTION app.keep_held_values('of_workflow', '{message_count,updated_at}');
-- app.record_executions has compared what it merges, and says so by app.merging: it updates a thousand at once
CREATE TRIGGER keep_held_values BEFORE UPDATE ON app.workflow_executions FOR EACH ROW
WHEN (
  current_setting('app.merging', true) IS DISTINCT FROM 'on'
  AND (old.status, old.started_at, old.finished_at, old.error_message, old.workflow_id, old.execution_data) IS DISTINCT FROM
    (new.status, new.started_at, new.finished_at, new.error_message, new.workflow_id, new.execution_data)
)
EXECUTE FUNCTION app.keep_held_values('execution', '{}');
