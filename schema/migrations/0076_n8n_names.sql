-- What n8n has called a workflow, last of all. While it is called so here as well, it follows n8n.
CREATE TABLE app.n8n_names (
  tenant_id uuid NOT NULL DEFAULT app.tenant(),
  workflow_id uuid NOT NULL,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
  told_at timestamptz NOT NULL,  -- the start of the run that says so
  PRIMARY KEY (tenant_id, workflow_id),
  FOREIGN KEY (tenant_id, workflow_id) REFERENCES app.workflows (tenant_id, id) ON DELETE CASCADE
);
CALL app.isolate('app.n8n_names');
REVOKE DELETE ON app.n8n_names FROM flo_app;
CALL app.open_to_jobs('app.n8n_names', 'SELECT, DELETE');
