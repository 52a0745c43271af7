-- The checksum and the size of a row in an archive file.

-- The row as it is written to a file and read back, in 60 bits. flomastr/archive/parquet.py computes the same from the
-- file.
CREATE OR REPLACE FUNCTION app.checksum(line text)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN ('x0' || left(md5(line), 15))::bit(64)::bigint;

CREATE OR REPLACE FUNCTION app.microseconds(moment timestamptz)
RETURNS text
LANGUAGE sql
STABLE  -- as extract is: only so is it inlined
PARALLEL SAFE
RETURN coalesce((extract(EPOCH FROM moment) * 1000000)::bigint::text, '');

CREATE OR REPLACE FUNCTION app.execution_checksum(e app.workflow_executions)
RETURNS bigint
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN app.checksum(concat_ws('|',
  e.id, e.tenant_id, e.workflow_id, coalesce(e.n8n_execution_id, ''), e.status, coalesce(e.mode, ''),
  app.microseconds(e.started_at), app.microseconds(e.finished_at), app.microseconds(e.created_at),
  coalesce(e.error_message, ''), coalesce(e.execution_data::text, '')
));

CREATE OR REPLACE FUNCTION app.session_checksum(s app.webchat_sessions)
RETURNS bigint
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN app.checksum(concat_ws('|',
  s.id, s.tenant_id, s.workflow_id, s.user_id, s.session_key, app.microseconds(s.created_at),
  app.microseconds(s.updated_at), s.message_count, s.messages::text
));

CREATE OR REPLACE FUNCTION app.change_checksum(h app.row_history)
RETURNS bigint
LANGUAGE sql
STABLE
RETURN (
  SELECT app.checksum(concat_ws('|',
    app.change_id(h.seq), h.tenant_id, app.microseconds(h.recorded_at), h.xid, coalesce(t.actor, ''),
    coalesce(t.request_id, ''), h.table_name, h.action, coalesce(h.row_id::text, ''),
    coalesce(h.row_ids::text, ''), coalesce(h.old ->> 'user_id', ''), coalesce(h.old::text, '')
  ))
  FROM (SELECT) AS one LEFT JOIN app.recorded_transactions AS t ON t.tenant_id = h.tenant_id AND t.xid = h.xid
);

-- The stored size of a row, without fetching its TOAST values.
CREATE OR REPLACE FUNCTION app.execution_bytes(e app.workflow_executions)
RETURNS bigint
LANGUAGE sql
STABLE  -- as pg_column_size is
PARALLEL SAFE
RETURN 112 + coalesce(pg_column_size(e.n8n_execution_id), 0) + pg_column_size(e.status)
  + coalesce(pg_column_size(e.mode), 0)
  + coalesce(pg_column_size(e.error_message), 0) + coalesce(pg_column_size(e.execution_data), 0);
