-- How much tenants keep hot and archived, as a job measures it some times a day, and what jobs did, for super admins.

CREATE TABLE app.storage_measurements (
  day date PRIMARY KEY,  -- of UTC: the last one of each day stays
  measured_at timestamptz NOT NULL
);
GRANT SELECT ON app.storage_measurements TO flo_app;
CALL app.open_to_jobs('app.storage_measurements', 'SELECT, INSERT, DELETE');
CREATE POLICY progress ON app.storage_measurements FOR SELECT TO flo_app USING (true);

CREATE TABLE app.storage_sizes (
  tenant_id uuid NOT NULL REFERENCES app.tenants ON DELETE CASCADE,
  day date NOT NULL,
  kind text NOT NULL CHECK (length(kind) BETWEEN 1 AND 63),  -- a table
  hot_rows bigint NOT NULL,
  hot_bytes bigint NOT NULL,  -- of rows as they are stored, with what of them is in TOAST
  cold_rows bigint NOT NULL,
  cold_bytes bigint NOT NULL,  -- of files
  vectors bigint NOT NULL,
  PRIMARY KEY (tenant_id, day, kind)
);
CREATE INDEX storage_sizes_day ON app.storage_sizes (day);
CALL app.isolate('app.storage_sizes');
REVOKE INSERT, UPDATE, DELETE ON app.storage_sizes FROM flo_app;
CREATE POLICY platform ON app.storage_sizes FOR SELECT TO flo_app USING ((SELECT app.on_platform()));
CALL app.open_to_jobs('app.storage_sizes', 'SELECT, INSERT, DELETE');

GRANT SELECT ON app.job_runs TO flo_app;
CREATE POLICY platform ON app.job_runs FOR SELECT TO flo_app USING ((SELECT app.on_platform()));
