-- What jobs did, and what they may touch.

-- Opens a table to jobs, for these verbs and no others.
CREATE PROCEDURE app.open_to_jobs(opened regclass, verbs text)
LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', opened);
  EXECUTE format('CREATE POLICY job ON %s TO flo_job USING (true) WITH CHECK (true)', opened);
  EXECUTE format('GRANT %s ON %s TO flo_job', verbs, opened);
END
$$;
REVOKE ALL ON PROCEDURE app.open_to_jobs FROM PUBLIC;

CREATE TABLE app.job_runs (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  job text NOT NULL CHECK (length(job) BETWEEN 1 AND 63),
  state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'unfinished', 'failed', 'killed')),
  counts jsonb NOT NULL DEFAULT '{}',  -- what it did, in numbers; no names of tenants
  error text,
  started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz
);
CREATE INDEX job_runs_job ON app.job_runs (job, id DESC);
CALL app.open_to_jobs('app.job_runs', 'SELECT, INSERT, UPDATE, DELETE');

CALL app.open_to_jobs('app.tenants', 'SELECT, DELETE');
CALL app.open_to_jobs('app.workflows', 'SELECT, DELETE');
CALL app.open_to_jobs('app.workflow_executions', 'SELECT, INSERT, DELETE');
GRANT UPDATE (ttl_class, status, started_at, finished_at, execution_data, error_message)
ON app.workflow_executions TO flo_job;
CALL app.open_to_jobs('app.webchat_sessions', 'SELECT, DELETE');
CALL app.open_to_jobs('app.user_preferences', 'SELECT, DELETE');
CALL app.open_to_jobs('app.tenant_memberships', 'SELECT, DELETE');
CALL app.open_to_jobs('app.invitations', 'SELECT, DELETE');
CALL app.open_to_jobs('app.api_keys', 'SELECT, DELETE');
CALL app.open_to_jobs('app.tenant_actions', 'SELECT, INSERT, DELETE');
CALL app.open_to_jobs('app.idempotency_keys', 'SELECT, DELETE');
CALL app.open_to_jobs('app.rate_limits', 'SELECT, DELETE');
GRANT SELECT, DELETE ON app.rate_buckets TO flo_job;  -- has no row-level security: app.take writes it
