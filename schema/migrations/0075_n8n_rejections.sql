-- Items of n8n's events that were rejected, for a week, and at most 500 of a tenant: the newest.
CREATE TABLE app.n8n_rejections (
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  id uuid NOT NULL DEFAULT app.uuid7(),  -- of the moment at which it was rejected
  instance text NOT NULL,
  n8n_execution_id text,
  n8n_workflow_id text,
  error text NOT NULL,
  item jsonb,      -- as it was sent, if it could not be read; NULL if it is longer than 100,000 characters
  delivery jsonb,  -- what it says, if it could; or NULL, likewise
  PRIMARY KEY (tenant_id, id)
);
CALL app.isolate('app.n8n_rejections');
REVOKE UPDATE ON app.n8n_rejections FROM flo_app;
CALL app.open_to_jobs('app.n8n_rejections', 'SELECT, DELETE');

