-- Files that clients send straight to object storage, and what became of them: a document, or a reason. `ingest` reads
-- what has come.
CREATE TABLE app.uploads (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  knowledge_base_id uuid NOT NULL,  -- which may be gone when the file is read, and then the upload says so
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),  -- of the document
  title text CHECK (length(title) <= 1000),
  metadata jsonb NOT NULL DEFAULT '{}',
  media_type text NOT NULL CHECK (length(media_type) BETWEEN 1 AND 255),
  size integer NOT NULL CHECK (size BETWEEN 1 AND 50000000),  -- bytes
  status text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'processing', 'stored', 'failed')),
  code text CHECK ((code IS NULL) = (status <> 'failed')),
  reason text CHECK (length(reason) BETWEEN 1 AND 1000),
  document_id uuid,
  chunk_count integer,
  arrived_at timestamptz,  -- when the file was first seen
  attempts smallint NOT NULL DEFAULT 0,
  claimed_until timestamptz,  -- by a run, which it identifies
  due_at timestamptz DEFAULT now() + interval '2 minutes',  -- NULL: the end is known, and the file is removed
  created_by text NOT NULL DEFAULT current_setting('app.actor'),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,  -- until then the file may be sent
  finished_at timestamptz
);
CREATE INDEX uploads_newest ON app.uploads (tenant_id, knowledge_base_id, id);
CREATE INDEX uploads_open ON app.uploads (tenant_id) WHERE status IN ('waiting', 'processing');
CREATE INDEX uploads_due ON app.uploads (due_at) WHERE due_at IS NOT NULL;
CALL app.isolate('app.uploads');
REVOKE DELETE ON app.uploads FROM flo_app;
CREATE POLICY access ON app.uploads FOR SELECT TO flo_owner USING (true);  -- app.enter_upload looks for the tenant
CALL app.open_to_jobs('app.uploads', 'SELECT, DELETE');
GRANT UPDATE (status, code, reason, due_at, finished_at) ON app.uploads TO flo_job;
