-- Plans of archive files: which rows go into which file.

-- The rows of a row group of a file, and the bytes of text in a file, which a small machine can write and read. Python
-- has the same numbers, in flomastr/archive/parquet.py and compaction_job.py.
CREATE OR REPLACE FUNCTION app.rows_of_group()
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN 8192;

CREATE OR REPLACE FUNCTION app.text_bytes_of_file()
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN 64000000;

-- The bytes that an execution takes when it is written out: its texts, and 200 for all else.
CREATE OR REPLACE FUNCTION app.text_bytes(e app.workflow_executions)
RETURNS integer
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN 200 + coalesce(octet_length(e.error_message), 0) + coalesce(octet_length(e.execution_data::text), 0);

CREATE OR REPLACE FUNCTION app.month_of(id uuid)
RETURNS date
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN date_trunc('month', app.uuid7_moment(id) AT TIME ZONE 'UTC')::date;

-- Plans the files of a partition: one for each tenant and month, of at most 64 MB of text, so that a small machine can
-- write and read it. Returns how many.
CREATE OR REPLACE FUNCTION app.plan_partition(partition_name text, class integer, lower uuid, upper uuid)
RETURNS integer
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
  planned integer;
BEGIN
  INSERT INTO app.archive_files (
    tenant_id, source, month, origin, rows, bytes, text_bytes, checksum, first_id, last_id, row_group_min_ids
  )
  SELECT
    tenant_id, 'workflow_executions', month, plan_partition.partition_name, count(*), sum(bytes), sum(text_bytes),
    sum(checksum),
    (array_agg(id) FILTER (WHERE is_last))[1], (array_agg(id) FILTER (WHERE row_number = 1))[1],
    array_agg(id ORDER BY id DESC) FILTER (WHERE row_number % app.rows_of_group() = 0 OR is_last)
  FROM (
    SELECT *, row_number() OVER file AS row_number, lead(id) OVER file IS NULL AS is_last
    FROM (
      SELECT *, sum(text_bytes) OVER (PARTITION BY tenant_id ORDER BY id DESC) / app.text_bytes_of_file() AS piece
      FROM (
        SELECT
          e.tenant_id, e.id, app.month_of(e.id) AS month, app.execution_bytes(e) AS bytes,
          app.execution_checksum(e) AS checksum, app.text_bytes(e) AS text_bytes
        FROM app.workflow_executions AS e
        WHERE e.retention_class = class AND e.id >= lower AND e.id < upper
      ) AS measured
    ) AS cut
    WINDOW file AS (PARTITION BY tenant_id, month, piece ORDER BY id DESC)
  ) AS numbered
  GROUP BY tenant_id, month, piece;
  GET DIAGNOSTICS planned = ROW_COUNT;
  RETURN planned;
END
$$;

-- Plans one file for each tenant and month, and notes the checksum of each row: one that changes meanwhile stays.
CREATE OR REPLACE FUNCTION app.plan_rows(source text, origin text, measured app.measured_row[])
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
  planned integer;
BEGIN
  WITH leaving AS (
    SELECT *, row_number() OVER file AS row_number, lead(d.id) OVER file IS NULL AS is_last
    FROM (
      SELECT
        m.*, date_trunc('month', coalesce(m.recorded_at, app.uuid7_moment(m.id)) AT TIME ZONE 'UTC')::date AS month
      FROM unnest(measured) AS m
    ) AS d
    WINDOW file AS (PARTITION BY d.tenant_id, d.month ORDER BY d.id DESC)
  ),
  files AS (
    INSERT INTO app.archive_files AS f (
      tenant_id, source, month, origin, rows, bytes, text_bytes, checksum, first_id, last_id, row_group_min_ids,
      first_at, last_at
    )
    SELECT
      l.tenant_id, plan_rows.source, l.month, plan_rows.origin, count(*), sum(l.bytes), sum(l.text_bytes),
      sum(l.checksum),
      (array_agg(l.id) FILTER (WHERE l.is_last))[1], (array_agg(l.id) FILTER (WHERE l.row_number = 1))[1],
      array_agg(l.id ORDER BY l.id DESC) FILTER (WHERE l.row_number % app.rows_of_group() = 0 OR l.is_last),
      min(l.recorded_at), max(l.recorded_at)
    FROM leaving AS l
    GROUP BY l.tenant_id, l.month
    RETURNING f.id, f.tenant_id, f.month
  ),
  noted AS (
    INSERT INTO app.leaving_rows (tenant_id, file_id, id, checksum)
    SELECT l.tenant_id, f.id, l.id, l.checksum FROM leaving AS l JOIN files AS f USING (tenant_id, month)
  )
  SELECT count(*) INTO planned FROM files;
  RETURN planned;
END
$$;

-- The due rows of the overflow partition among the next so many that may be, oldest first, as many as one file may
-- carry, and none of these tenants. The others are not read. Says how far it came; NULL: to the end.
CREATE OR REPLACE FUNCTION app.plan_overflow_v2(
  moment timestamptz, most integer, origin text, without uuid[], after uuid, OUT planned integer, OUT reached uuid
)
LANGUAGE plpgsql
AS $$
DECLARE
  due record;
  row app.measured_row;
  measured app.measured_row[] := '{}';
  text_so_far bigint := 0;
  places_left integer := most;
BEGIN
  FOR due IN
    WITH candidates AS MATERIALIZED (
      SELECT * FROM app.due_candidates(moment) AS c
      WHERE c.retention_class = 0 AND c.id > after AND c.tenant_id <> ALL (without) ORDER BY c.id LIMIT most
    )
    SELECT c.tenant_id, c.id, c.bytes, c.newest IS NULL OR c.id < n.first_id AS is_due
    FROM candidates AS c
    LEFT JOIN (
      SELECT w.tenant_id, f.workflow_id, f.first_id
      FROM (
        SELECT k.tenant_id, k.newest, array_agg(DISTINCT k.workflow_id) AS ids
        FROM candidates AS k WHERE k.newest IS NOT NULL GROUP BY 1, 2
      ) AS w
      CROSS JOIN LATERAL app.first_ids(w.tenant_id, w.ids, w.newest) AS f
    ) AS n ON n.tenant_id = c.tenant_id AND n.workflow_id = c.workflow_id
    ORDER BY c.id
  LOOP
    places_left := places_left - 1;
    reached := due.id;
    CONTINUE WHEN NOT due.is_due;
    SELECT due.tenant_id, due.id, due.bytes, app.text_bytes(e), app.execution_checksum(e), NULL INTO row
    FROM app.workflow_executions AS e
    WHERE e.retention_class = 0 AND e.id = due.id AND e.tenant_id = due.tenant_id;
    CONTINUE WHEN NOT FOUND;  -- deleted or moved since the loop has begun
    measured := measured || row;
    text_so_far := text_so_far + row.text_bytes;
    EXIT WHEN text_so_far >= app.text_bytes_of_file();
  END LOOP;
  IF places_left > 0 AND text_so_far < app.text_bytes_of_file() THEN
    reached := NULL;
  END IF;
  planned := app.plan_rows('workflow_executions', origin, measured);
END
$$;

-- The same from the first on, for code of the release before.
CREATE OR REPLACE FUNCTION app.plan_overflow(moment timestamptz, most integer, origin text, without uuid[])
RETURNS integer
LANGUAGE sql
AS $$
  SELECT p.planned
  FROM app.plan_overflow_v2(moment, most, origin, without, '00000000-0000-0000-0000-000000000000') AS p
$$;

-- The next due chats, oldest first, and none of these tenants.
CREATE OR REPLACE FUNCTION app.plan_sessions_v2(moment timestamptz, most integer, origin text, without uuid[])
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
  due record;
  row app.measured_row;
  measured app.measured_row[] := '{}';
  text_so_far bigint := 0;
BEGIN
  FOR due IN
    SELECT * FROM app.due_sessions(moment) AS d WHERE d.tenant_id <> ALL (without) ORDER BY d.id LIMIT most
  LOOP
    SELECT due.tenant_id, due.id, due.bytes, octet_length(s.messages::text), app.session_checksum(s), NULL INTO row
    FROM app.webchat_sessions AS s WHERE s.id = due.id;
    CONTINUE WHEN NOT FOUND;  -- deleted or moved since the loop has begun
    measured := measured || row;
    text_so_far := text_so_far + row.text_bytes;
    EXIT WHEN text_so_far >= app.text_bytes_of_file();
  END LOOP;
  RETURN app.plan_rows('webchat_sessions', origin, measured);
END
$$;

-- The same for code of the release before.
CREATE OR REPLACE FUNCTION app.plan_sessions(moment timestamptz, most integer, origin text)
RETURNS integer
LANGUAGE sql
AS $$ SELECT app.plan_sessions_v2(moment, most, origin, '{}') $$;

-- The next due history of rows, one tenant after the other, so that few files have it, and none of these tenants.
CREATE OR REPLACE FUNCTION app.plan_history(moment timestamptz, most integer, origin text, without uuid[])
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
  due record;
  row app.measured_row;
  measured app.measured_row[] := '{}';
  text_so_far bigint := 0;
BEGIN
  FOR due IN
    SELECT * FROM app.due_history(moment) AS d
    WHERE d.tenant_id <> ALL (without) ORDER BY d.tenant_id, d.seq LIMIT most
  LOOP
    SELECT
      due.tenant_id, app.change_id(due.seq), due.bytes,
      200 + coalesce(octet_length(h.row_ids::text), 0) + coalesce(octet_length(h.old::text), 0),
      app.change_checksum(h), h.recorded_at
    INTO row
    FROM app.row_history AS h WHERE h.tenant_id = due.tenant_id AND h.seq = due.seq;
    CONTINUE WHEN NOT FOUND;  -- deleted or moved since the loop has begun
    measured := measured || row;
    text_so_far := text_so_far + row.text_bytes;
    EXIT WHEN text_so_far >= app.text_bytes_of_file();
  END LOOP;
  RETURN app.plan_rows('row_history', origin, measured);
END
$$;
