-- migrate: no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS tenant_memberships_newest ON app.tenant_memberships (tenant_id, id DESC);
