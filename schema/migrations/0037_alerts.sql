-- Alerts that tenants set on their executions. A job compares them with the rollups, and sends webhooks.

CREATE TABLE app.alerts (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
  kind text NOT NULL CHECK (kind IN ('failure_rate', 'slow', 'silence')),
  workflow_id uuid,  -- NULL: all workflows together; outlives its workflow, so no foreign key
  minutes integer NOT NULL,
  threshold double precision CHECK ((kind = 'silence') = (threshold IS NULL)),  -- per cent, or seconds
  min_runs integer NOT NULL DEFAULT 1 CHECK (min_runs BETWEEN 1 AND 1000000),
  url text NOT NULL CHECK (length(url) BETWEEN 1 AND 2000),
  enabled boolean NOT NULL DEFAULT true,
  created_by text NOT NULL DEFAULT current_setting('app.actor'),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz,
  watched_since timestamptz NOT NULL DEFAULT now(),  -- silence counts from here on
  fired_id uuid,  -- the event by which it fired; NULL: it is not firing
  fired_at timestamptz CHECK ((fired_id IS NULL) = (fired_at IS NULL)),
  UNIQUE (tenant_id, id),
  CONSTRAINT alerts_minutes CHECK (
    CASE kind WHEN 'silence' THEN minutes BETWEEN 60 AND 129600 ELSE minutes BETWEEN 15 AND 1440 END
  ),
  CONSTRAINT alerts_threshold CHECK (
    threshold >= 0 AND CASE kind WHEN 'failure_rate' THEN threshold < 100 ELSE threshold <= 1000000 END
  )
);
CALL app.isolate('app.alerts');
REVOKE INSERT, UPDATE ON app.alerts FROM flo_app;
GRANT INSERT (name, kind, workflow_id, minutes, threshold, min_runs, url, enabled),
UPDATE (name, minutes, threshold, min_runs, url, enabled, updated_at, watched_since) ON app.alerts TO flo_app;
CALL app.open_to_jobs('app.alerts', 'SELECT, DELETE');
GRANT UPDATE (fired_id, fired_at) ON app.alerts TO flo_job;

-- That an alert fired, or was resolved, and how the webhook that says so is delivered. Its id is the webhook-id.
CREATE TABLE app.alert_events (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  tenant_id uuid NOT NULL,
  alert_id uuid NOT NULL,
  workflow_id uuid,  -- the alert's, for legal holds
  type text NOT NULL CHECK (type IN ('fired', 'resolved')),
  data jsonb NOT NULL,  -- what was measured, against what
  occurred_at timestamptz NOT NULL DEFAULT now(),
  delivery text NOT NULL DEFAULT 'pending' CHECK (delivery IN ('pending', 'delivered', 'failed')),
  attempts jsonb NOT NULL DEFAULT '[]',  -- each {at, status, error}
  next_attempt_at timestamptz NOT NULL DEFAULT now(),  -- while it is claimed: until when
  FOREIGN KEY (tenant_id, alert_id) REFERENCES app.alerts (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX alert_events_alert_id ON app.alert_events (tenant_id, alert_id, id);
CREATE INDEX alert_events_pending ON app.alert_events (next_attempt_at) WHERE delivery = 'pending';
CREATE TRIGGER keep_held BEFORE DELETE ON app.alert_events FOR EACH ROW EXECUTE FUNCTION app.keep_held('of_workflow');
CALL app.isolate('app.alert_events');
REVOKE INSERT, UPDATE, DELETE ON app.alert_events FROM flo_app;
CALL app.open_to_jobs('app.alert_events', 'SELECT, INSERT, DELETE');
GRANT UPDATE (delivery, attempts, next_attempt_at) ON app.alert_events TO flo_job;

ALTER TABLE app.rollup_progress ADD COLUMN alerted_at timestamptz;  -- as of when alerts were compared with rollups
