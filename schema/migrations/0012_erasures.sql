-- Erasures of a tenant, or of one person's data in it: requested, carried out by a job, and kept as signed receipts.

CREATE TABLE app.erasures (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  tenant_id uuid NOT NULL DEFAULT app.tenant(),  -- outlives the tenant, so no foreign key
  user_id text CHECK (length(user_id) BETWEEN 1 AND 255),  -- NULL: the whole tenant
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'done')),
  counts jsonb NOT NULL DEFAULT '{}',  -- rows by table, files and their rows; no names
  requested_by text NOT NULL DEFAULT current_setting('app.actor'),
  created_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  signature text  -- of the receipt, when it is done
);
CREATE INDEX erasures_tenant_id ON app.erasures (tenant_id, id DESC);
CREATE INDEX erasures_open ON app.erasures (id) WHERE state <> 'done';
CALL app.isolate('app.erasures');
REVOKE UPDATE, DELETE ON app.erasures FROM flo_app;
CREATE POLICY platform ON app.erasures TO flo_app
USING ((SELECT app.on_platform())) WITH CHECK ((SELECT app.on_platform()));
CALL app.open_to_jobs('app.erasures', 'SELECT, INSERT, UPDATE, DELETE');

-- A tenant is erased once, and a person not twice at a time.
CREATE UNIQUE INDEX erasures_of_tenant ON app.erasures (tenant_id) WHERE user_id IS NULL;
CREATE UNIQUE INDEX erasures_of_person ON app.erasures (tenant_id, user_id) WHERE state <> 'done';
