-- squawk-ignore-file ban-drop-function, ban-drop-table, ban-drop-constraint
-- squawk-ignore-file disallowed-unique-constraint, constraint-missing-not-valid
-- n8n instances of a tenant. Each numbers its executions by itself, so two of them have an execution "1" each.
CREATE TABLE app.n8n_instances (
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  number smallint NOT NULL CHECK (number BETWEEN 0 AND 20),  -- 0 is the one that deliveries need not name
  name text NOT NULL CHECK (name ~ '^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$'),
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  last_seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, number),
  UNIQUE (tenant_id, name)
);
CALL app.isolate('app.n8n_instances');
REVOKE DELETE ON app.n8n_instances FROM flo_app;
CALL app.open_to_jobs('app.n8n_instances', 'SELECT, DELETE');

-- The times at which an instance's database began anew: between the start of a run and that of a later one with the
-- same id. Each run that shows it narrows them.
CREATE TABLE app.n8n_resets (
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  number smallint NOT NULL,
  after timestamptz NOT NULL,
  until timestamptz NOT NULL CHECK (until > after),
  PRIMARY KEY (tenant_id, number, until)
);
CALL app.isolate('app.n8n_resets');
REVOKE DELETE ON app.n8n_resets FROM flo_app;
CALL app.open_to_jobs('app.n8n_resets', 'SELECT, DELETE');

-- The instance of a workflow, and so of its executions. A column, since it is a part of the key by which n8n's id is
-- unique: a workflow that was copied from one instance to another keeps its id.
ALTER TABLE app.workflows ADD COLUMN n8n_instance smallint NOT NULL DEFAULT 0;
ALTER TABLE app.workflows DROP CONSTRAINT workflows_n8n_workflow_id_key;
ALTER TABLE app.workflows ADD CONSTRAINT workflows_n8n_workflow_id_key
UNIQUE (tenant_id, n8n_workflow_id, n8n_instance);

-- Runs of two instances, and of one before and after a reset, may have one n8n id in one partition. That a run has one
-- row follows from its id, which its instance, n8n id and start make, and from the lock of its deliveries.
DO $$
DECLARE
  found record;
BEGIN
  FOR found IN
    SELECT i.indrelid::regclass AS partition, i.indexrelid::regclass AS index
    FROM pg_index AS i
    JOIN pg_inherits AS h ON h.inhrelid = i.indrelid
    JOIN pg_class AS c ON c.oid = i.indrelid AND c.relkind = 'r' AND c.relname LIKE 'workflow\_executions\_%'
    WHERE i.indisunique AND NOT i.indisprimary AND c.relnamespace = 'app'::regnamespace
  LOOP
    EXECUTE format('CREATE INDEX ON %s (tenant_id, n8n_execution_id)', found.partition);
    EXECUTE format('DROP INDEX %s', found.index);
  END LOOP;
END
$$;

-- What became of an event.
CREATE TYPE app.recorded_event AS (
  n8n_execution_id text,
  n8n_workflow_id text,
  id uuid,            -- of the execution
  outcome text,
  error text,         -- why it is rejected
  restarted boolean   -- whether its n8n id is that of another run as well, from before or after a reset
);
ALTER TYPE app.merged_delivery ADD ATTRIBUTE reset tstzrange;  -- in it n8n's database began anew, as the run shows

-- Of executions, and no longer of n8n's ids. What was noted before is an error like others.
DROP TABLE app.reported_failures;
CREATE TABLE app.reported_failures (
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  execution_id uuid NOT NULL,
  reported_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, execution_id)
);
CALL app.isolate('app.reported_failures');
REVOKE UPDATE ON app.reported_failures FROM flo_app;
CALL app.open_to_jobs('app.reported_failures', 'SELECT, INSERT, DELETE');

DROP FUNCTION IF EXISTS app.is_reported_failure(text);
DROP FUNCTION IF EXISTS app.note_reported_failures(jsonb);

DROP FUNCTION IF EXISTS app.create_missing_workflows(jsonb);
DROP FUNCTION IF EXISTS app.merge_deliveries(jsonb, text[]);
DROP FUNCTION IF EXISTS app.record_executions(jsonb);  -- has the instance now
DROP FUNCTION IF EXISTS app.record_events(jsonb);
DROP FUNCTION IF EXISTS app.record_all_events(jsonb);
