CREATE TABLE app.workflows (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
  description text,
  n8n_workflow_id text CHECK (length(n8n_workflow_id) BETWEEN 1 AND 255),
  category text CHECK (length(category) <= 100),
  tags text[] NOT NULL DEFAULT '{}',
  is_active boolean NOT NULL DEFAULT true,
  is_public boolean NOT NULL DEFAULT false,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz,
  UNIQUE (tenant_id, id),  -- what executions refer to: no execution under another tenant's workflow
  CONSTRAINT workflows_n8n_workflow_id_key UNIQUE (tenant_id, n8n_workflow_id)
);
CALL app.isolate('app.workflows');
CALL app.open_to_jobs('app.workflows', 'SELECT, DELETE');
