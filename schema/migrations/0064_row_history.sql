-- The history of rows: what was inserted, and how rows were before each update and deletion. It tells who changed what,
-- and from it a tenant is brought back to a past moment.

CREATE SEQUENCE app.row_history_seq;
CREATE TABLE app.row_history (
  seq bigint NOT NULL DEFAULT nextval('app.row_history_seq'),  -- of one row in the order of its changes
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),  -- partition key
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  tenant_id uuid NOT NULL,
  table_name text NOT NULL,
  action text NOT NULL CHECK (action IN ('insert', 'update', 'delete')),
  row_id uuid,
  row_ids uuid[],  -- in place of row_id, of a statement that inserted several
  old jsonb,  -- of an update the columns that it changed, under in_part parts of long ones; of a deletion all
  CHECK ((row_id IS NULL) <> (row_ids IS NULL))
) PARTITION BY RANGE (recorded_at);
ALTER SEQUENCE app.row_history_seq OWNED BY app.row_history.seq;
CREATE INDEX row_history_tenant_id ON app.row_history (tenant_id, seq);
CREATE INDEX row_history_row_id ON app.row_history (tenant_id, row_id, seq) WHERE row_id IS NOT NULL;
CALL app.isolate('app.row_history');
REVOKE INSERT, UPDATE, DELETE ON app.row_history FROM flo_app;
CREATE POLICY access ON app.row_history TO flo_owner USING (true) WITH CHECK (true);  -- the triggers write
CALL app.open_to_jobs('app.row_history', 'SELECT, DELETE');

-- Weeks that app.create_history_partitions makes ahead. What finds none goes here, so that no write ever fails.
CREATE TABLE app.row_history_overflow PARTITION OF app.row_history DEFAULT;
ALTER TABLE app.row_history_overflow ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

-- The transactions that wrote history, of each tenant: who, and when it was committed, which no column default knows.
CREATE TABLE app.recorded_transactions (
  tenant_id uuid NOT NULL,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  first_seq bigint NOT NULL,
  actor text NOT NULL DEFAULT coalesce(nullif(current_setting('app.actor', true), ''), 'job:' || session_user),
  request_id text DEFAULT nullif(current_setting('app.request_id', true), ''),
  committed_at timestamptz,  -- NULL only within the transaction
  PRIMARY KEY (tenant_id, xid)
) WITH (fillfactor = 80);
CREATE INDEX recorded_transactions_committed_at ON app.recorded_transactions USING brin (committed_at);  -- which expire
CALL app.isolate('app.recorded_transactions');
REVOKE INSERT, UPDATE, DELETE ON app.recorded_transactions FROM flo_app;
CREATE POLICY access ON app.recorded_transactions TO flo_owner USING (true) WITH CHECK (true);
CALL app.open_to_jobs('app.recorded_transactions', 'SELECT, DELETE');

-- Deferred to the commit: whoever sees what a transaction wrote has a later moment.
CREATE FUNCTION app.note_commit()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE app.recorded_transactions AS t SET committed_at = clock_timestamp()
  WHERE t.tenant_id = new.tenant_id AND t.xid = new.xid;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION app.note_commit FROM PUBLIC;
CREATE CONSTRAINT TRIGGER note_commit AFTER INSERT ON app.recorded_transactions
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.note_commit();

-- The part of a long value that an update changed, so that a chat is not stored again with each message: of a list that
-- grew at its end how many it had (`first`), of an object the members that changed and the names of new ones (`added`).
-- NULL where the whole is to be kept.
CREATE FUNCTION app.changed_part(before jsonb, after jsonb)
RETURNS jsonb
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
DECLARE
  first integer;
BEGIN
  IF pg_column_size(before) < 1000 OR jsonb_typeof(before) IS DISTINCT FROM jsonb_typeof(after) THEN
    RETURN NULL;
  ELSIF jsonb_typeof(before) = 'object' THEN
    RETURN jsonb_build_object(
      'members', (
        SELECT coalesce(jsonb_object_agg(b.key, b.value), '{}') FROM jsonb_each(before) AS b
        WHERE b.value IS DISTINCT FROM after -> b.key
      ),
      'added', (
        SELECT coalesce(jsonb_agg(a.key), '[]') FROM jsonb_object_keys(after) AS a (key) WHERE NOT before ? a.key
      )
    );
  ELSIF jsonb_typeof(before) = 'array' THEN
    first := jsonb_array_length(before);
    RETURN CASE WHEN before = jsonb_path_query_array(after, '$[0 to $last]', jsonb_build_object('last', first - 1))
      THEN jsonb_build_object('first', first) END;
  END IF;
  RETURN NULL;
END
$$;

-- Writes the history of a statement. Arguments: columns that are no content, and columns that every image has. What
-- only changes its tier or its partition (app.archiving, app.moving), a copy of an archived execution, and what an
-- erasure deletes have none.
CREATE FUNCTION app.record_history()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  ignored text[] := TG_ARGV[0];
  kept text[] := TG_ARGV[1];
BEGIN
  IF TG_OP = 'INSERT' AND current_setting('app.rehydrating', true) = 'on' OR TG_OP = 'DELETE' AND 'on' IN (
    current_setting('app.erasing', true), current_setting('app.archiving', true), current_setting('app.moving', true)
  ) THEN
    RETURN NULL;
  END IF;
  IF TG_OP = 'INSERT' THEN
    WITH recorded AS (
      INSERT INTO app.row_history AS h (tenant_id, table_name, action, row_id, row_ids)
      SELECT w.tenant_id, TG_TABLE_NAME, 'insert', CASE count(*) WHEN 1 THEN (array_agg(w.id))[1] END,
        CASE WHEN count(*) > 1 THEN array_agg(w.id) END
      FROM written AS w WHERE w.tenant_id IS NOT NULL GROUP BY w.tenant_id
      RETURNING h.tenant_id, h.seq
    )
    INSERT INTO app.recorded_transactions (tenant_id, first_seq)
    SELECT r.tenant_id, r.seq FROM recorded AS r
    ON CONFLICT DO NOTHING;
  ELSIF TG_OP = 'UPDATE' THEN
    WITH recorded AS (
      INSERT INTO app.row_history AS h (tenant_id, table_name, action, row_id, old)
      SELECT s.tenant_id, TG_TABLE_NAME, 'update', s.id, d.old
      FROM stored AS s
      JOIN written AS w ON w.id = s.id
      CROSS JOIN LATERAL (SELECT to_jsonb(s) - ignored AS before, to_jsonb(w) - ignored AS after OFFSET 0) AS i
      CROSS JOIN LATERAL (
        SELECT
          coalesce(jsonb_object_agg(b.key, b.value) FILTER (WHERE p.part IS NULL), '{}') || CASE
            WHEN bool_or(p.part IS NOT NULL) THEN jsonb_build_object(
              'in_part', jsonb_object_agg(b.key, p.part) FILTER (WHERE p.part IS NOT NULL)
            ) ELSE '{}'
          END AS old
        FROM jsonb_each(i.before) AS b
        CROSS JOIN LATERAL (SELECT app.changed_part(b.value, i.after -> b.key) AS part OFFSET 0) AS p
        WHERE b.value <> i.after -> b.key OR b.key = ANY (kept)
      ) AS d
      WHERE s.tenant_id IS NOT NULL AND i.before <> i.after
      RETURNING h.tenant_id, h.seq
    )
    INSERT INTO app.recorded_transactions (tenant_id, first_seq)
    SELECT r.tenant_id, min(r.seq) FROM recorded AS r GROUP BY r.tenant_id
    ON CONFLICT DO NOTHING;
  ELSE
    WITH recorded AS (
      INSERT INTO app.row_history AS h (tenant_id, table_name, action, row_id, old)
      SELECT s.tenant_id, TG_TABLE_NAME, 'delete', s.id, to_jsonb(s) - ignored
      FROM stored AS s WHERE s.tenant_id IS NOT NULL
      RETURNING h.tenant_id, h.seq
    )
    INSERT INTO app.recorded_transactions (tenant_id, first_seq)
    SELECT r.tenant_id, min(r.seq) FROM recorded AS r GROUP BY r.tenant_id
    ON CONFLICT DO NOTHING;
  END IF;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION app.record_history FROM PUBLIC;

-- Whether two stored values are one, which an update has not written again. Looks at neither of them: false of small
-- values, and before Postgres 17.
CREATE FUNCTION app.is_same_stored(one jsonb, other jsonb)
RETURNS boolean
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
  IF current_setting('server_version_num')::integer >= 170000 THEN
    RETURN coalesce(pg_column_toast_chunk_id(one) = pg_column_toast_chunk_id(other), false)
      AND pg_column_size(one) = pg_column_size(other);
  END IF;
  RETURN false;
END
$$;

-- Writes the history of an update of executions as app.record_history does. Their data are not read if the update left
-- them as they were, so the other columns that are content stand here by name.
CREATE FUNCTION app.record_execution_update()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  WITH recorded AS (
    INSERT INTO app.row_history AS h (tenant_id, table_name, action, row_id, old)
    SELECT s.tenant_id, TG_TABLE_NAME, 'update', s.id, i.old
    FROM stored AS s
    JOIN written AS w ON w.id = s.id
    CROSS JOIN LATERAL (
      SELECT
        CASE WHEN s.workflow_id <> w.workflow_id THEN jsonb_build_object('workflow_id', s.workflow_id) ELSE '{}' END
        || CASE WHEN s.n8n_execution_id IS DISTINCT FROM w.n8n_execution_id
          THEN jsonb_build_object('n8n_execution_id', s.n8n_execution_id) ELSE '{}' END
        || CASE WHEN s.status <> w.status THEN jsonb_build_object('status', s.status) ELSE '{}' END
        || CASE WHEN s.started_at <> w.started_at THEN jsonb_build_object('started_at', s.started_at) ELSE '{}' END
        || CASE WHEN s.finished_at IS DISTINCT FROM w.finished_at
          THEN jsonb_build_object('finished_at', s.finished_at) ELSE '{}' END
        || CASE WHEN s.error_message IS DISTINCT FROM w.error_message
          THEN jsonb_build_object('error_message', s.error_message) ELSE '{}' END
        || CASE WHEN s.created_at <> w.created_at THEN jsonb_build_object('created_at', s.created_at) ELSE '{}' END
        || CASE
          WHEN pg_column_size(s.execution_data) > 1000 AND app.is_same_stored(s.execution_data, w.execution_data)
            OR s.execution_data IS NOT DISTINCT FROM w.execution_data THEN '{}'
          ELSE jsonb_build_object('execution_data', s.execution_data)
        END AS old
      OFFSET 0
    ) AS i
    WHERE s.tenant_id IS NOT NULL AND i.old <> '{}'
    RETURNING h.tenant_id, h.seq
  )
  INSERT INTO app.recorded_transactions (tenant_id, first_seq)
  SELECT r.tenant_id, min(r.seq) FROM recorded AS r GROUP BY r.tenant_id
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION app.record_execution_update FROM PUBLIC;

CREATE PROCEDURE app.keep_history(recorded regclass, ignored text[] DEFAULT '{}', kept text[] DEFAULT '{}')
LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER record_inserted AFTER INSERT ON %s REFERENCING NEW TABLE AS written'
    ' FOR EACH STATEMENT EXECUTE FUNCTION app.record_history(%L, %L)', recorded, ignored, kept);
  EXECUTE format('CREATE TRIGGER record_updated AFTER UPDATE ON %s REFERENCING OLD TABLE AS stored NEW TABLE AS written'
    ' FOR EACH STATEMENT EXECUTE FUNCTION app.record_history(%L, %L)', recorded, ignored, kept);
  EXECUTE format('CREATE TRIGGER record_deleted AFTER DELETE ON %s REFERENCING OLD TABLE AS stored'
    ' FOR EACH STATEMENT EXECUTE FUNCTION app.record_history(%L, %L)', recorded, ignored, kept);
END
$$;
REVOKE ALL ON PROCEDURE app.keep_history FROM PUBLIC;

-- Every image names the person that it is of, so that an erasure finds it.
CALL app.keep_history('app.workflows');
CALL app.keep_history('app.workflow_executions', '{retention_class,mode}');
DROP TRIGGER IF EXISTS record_updated ON app.workflow_executions;
CREATE TRIGGER record_updated AFTER UPDATE ON app.workflow_executions
REFERENCING OLD TABLE AS stored NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION app.record_execution_update();
CALL app.keep_history('app.webchat_sessions', '{message_count}', '{user_id}');
CALL app.keep_history('app.user_preferences', '{}', '{user_id}');
CALL app.keep_history('app.tenant_memberships', '{}', '{user_id}');
