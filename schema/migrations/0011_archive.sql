-- The cold tier: files in object storage, and the manifest of them, which says what each holds and whether it counts.

CREATE TABLE app.archive_files (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  tenant_id uuid NOT NULL REFERENCES app.tenants,
  source text NOT NULL CHECK (source IN ('workflow_executions', 'webchat_sessions')),
  month date NOT NULL CHECK (extract(DAY FROM month) = 1),  -- of the moments in the ids
  -- writing: not yet there; verified: read back; stored: the rows are here and not hot; replaced: by another file
  state text NOT NULL DEFAULT 'writing' CHECK (state IN ('writing', 'verified', 'stored', 'replaced')),
  origin text NOT NULL,  -- the partition that it replaces, or the plan or job that made it
  rows bigint NOT NULL CHECK (rows > 0),
  bytes bigint NOT NULL,  -- of the rows as they were stored hot
  text_bytes bigint NOT NULL,  -- of the rows written out
  checksum numeric NOT NULL,  -- the sum of their checksums
  first_id uuid NOT NULL,
  last_id uuid NOT NULL,
  row_group_min_ids uuid[] NOT NULL,  -- the lowest id of each row group; the file is newest first
  file_bytes bigint,  -- from here on known when it is verified
  sha256 text,
  created_at timestamptz NOT NULL DEFAULT now(),
  stored_at timestamptz,
  replaced_at timestamptz
);
CREATE INDEX archive_files_newest ON app.archive_files (tenant_id, source, last_id DESC) WHERE state = 'stored';
CREATE INDEX archive_files_tenant_id ON app.archive_files (tenant_id, id DESC);
CREATE INDEX archive_files_origin ON app.archive_files (origin) WHERE state IN ('writing', 'verified');
CREATE INDEX archive_files_replaced ON app.archive_files (replaced_at) WHERE state = 'replaced';
CREATE UNIQUE INDEX archive_files_of_tenant ON app.archive_files (tenant_id, id);  -- what leaving rows refer to
CALL app.isolate('app.archive_files');
REVOKE INSERT, UPDATE, DELETE ON app.archive_files FROM flo_app;
CALL app.open_to_jobs('app.archive_files', 'SELECT, INSERT, UPDATE, DELETE');

-- What a stored file has of a held workflow is not known here, so any hold of its tenant keeps it. To replace it by
-- another file is no deletion.
CREATE TRIGGER keep_held BEFORE DELETE ON app.archive_files
FOR EACH ROW WHEN (OLD.state = 'stored') EXECUTE FUNCTION app.keep_held('wholly_of_tenant');

-- Rows that are archived one by one and not with a partition, with their checksums when their file was planned.
CREATE TABLE app.leaving_rows (
  tenant_id uuid NOT NULL,
  file_id uuid NOT NULL,
  id uuid NOT NULL,
  checksum bigint NOT NULL,
  PRIMARY KEY (file_id, id),
  FOREIGN KEY (tenant_id, file_id) REFERENCES app.archive_files (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX leaving_rows_tenant_id ON app.leaving_rows (tenant_id);
CALL app.isolate('app.leaving_rows');
REVOKE ALL ON app.leaving_rows FROM flo_app;
CALL app.open_to_jobs('app.leaving_rows', 'SELECT, INSERT, DELETE');

-- A row of the hot tier as app.plan_rows takes it.
CREATE TYPE app.measured_row AS (tenant_id uuid, id uuid, bytes bigint, text_bytes bigint, checksum bigint);

-- Partitions that are being archived: a write to one breaks its seal, and it is exported again.
CREATE TABLE app.sealed_partitions (
  partition_name text PRIMARY KEY,
  sealed_at timestamptz NOT NULL DEFAULT now(),
  broken_at timestamptz
);
CALL app.open_to_jobs('app.sealed_partitions', 'SELECT');
CREATE POLICY access ON app.sealed_partitions TO flo_owner USING (true) WITH CHECK (true);

-- Rehydrations: requests for copies of archived executions, and the copies with their checksums. A copy that was changed
-- since is an execution like any other and is archived again.
CREATE TABLE app.rehydrations (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants,
  first_at timestamptz NOT NULL,
  last_at timestamptz NOT NULL CHECK (last_at > first_at),
  workflow_id uuid,
  days integer NOT NULL CHECK (days BETWEEN 1 AND 90),
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'done', 'failed', 'expired')),
  rows_total bigint,
  rows_done bigint NOT NULL DEFAULT 0,
  error text,
  created_by text NOT NULL DEFAULT current_setting('app.actor'),
  created_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  expires_at timestamptz  -- known when it is done
);
CREATE INDEX rehydrations_tenant_id ON app.rehydrations (tenant_id, id DESC);
CREATE INDEX rehydrations_open ON app.rehydrations (state) WHERE state IN ('pending', 'running', 'done');
CREATE UNIQUE INDEX rehydrations_of_tenant ON app.rehydrations (tenant_id, id);
CALL app.isolate('app.rehydrations');
REVOKE UPDATE, DELETE ON app.rehydrations FROM flo_app;
CALL app.open_to_jobs('app.rehydrations', 'SELECT, UPDATE, DELETE');

CREATE TABLE app.rehydrated_rows (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL,
  rehydration_id uuid NOT NULL,
  checksum bigint NOT NULL,
  PRIMARY KEY (tenant_id, id, rehydration_id),
  FOREIGN KEY (tenant_id, rehydration_id) REFERENCES app.rehydrations (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX rehydrated_rows_rehydration_id ON app.rehydrated_rows (tenant_id, rehydration_id);
CALL app.isolate('app.rehydrated_rows');
REVOKE INSERT, UPDATE, DELETE ON app.rehydrated_rows FROM flo_app;
CALL app.open_to_jobs('app.rehydrated_rows', 'SELECT, INSERT, DELETE');
