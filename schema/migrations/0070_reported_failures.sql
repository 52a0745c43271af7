-- Failures that an error workflow alone has told of: it also runs for what n8n then calls canceled or crashed. What the
-- API or a log message says of the end takes its place, and its row here with it. Executions keep their columns.
CREATE TABLE app.reported_failures (
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  n8n_execution_id text NOT NULL,
  reported_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, n8n_execution_id)
);
CALL app.isolate('app.reported_failures');
REVOKE UPDATE ON app.reported_failures FROM flo_app;
CALL app.open_to_jobs('app.reported_failures', 'SELECT, INSERT, DELETE');
