-- Passages with their vectors, one row for each model that the base has. A row has no vector at first, and gets it once.
--
-- Hash partitions by tenant, each with an HNSW graph of its own: a large tenant is then a large part of its graph, so that a
-- search skips few rows of other tenants. Small tenants are searched exactly, without a graph.

CREATE TABLE app.embeddings (
  id uuid NOT NULL,  -- of the passage, in app.chunks
  knowledge_base_id uuid NOT NULL,
  tenant_id uuid NOT NULL DEFAULT app.tenant(),  -- partition key
  chunk_text text NOT NULL,  -- stored out of line, since the vector fills the row
  chunk_metadata jsonb NOT NULL DEFAULT '{}',
  embedding_vector public.halfvec(1536),  -- of length 1, so that the inner product is the cosine, and is computed sooner
  document_name text NOT NULL,
  chunk_index integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  embedding_model text NOT NULL,  -- part of the key: two models stand side by side while a base changes
  PRIMARY KEY (tenant_id, id, embedding_model),
  FOREIGN KEY (tenant_id, id) REFERENCES app.chunks (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, knowledge_base_id, embedding_model) REFERENCES app.knowledge_base_models ON DELETE CASCADE
) PARTITION BY HASH (tenant_id);
-- Exact search reads every vector of a tenant: two rows a page, none out of line.
ALTER TABLE app.embeddings ALTER embedding_vector SET STORAGE PLAIN, ALTER chunk_metadata SET STORAGE MAIN;

DO $$
BEGIN
  FOR remainder IN 0..31 LOOP
    EXECUTE format(
      'CREATE TABLE app.embeddings_%1$s PARTITION OF app.embeddings FOR VALUES WITH (MODULUS 32, REMAINDER %1$s)', remainder
    );
    EXECUTE format('ALTER TABLE app.embeddings_%s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', remainder);
  END LOOP;
END
$$;
CREATE INDEX embeddings_of_document ON app.embeddings (tenant_id, knowledge_base_id, document_name, chunk_index);
CREATE INDEX embeddings_nearest ON app.embeddings USING hnsw (embedding_vector public.halfvec_ip_ops)
WITH (m = 16, ef_construction = 200);
CALL app.isolate('app.embeddings');
CALL app.open_to_jobs('app.embeddings', 'SELECT, INSERT, DELETE');
GRANT UPDATE (embedding_vector) ON app.embeddings TO flo_job;
CREATE POLICY access ON app.embeddings FOR SELECT TO flo_owner USING (true);

-- Tasks: the passages of one document to embed by one model. A message in the queue only names its task.
CREATE TABLE app.embedding_tasks (
  id uuid NOT NULL DEFAULT app.uuid7(),
  tenant_id uuid NOT NULL DEFAULT app.tenant(),
  knowledge_base_id uuid NOT NULL,
  document_id uuid NOT NULL,
  embedding_model text NOT NULL,
  status text NOT NULL CHECK (status IN ('processing', 'embedded', 'failed')),
  attempts integer NOT NULL DEFAULT 0,  -- counted before each, so that a killed one counts as well
  reason text CHECK (length(reason) <= 1000),  -- why the last attempt failed
  due_at timestamptz NOT NULL DEFAULT now(),  -- when it is to be tried; while claimed, when the claim ends
  queued_at timestamptz DEFAULT now(),  -- when its last message was sent; NULL: none is in the queue
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, document_id, embedding_model),
  FOREIGN KEY (tenant_id, document_id) REFERENCES app.documents (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, knowledge_base_id, embedding_model) REFERENCES app.knowledge_base_models ON DELETE CASCADE
);
CREATE INDEX embedding_tasks_due ON app.embedding_tasks (tenant_id, due_at) WHERE status = 'processing';
CREATE INDEX embedding_tasks_failed ON app.embedding_tasks (tenant_id, id) WHERE status = 'failed';
CREATE INDEX embedding_tasks_of_model ON app.embedding_tasks (tenant_id, knowledge_base_id, embedding_model, status);
CALL app.isolate('app.embedding_tasks');
CALL app.open_to_jobs('app.embedding_tasks', 'SELECT, UPDATE, DELETE');

-- Usage by tenant, day and model, as the endpoint counts it: what embedding documents costs.
CREATE TABLE app.embedding_usage (
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  day date NOT NULL,
  embedding_model text NOT NULL,
  requests bigint NOT NULL,
  chunks bigint NOT NULL,
  tokens bigint NOT NULL,
  PRIMARY KEY (tenant_id, day, embedding_model)
);
CALL app.isolate('app.embedding_usage');
REVOKE INSERT, UPDATE, DELETE ON app.embedding_usage FROM flo_app;
CALL app.open_to_jobs('app.embedding_usage', 'SELECT, INSERT, UPDATE, DELETE');

-- The progress of each model of a base, in documents.
CREATE TYPE app.model_progress AS (
  knowledge_base_id uuid, embedding_model text, is_active boolean, documents bigint, embedded bigint, failed bigint,
  created_at timestamptz
);
