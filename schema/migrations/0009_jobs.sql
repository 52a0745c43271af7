-- What jobs did.

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
