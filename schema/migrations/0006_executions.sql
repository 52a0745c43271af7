-- Executions, by retention class and then by the time in their ids: whole partitions are dropped, rows are not deleted.

-- A tenant's hot_ttl_days rounds up to the class that its executions are kept in.
CREATE FUNCTION app.retention_class(hot_ttl_days integer)
RETURNS smallint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN (SELECT min(class) FROM unnest('{7,14,30,60,90,365}'::smallint[]) AS class WHERE class >= hot_ttl_days);

-- n8n's states in their order: a delivery never moves an execution back. The last four are final.
CREATE FUNCTION app.execution_rank(status text)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN array_position('{new,running,waiting,unknown,crashed,canceled,error,success}'::text[], status);

CREATE FUNCTION app.execution_mode(execution_data jsonb)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN left(execution_data ->> 'mode', 255);

CREATE TABLE app.workflow_executions (
  retention_class smallint NOT NULL,  -- partition key: the class of its tenant
  id uuid NOT NULL,             -- partition key: UUIDv7 of started_at as it was first delivered
  tenant_id uuid NOT NULL DEFAULT app.tenant(),
  workflow_id uuid NOT NULL,
  n8n_execution_id text CHECK (length(n8n_execution_id) BETWEEN 1 AND 255),
  status text NOT NULL DEFAULT 'running' CHECK (app.execution_rank(status) IS NOT NULL),
  started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  execution_data jsonb,
  error_message text,
  created_at timestamptz NOT NULL DEFAULT now(),
  -- n8n's mode, so that counting by it does not fetch every execution_data from TOAST
  mode text GENERATED ALWAYS AS (app.execution_mode(execution_data)) STORED,
  PRIMARY KEY (retention_class, id),
  -- reaches the tenant through the workflow, whose tenant is the same one
  FOREIGN KEY (tenant_id, workflow_id) REFERENCES app.workflows (tenant_id, id) ON DELETE CASCADE
) PARTITION BY LIST (retention_class);
CREATE INDEX workflow_executions_newest ON app.workflow_executions (tenant_id, id DESC);
CREATE INDEX workflow_executions_of_workflow ON app.workflow_executions (tenant_id, workflow_id, id DESC);
CREATE INDEX workflow_executions_by_status ON app.workflow_executions (tenant_id, status, id DESC);
CALL app.isolate('app.workflow_executions');
CALL app.open_to_jobs('app.workflow_executions', 'SELECT, INSERT, DELETE');
GRANT UPDATE (retention_class, status, started_at, finished_at, execution_data, error_message)
ON app.workflow_executions TO flo_job;

-- A table for each class, whose partitions app.create_partitions makes.
DO $$
DECLARE
  class integer;
BEGIN
  FOREACH class IN ARRAY '{7,14,30,60,90,365}'::integer[] LOOP
    EXECUTE format(
      'CREATE TABLE app.workflow_executions_c%1$s PARTITION OF app.workflow_executions FOR VALUES IN (%1$s)'
      ' PARTITION BY RANGE (id)', class
    );
    EXECUTE format('ALTER TABLE app.workflow_executions_c%s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', class);
  END LOOP;
END
$$;

-- One overflow partition for all classes (retention_class 0): rows that arrive too late for their partition, rows that
-- must stay when their partition is dropped, and rehydrated copies.
CREATE TABLE app.workflow_executions_overflow (LIKE app.workflow_executions INCLUDING ALL);
ALTER TABLE app.workflow_executions_overflow ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE UNIQUE INDEX workflow_executions_overflow_n8n ON app.workflow_executions_overflow (tenant_id, n8n_execution_id);
ALTER TABLE app.workflow_executions ATTACH PARTITION app.workflow_executions_overflow FOR VALUES IN (0);

-- The outcome of a delivery.
CREATE TYPE app.merged_delivery AS (
  ordinal bigint,                        -- its index in the batch
  n8n_execution_id text,
  outcome text,                          -- created, updated, unchanged or rejected
  rejection text,                        -- why it is rejected
  known boolean,                         -- whether the execution is stored already
  execution app.workflow_executions      -- the execution as it should be
);

-- A tenant's executions move when its hot_ttl_days change the class: the change is noted here, a job moves the rows.
CREATE TABLE app.retention_class_changes (
  tenant_id uuid NOT NULL REFERENCES app.tenants ON DELETE CASCADE,
  retention_class smallint NOT NULL,  -- the former one, whose rows are still to be moved
  changed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, retention_class)
);
CALL app.isolate('app.retention_class_changes');
REVOKE UPDATE, DELETE ON app.retention_class_changes FROM flo_app;
CALL app.open_to_jobs('app.retention_class_changes', 'SELECT, DELETE');

CREATE FUNCTION app.note_retention_class_change()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  INSERT INTO app.retention_class_changes AS c (tenant_id, retention_class) VALUES (OLD.id, app.retention_class(OLD.hot_ttl_days))
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
CREATE TRIGGER note_retention_class_change AFTER UPDATE OF hot_ttl_days ON app.tenants FOR EACH ROW
WHEN (app.retention_class(OLD.hot_ttl_days) <> app.retention_class(NEW.hot_ttl_days))
EXECUTE FUNCTION app.note_retention_class_change();
