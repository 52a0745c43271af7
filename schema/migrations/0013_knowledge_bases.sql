-- Knowledge bases and the documents in them. The passages of documents are in chunks and embeddings.

CREATE TABLE app.knowledge_bases (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
  description text,
  source_type text CHECK (length(source_type) BETWEEN 1 AND 50),
  source_metadata jsonb NOT NULL DEFAULT '{}',
  document_count integer NOT NULL DEFAULT 0 CHECK (document_count >= 0),  -- kept by triggers on app.documents
  total_chunks integer NOT NULL DEFAULT 0 CHECK (total_chunks >= 0),
  last_updated timestamptz,  -- when one of its documents last changed
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz,
  UNIQUE (tenant_id, id),
  CONSTRAINT knowledge_bases_name_key UNIQUE (tenant_id, name)
);
CALL app.isolate('app.knowledge_bases');
CALL app.open_to_jobs('app.knowledge_bases', 'SELECT, DELETE');
GRANT UPDATE (document_count, total_chunks, last_updated) ON app.knowledge_bases TO flo_job;
CREATE POLICY access ON app.knowledge_bases FOR SELECT TO flo_owner USING (true);  -- app.search reads as flo_owner
CREATE POLICY counted ON app.knowledge_bases FOR UPDATE TO flo_owner USING (true) WITH CHECK (true);  -- by cascades
CREATE TRIGGER keep_held BEFORE DELETE ON app.knowledge_bases
FOR EACH ROW EXECUTE FUNCTION app.keep_held('of_tenant');

-- The models of a base. The active one is searched; others are built beside it, or kept to switch back.
CREATE TABLE app.knowledge_base_models (
  tenant_id uuid NOT NULL DEFAULT app.tenant(),
  knowledge_base_id uuid NOT NULL,
  embedding_model text NOT NULL CHECK (length(embedding_model) BETWEEN 1 AND 100),
  is_active boolean NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, knowledge_base_id, embedding_model),
  FOREIGN KEY (tenant_id, knowledge_base_id) REFERENCES app.knowledge_bases (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX knowledge_base_models_active ON app.knowledge_base_models (tenant_id, knowledge_base_id)
WHERE is_active;
CALL app.isolate('app.knowledge_base_models');
CALL app.open_to_jobs('app.knowledge_base_models', 'SELECT, DELETE');
CREATE POLICY access ON app.knowledge_base_models FOR SELECT TO flo_owner USING (true);

CREATE TABLE app.documents (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  tenant_id uuid NOT NULL DEFAULT app.tenant(),
  knowledge_base_id uuid NOT NULL,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
  title text CHECK (length(title) <= 1000),
  content_type text NOT NULL CHECK (content_type IN ('text', 'markdown', 'html', 'chunks')),
  content text,  -- what positions count in; NULL where the chunks came ready-made
  metadata jsonb NOT NULL DEFAULT '{}',
  content_hash bytea NOT NULL CHECK (length(content_hash) = 32),  -- SHA-256 of what was sent
  chunker text NOT NULL CHECK (length(chunker) BETWEEN 1 AND 100),  -- splitter and its version
  chunk_count integer NOT NULL DEFAULT 0 CHECK (chunk_count >= 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz,
  UNIQUE (tenant_id, id),
  CONSTRAINT documents_name_key UNIQUE (tenant_id, knowledge_base_id, name),
  FOREIGN KEY (tenant_id, knowledge_base_id) REFERENCES app.knowledge_bases (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX documents_newest ON app.documents (tenant_id, knowledge_base_id, id);
CALL app.isolate('app.documents');
CALL app.open_to_jobs('app.documents', 'SELECT, DELETE');
CREATE POLICY access ON app.documents FOR SELECT TO flo_owner USING (true);

-- The state of a document in requests: its task by the active model, and its ETag.
CREATE TYPE app.document_state AS (status text, reason text, etag text);

-- What is under a legal hold is neither deleted nor overwritten.
CREATE TRIGGER keep_held BEFORE DELETE ON app.documents FOR EACH ROW EXECUTE FUNCTION app.keep_held('of_tenant');

CREATE FUNCTION app.keep_held_content()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM app.require_not_held(OLD.tenant_id);
  RETURN NEW;
END
$$;
CREATE TRIGGER keep_held_content BEFORE UPDATE ON app.documents
FOR EACH ROW WHEN (
  (old.content_hash, old.chunker, old.title, old.metadata) IS DISTINCT FROM
  (new.content_hash, new.chunker, new.title, new.metadata)
) EXECUTE FUNCTION app.keep_held_content();
CREATE TRIGGER keep_held_content BEFORE UPDATE ON app.knowledge_bases
FOR EACH ROW WHEN (
  (old.name, old.description, old.source_type, old.source_metadata) IS DISTINCT FROM
  (new.name, new.description, new.source_type, new.source_metadata)
) EXECUTE FUNCTION app.keep_held_content();

-- Keeps a base's counts exact, whatever changes its documents: requests, cascades, erasures.
CREATE FUNCTION app.count_documents()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  CASE TG_OP
    WHEN 'INSERT' THEN
      UPDATE app.knowledge_bases AS b
      SET document_count = b.document_count + d.documents, total_chunks = b.total_chunks + d.chunks, last_updated = now()
      FROM (
        SELECT n.tenant_id, n.knowledge_base_id, count(*) AS documents, sum(n.chunk_count) AS chunks
        FROM new_rows AS n GROUP BY 1, 2
      ) AS d
      WHERE b.tenant_id = d.tenant_id AND b.id = d.knowledge_base_id;
    WHEN 'DELETE' THEN
      UPDATE app.knowledge_bases AS b
      SET document_count = b.document_count - d.documents, total_chunks = b.total_chunks - d.chunks, last_updated = now()
      FROM (
        SELECT o.tenant_id, o.knowledge_base_id, count(*) AS documents, sum(o.chunk_count) AS chunks
        FROM old_rows AS o GROUP BY 1, 2
      ) AS d
      WHERE b.tenant_id = d.tenant_id AND b.id = d.knowledge_base_id;
    WHEN 'UPDATE' THEN
      UPDATE app.knowledge_bases AS b
      SET total_chunks = b.total_chunks + d.chunks, last_updated = now()
      FROM (
        SELECT n.tenant_id, n.knowledge_base_id, sum(n.chunk_count - o.chunk_count) AS chunks
        FROM new_rows AS n JOIN old_rows AS o ON o.tenant_id = n.tenant_id AND o.id = n.id GROUP BY 1, 2
      ) AS d
      WHERE b.tenant_id = d.tenant_id AND b.id = d.knowledge_base_id;
  END CASE;
  RETURN NULL;
END
$$;
CREATE TRIGGER count_added AFTER INSERT ON app.documents
REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION app.count_documents();
CREATE TRIGGER count_removed AFTER DELETE ON app.documents
REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION app.count_documents();
CREATE TRIGGER count_changed AFTER UPDATE ON app.documents
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION app.count_documents();
