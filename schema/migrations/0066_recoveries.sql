-- Recoveries of a tenant, or of some tables or rows of it, to how they were: previewed, then applied, then undone.

CREATE TABLE app.recoveries (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants,
  at timestamptz CHECK ((at IS NULL) <> (of_transaction IS NULL)),  -- to that moment
  of_transaction xid8,  -- or to how rows were before that transaction
  tables text[] NOT NULL CHECK (cardinality(tables) > 0),
  row_ids uuid[],  -- NULL: all rows
  undone_id uuid,  -- of the recovery that it undoes
  since pg_snapshot NOT NULL,  -- what it does not have is undone,
  is_exact boolean NOT NULL,  -- all of it, or what was committed after `at`
  seen pg_snapshot NOT NULL DEFAULT pg_current_snapshot(),  -- what the preview knows; later changes stand in the way
  counts jsonb NOT NULL DEFAULT '{}',  -- of rows, by table and by what is done
  swept_along bigint NOT NULL DEFAULT 0,  -- rows that would be deleted with others, though it does not name their table
  state text NOT NULL DEFAULT 'previewed' CHECK (state IN ('previewed', 'pending', 'done', 'failed')),
  reason text CHECK (length(reason) BETWEEN 1 AND 1000),
  requested_by text NOT NULL DEFAULT current_setting('app.actor'),
  created_at timestamptz NOT NULL DEFAULT now(),
  applied_by text,
  applied_at timestamptz,
  applied_xid xid8,  -- the transaction that did it
  error text
);
CREATE INDEX recoveries_tenant_id ON app.recoveries (tenant_id, id DESC);
CREATE INDEX recoveries_pending ON app.recoveries (id) WHERE state = 'pending';
CALL app.isolate('app.recoveries');
REVOKE INSERT, UPDATE, DELETE ON app.recoveries FROM flo_app;
CREATE POLICY access ON app.recoveries TO flo_owner USING (tenant_id = (SELECT app.tenant()))
WITH CHECK (tenant_id = (SELECT app.tenant()));
CALL app.open_to_jobs('app.recoveries', 'SELECT, UPDATE, DELETE');

-- What is to be done with one row: insert, update or delete it; else what keeps it as it is.
CREATE TYPE app.planned_row AS (table_name text, id uuid, action text, image jsonb, present jsonb);

-- Objects put over each other: the last has the last word.
CREATE AGGREGATE app.laid_over(jsonb) (sfunc = jsonb_concat, stype = jsonb, initcond = '{}');

-- A recovery runs as the owner, in its tenant alone.
CREATE POLICY recovery ON app.workflows TO flo_owner
USING (tenant_id = (SELECT app.tenant())) WITH CHECK (tenant_id = (SELECT app.tenant()));
CREATE POLICY recovery ON app.workflow_executions TO flo_owner
USING (tenant_id = (SELECT app.tenant())) WITH CHECK (tenant_id = (SELECT app.tenant()));
CREATE POLICY recovery ON app.webchat_sessions TO flo_owner
USING (tenant_id = (SELECT app.tenant())) WITH CHECK (tenant_id = (SELECT app.tenant()));
CREATE POLICY recovery ON app.user_preferences TO flo_owner
USING (tenant_id = (SELECT app.tenant())) WITH CHECK (tenant_id = (SELECT app.tenant()));

-- `/routes/recovery/...` is no tenant's.
INSERT INTO app.reserved_slugs (slug) VALUES ('recovery');
