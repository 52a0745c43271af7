-- migrate: no-transaction
DROP INDEX CONCURRENTLY IF EXISTS app.chunks_of_base;
