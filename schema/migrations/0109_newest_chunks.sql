-- migrate: no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS chunks_newest ON app.chunks (tenant_id, knowledge_base_id, id DESC);
