-- Written by `python -m dev schema`. What is edited is in schema/migrations and schema/functions.

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

CREATE SCHEMA app;

ALTER SCHEMA app OWNER TO flomastr_admin;

CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;

COMMENT ON EXTENSION vector IS 'vector data type and ivfflat and hnsw access methods';

CREATE TYPE app.document_state AS (
	status text,
	reason text,
	etag text
);

ALTER TYPE app.document_state OWNER TO flo_owner;

CREATE TYPE app.histogram AS (
	keys smallint[],
	upto integer[]
);

ALTER TYPE app.histogram OWNER TO flo_owner;

CREATE TYPE app.measured_row AS (
	tenant_id uuid,
	id uuid,
	bytes bigint,
	text_bytes bigint,
	checksum bigint,
	recorded_at timestamp with time zone
);

ALTER TYPE app.measured_row OWNER TO flo_owner;

CREATE FUNCTION app.execution_mode(execution_data jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN "left"((execution_data ->> 'mode'::text), 255);

ALTER FUNCTION app.execution_mode(execution_data jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.execution_rank(status text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN array_position('{new,running,waiting,unknown,crashed,canceled,error,success}'::text[], status);

ALTER FUNCTION app.execution_rank(status text) OWNER TO flo_owner;

CREATE FUNCTION app.tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid;

ALTER FUNCTION app.tenant() OWNER TO flo_owner;

SET default_tablespace = '';

CREATE TABLE app.workflow_executions (
    retention_class smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    workflow_id uuid NOT NULL,
    n8n_execution_id text,
    status text DEFAULT 'running'::text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    execution_data jsonb,
    error_message text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    mode text GENERATED ALWAYS AS (app.execution_mode(execution_data)) STORED,
    CONSTRAINT workflow_executions_n8n_execution_id_check CHECK (((length(n8n_execution_id) >= 1) AND (length(n8n_execution_id) <= 255))),
    CONSTRAINT workflow_executions_status_check CHECK ((app.execution_rank(status) IS NOT NULL))
)
PARTITION BY LIST (retention_class);
ALTER TABLE ONLY app.workflow_executions ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.workflow_executions FORCE ROW LEVEL SECURITY;

ALTER TABLE app.workflow_executions OWNER TO flo_owner;

CREATE TYPE app.merged_delivery AS (
	ordinal bigint,
	n8n_execution_id text,
	outcome text,
	rejection text,
	known boolean,
	execution app.workflow_executions,
	reset tstzrange
);

ALTER TYPE app.merged_delivery OWNER TO flo_owner;

CREATE TYPE app.model_progress AS (
	knowledge_base_id uuid,
	embedding_model text,
	is_active boolean,
	documents bigint,
	embedded bigint,
	failed bigint,
	created_at timestamp with time zone
);

ALTER TYPE app.model_progress OWNER TO flo_owner;

CREATE TYPE app.passage_filter AS (
	documents text[],
	contained jsonb,
	condition jsonpath
);

ALTER TYPE app.passage_filter OWNER TO flo_owner;

CREATE TYPE app.planned_row AS (
	table_name text,
	id uuid,
	action text,
	image jsonb,
	present jsonb,
	seqs bigint[]
);

ALTER TYPE app.planned_row OWNER TO flo_owner;

CREATE TYPE app.recorded_event AS (
	n8n_execution_id text,
	n8n_workflow_id text,
	id uuid,
	outcome text,
	error text,
	restarted boolean
);

ALTER TYPE app.recorded_event OWNER TO flo_owner;

CREATE FUNCTION app.uuid7(moment timestamp with time zone DEFAULT clock_timestamp(), entropy uuid DEFAULT gen_random_uuid()) RETURNS uuid
    LANGUAGE sql PARALLEL SAFE
    RETURN (WITH timed AS (SELECT OVERLAY(uuid_send(uuid7.entropy) PLACING SUBSTRING(int8send((floor((EXTRACT(epoch FROM uuid7.moment) * (1000)::numeric)))::bigint) FROM 3) FROM 1) AS bytes), versioned AS (SELECT set_byte(set_byte(timed.bytes, 6, ((get_byte(timed.bytes, 6) & 15) | 112)), 8, ((get_byte(timed.bytes, 8) & 63) | 128)) AS bytes FROM timed) SELECT (encode(versioned.bytes, 'hex'::text))::uuid AS encode FROM versioned);

ALTER FUNCTION app.uuid7(moment timestamp with time zone, entropy uuid) OWNER TO flo_owner;

SET default_table_access_method = heap;

CREATE TABLE app.tenant_memberships (
    id uuid DEFAULT app.uuid7() NOT NULL,
    tenant_id uuid NOT NULL,
    user_id text NOT NULL,
    role text DEFAULT 'member'::text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone,
    CONSTRAINT tenant_memberships_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text]))),
    CONSTRAINT tenant_memberships_status_check CHECK ((status = ANY (ARRAY['active'::text, 'pending'::text, 'inactive'::text]))),
    CONSTRAINT tenant_memberships_user_id_check CHECK (((length(user_id) >= 1) AND (length(user_id) <= 255)))
);
ALTER TABLE ONLY app.tenant_memberships ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.tenant_memberships FORCE ROW LEVEL SECURITY;

ALTER TABLE app.tenant_memberships OWNER TO flo_owner;

CREATE FUNCTION app.accept_invitation() RETURNS SETOF app.tenant_memberships
    LANGUAGE plpgsql
    AS $$
DECLARE
  mine text[] := ARRAY[app.person(), app.invited_person()];
  chosen app.tenant_memberships;
BEGIN
  SELECT * INTO chosen FROM app.tenant_memberships AS m
  WHERE m.status = 'pending' AND m.user_id = ANY (mine)
  ORDER BY app.rank(m.role) DESC, m.id LIMIT 1 FOR UPDATE;
  IF EXISTS (
    SELECT FROM app.invitations AS i
    LEFT JOIN app.tenant_memberships AS m
      ON m.tenant_id = i.tenant_id AND m.user_id = i.invited_by AND m.status = 'active'
    WHERE i.tenant_id = chosen.tenant_id AND i.user_id = chosen.user_id AND i.invited_by IS NOT NULL
      AND app.rank(m.role) < greatest(app.rank(chosen.role), app.rank('admin'))
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'invitation_is_void',
      message = 'Who invited you may not give this role any more. Ask for a new invitation.';
  END IF;
  DELETE FROM app.tenant_memberships AS m WHERE m.status = 'pending' AND m.user_id = ANY (mine) AND m.id <> chosen.id;
  DELETE FROM app.invitations AS i WHERE i.user_id = chosen.user_id;
  RETURN QUERY
  UPDATE app.tenant_memberships AS m SET role = chosen.role, status = 'active', updated_at = now()
  WHERE m.user_id = app.person() AND m.status = 'inactive' AND chosen.id IS NOT NULL RETURNING *;
  IF FOUND THEN  -- removed under a legal hold, and invited again by e-mail
    DELETE FROM app.tenant_memberships AS m WHERE m.id = chosen.id;
    RETURN;
  END IF;
  RETURN QUERY
  UPDATE app.tenant_memberships AS m SET user_id = app.person(), status = 'active', updated_at = now()
  WHERE m.id = chosen.id RETURNING *;
END
$$;

ALTER FUNCTION app.accept_invitation() OWNER TO flo_owner;

CREATE FUNCTION app.activate_model(base uuid, model text) RETURNS SETOF app.model_progress
    LANGUAGE plpgsql
    AS $$
DECLARE
  missing record;
BEGIN
  PERFORM app.lock_knowledge_base(base);
  IF NOT EXISTS (
    SELECT FROM app.knowledge_base_models AS m WHERE m.knowledge_base_id = base AND m.embedding_model = model
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found',
      message = 'The knowledge base has no such model.';
  END IF;
  SELECT
    count(*) FILTER (WHERE new.status = 'processing') AS pending,
    count(*) FILTER (WHERE new.status = 'failed') AS failed
  INTO missing
  FROM app.embedding_tasks AS new
  JOIN app.knowledge_base_models AS m ON m.knowledge_base_id = base AND m.is_active
  JOIN app.embedding_tasks AS old ON old.document_id = new.document_id AND old.embedding_model = m.embedding_model
  WHERE new.knowledge_base_id = base AND new.embedding_model = model
    AND old.status = 'embedded';  -- what would no longer be found
  IF missing.pending + missing.failed > 0 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'model_incomplete', message = format(
      'Of the documents that are found now, %s wait for this model, and %s are among its dead letters. '
      'GET .../models shows its progress.', missing.pending, missing.failed
    );
  END IF;
  INSERT INTO app.embeddings (  -- passages that neither model has embedded: the active one has a row of each
    id, knowledge_base_id, chunk_text, chunk_metadata, document_name, chunk_index, embedding_model
  )
  SELECT e.id, base, e.chunk_text, e.chunk_metadata, e.document_name, e.chunk_index, model
  FROM app.embeddings AS e
  JOIN app.knowledge_base_models AS m
    ON m.knowledge_base_id = base AND m.is_active AND m.embedding_model = e.embedding_model
  WHERE e.knowledge_base_id = base AND NOT EXISTS (
    SELECT FROM app.embeddings AS o WHERE o.tenant_id = e.tenant_id AND o.id = e.id AND o.embedding_model = model
  )
  ON CONFLICT DO NOTHING;
  UPDATE app.knowledge_base_models AS m SET is_active = false
  WHERE m.knowledge_base_id = base AND m.is_active AND m.embedding_model <> model;
  UPDATE app.knowledge_base_models AS m SET is_active = true
  WHERE m.knowledge_base_id = base AND m.embedding_model = model AND NOT m.is_active;
  RETURN QUERY SELECT * FROM app.models_of(base);
END
$$;

ALTER FUNCTION app.activate_model(base uuid, model text) OWNER TO flo_owner;

CREATE FUNCTION app.person() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN NULLIF(current_setting('app.person'::text, true), ''::text);

ALTER FUNCTION app.person() OWNER TO flo_owner;

CREATE FUNCTION app.role() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN NULLIF(current_setting('app.role'::text, true), ''::text);

ALTER FUNCTION app.role() OWNER TO flo_owner;

CREATE FUNCTION app.acts_for(user_id text) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (COALESCE((user_id = app.person()), false) OR ((app.tenant() IS NOT NULL) AND COALESCE((app.role() = ANY (ARRAY['key'::text, 'admin'::text, 'owner'::text, 'super_admin'::text])), false)));

ALTER FUNCTION app.acts_for(user_id text) OWNER TO flo_owner;

CREATE FUNCTION app.add_archived_deltas(tenant uuid, archived jsonb) RETURNS void
    LANGUAGE sql
    AS $$
  INSERT INTO app.execution_deltas (
    tenant_id, workflow_id, quarter, status, mode_class, microseconds, n8n_execution_id, retried, runs
  )
  SELECT
    tenant, a.workflow_id, to_timestamp(a.quarter), a.status, app.mode_class(a.mode), a.microseconds, a.failed,
    a.retried, a.runs
  FROM jsonb_to_recordset(archived) AS a (
    workflow_id uuid, quarter bigint, status text, mode text, microseconds bigint, failed text, retried text,
    runs integer
  )
  WHERE to_timestamp(a.quarter) >= coalesce(
    (SELECT s.kept_before FROM app.rollup_settings AS s WHERE s.tenant_id = tenant), '-infinity'
  )
$$;

ALTER FUNCTION app.add_archived_deltas(tenant uuid, archived jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.add_bytes(bytes bigint, value jsonb, most integer) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
BEGIN
  RETURN CASE WHEN bytes > most THEN bytes ELSE bytes + coalesce(octet_length(value::text), 0) END;
END
$$;

ALTER FUNCTION app.add_bytes(bytes bigint, value jsonb, most integer) OWNER TO flo_owner;

CREATE FUNCTION app.add_data_bytes(bytes bigint, value jsonb, most integer) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
BEGIN
  RETURN CASE WHEN bytes > most THEN bytes
    ELSE bytes + least(coalesce(app.object_size(value, 'bytes'), octet_length(value::text), 0), 1000000000)::bigint
  END;
END
$$;

ALTER FUNCTION app.add_data_bytes(bytes bigint, value jsonb, most integer) OWNER TO flo_owner;

CREATE FUNCTION app.add_model(base uuid, model text) RETURNS SETOF app.model_progress
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM app.lock_knowledge_base(base);
  INSERT INTO app.knowledge_base_models (knowledge_base_id, embedding_model, is_active) VALUES (base, model, false);
  INSERT INTO app.embedding_tasks (knowledge_base_id, document_id, embedding_model, status, queued_at)
  SELECT base, d.id, model, CASE d.chunk_count WHEN 0 THEN 'embedded' ELSE 'processing' END, NULL
  FROM app.documents AS d WHERE d.knowledge_base_id = base;
  RETURN QUERY SELECT * FROM app.models_of(base);
END
$$;

ALTER FUNCTION app.add_model(base uuid, model text) OWNER TO flo_owner;

CREATE PROCEDURE app.add_partition(IN class_table text, IN partition_name text, IN lower_bound text, IN upper_bound text)
    LANGUAGE plpgsql
    AS $$
BEGIN
  EXECUTE format('CREATE TABLE app.%I (LIKE app.workflow_executions INCLUDING ALL)', partition_name);
  EXECUTE format('ALTER TABLE app.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', partition_name);
  EXECUTE format('CREATE INDEX ON app.%I (tenant_id, n8n_execution_id)', partition_name);
  CALL app.plan_for_large_tenants(format('app.%I', partition_name));
  EXECUTE format('ALTER TABLE app.%I ATTACH PARTITION app.%I FOR VALUES FROM (%s) TO (%s)',
    class_table, partition_name, lower_bound, upper_bound);
END
$$;

ALTER PROCEDURE app.add_partition(IN class_table text, IN partition_name text, IN lower_bound text, IN upper_bound text) OWNER TO flo_owner;

CREATE TABLE app.execution_deltas (
    tenant_id uuid NOT NULL,
    workflow_id uuid NOT NULL,
    quarter timestamp with time zone NOT NULL,
    status text NOT NULL,
    mode_class text NOT NULL,
    microseconds bigint,
    n8n_execution_id text,
    retried text,
    runs integer NOT NULL
);
ALTER TABLE ONLY app.execution_deltas ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.execution_deltas FORCE ROW LEVEL SECURITY;

ALTER TABLE app.execution_deltas OWNER TO flo_owner;

CREATE FUNCTION app.add_recovered(recoveries app.execution_deltas[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  changed app.execution_rollups[];
BEGIN
  WITH placed AS (
    SELECT d.tenant_id, p.grain, p.workflow_id, p.bucket_start, d.status, d.mode_class, sum(d.runs) AS recovered
    FROM unnest(recoveries) AS d
    CROSS JOIN LATERAL (SELECT app.rollup_zone(d.tenant_id)) AS z (zone)
    CROSS JOIN LATERAL (
      VALUES
      ('quarter', '00000000-0000-0000-0000-000000000000'::uuid, d.quarter),
      ('hour', d.workflow_id, date_trunc('hour', d.quarter, z.zone)),
      ('day', '00000000-0000-0000-0000-000000000000'::uuid, date_trunc('day', d.quarter, z.zone)),
      ('day', d.workflow_id, date_trunc('day', d.quarter, z.zone))
    ) AS p (grain, workflow_id, bucket_start)
    GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(d.runs) <> 0
  ),
  written AS (
    INSERT INTO app.execution_rollups AS r (
      tenant_id, grain, workflow_id, bucket_start, status, mode_class, runs, recovered, timed, microseconds,
      duration_keys, duration_upto
    )
    SELECT tenant_id, grain, workflow_id, bucket_start, status, mode_class, 0, recovered, 0, 0, '{}', '{}' FROM placed
    ON CONFLICT (tenant_id, grain, workflow_id, bucket_start, status, mode_class)
    DO UPDATE SET recovered = r.recovered + excluded.recovered
    RETURNING r.*
  )
  SELECT array_agg(w) INTO changed FROM written AS w WHERE w.runs = 0 AND w.recovered = 0 AND w.duration_keys = '{}';
  DELETE FROM app.execution_rollups AS r USING unnest(changed) AS c
  WHERE (r.tenant_id, r.grain, r.workflow_id, r.bucket_start, r.status, r.mode_class)
    = (c.tenant_id, c.grain, c.workflow_id, c.bucket_start, c.status, c.mode_class);
END
$$;

ALTER FUNCTION app.add_recovered(recoveries app.execution_deltas[]) OWNER TO flo_owner;

CREATE FUNCTION app.analytics_frame(bucket text, asked_from timestamp with time zone, asked_to timestamp with time zone, asked_zone text, of_workflows boolean, most_buckets integer, OUT starts timestamp with time zone, OUT ends timestamp with time zone, OUT zone text, OUT days_from timestamp with time zone, OUT days_until timestamp with time zone, OUT hours_align boolean, OUT as_of timestamp with time zone) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  built_in text := app.rollup_zone(app.tenant());
BEGIN
  zone := app.require_time_zone('query.time_zone', coalesce(asked_zone, built_in));
  as_of := (SELECT p.folded_at FROM app.rollup_progress AS p);
  asked_to := coalesce(asked_to, (date_trunc('day', now() AT TIME ZONE zone) + interval '1 day') AT TIME ZONE zone);
  asked_from := coalesce(asked_from, (asked_to AT TIME ZONE zone - interval '30 days') AT TIME ZONE zone);
  IF asked_to <= asked_from THEN
    RAISE EXCEPTION USING errcode = 'FL422', constraint = 'invalid_value',
      message = 'query.to: must be later than from.';
  ELSIF (asked_to - asked_from) / most_buckets > ('1 ' || bucket)::interval THEN
    RAISE EXCEPTION USING errcode = 'FL422', constraint = 'invalid_value',
      message = format(
        'query.bucket: there would be more than %s buckets: choose a larger bucket or a shorter time.', most_buckets
      );
  END IF;
  hours_align := zone = built_in OR NOT EXISTS (
    SELECT FROM generate_series(asked_from, asked_to + interval '1 day', interval '1 day') AS day
    WHERE date_trunc('hour', day, zone) <> date_trunc('hour', day, built_in)
  );
  IF of_workflows AND NOT hours_align THEN
    RAISE EXCEPTION USING errcode = 'FL422', constraint = 'invalid_value', message = format(
      'query.time_zone: workflows are counted by hours of %s, which are no hours of %s: '
      'choose another zone, or ask for all workflows.',
      built_in, zone
    );
  END IF;
  IF of_workflows THEN
    starts := date_trunc('hour', asked_from, built_in);
    ends := date_trunc('hour', asked_to + interval '1 hour' - interval '1 microsecond', built_in);
  ELSE
    starts := date_bin('15 minutes', asked_from, 'epoch');
    ends := date_bin('15 minutes', asked_to + interval '15 minutes' - interval '1 microsecond', 'epoch');
  END IF;
  hours_align := hours_align AND starts = date_trunc('hour', starts, built_in)
    AND ends = date_trunc('hour', ends, built_in);
  days_from := ends;
  days_until := ends;
  IF zone = built_in AND bucket <> 'hour' THEN
    days_from := date_trunc('day', starts, zone);
    IF days_from < starts THEN
      days_from := (days_from AT TIME ZONE zone + interval '1 day') AT TIME ZONE zone;
    END IF;
    IF EXISTS (
      SELECT FROM app.execution_rollups AS r
      WHERE r.tenant_id = app.tenant() AND r.grain = 'quarter'
        AND r.workflow_id = '00000000-0000-0000-0000-000000000000' AND r.bucket_start >= ends
    ) THEN
      days_until := greatest(date_trunc('day', ends, zone), days_from);
    END IF;
  END IF;
END
$$;

ALTER FUNCTION app.analytics_frame(bucket text, asked_from timestamp with time zone, asked_to timestamp with time zone, asked_zone text, of_workflows boolean, most_buckets integer, OUT starts timestamp with time zone, OUT ends timestamp with time zone, OUT zone text, OUT days_from timestamp with time zone, OUT days_until timestamp with time zone, OUT hours_align boolean, OUT as_of timestamp with time zone) OWNER TO flo_owner;

CREATE FUNCTION app.append_messages(key text, appended jsonb, OUT numbered jsonb, OUT total integer) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE
  session record;
  moment timestamptz;
  bytes integer;
BEGIN
  SELECT s.id, s.messages, s.message_count INTO session
  FROM app.webchat_sessions AS s WHERE s.session_key = key FOR NO KEY UPDATE;
  PERFORM app.require_found(FOUND);
  moment := clock_timestamp();  -- after the wait for the row's lock
  SELECT jsonb_agg(
    m.message || jsonb_build_object('id', session.message_count + m.ordinal, 'created_at', moment) ORDER BY m.ordinal
  )
  INTO numbered
  FROM jsonb_array_elements(appended) WITH ORDINALITY AS m (message, ordinal);
  total := session.message_count + jsonb_array_length(numbered);
  bytes := octet_length((session.messages || numbered)::text);
  IF total > 1000 OR bytes > 1000000 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'session_full',
      message = format(
        'The session would have %s messages and %s bytes, and may have 1000 and 1000000. '
        'Send less, or delete the session and open it anew.', total, bytes
      );
  END IF;
  UPDATE app.webchat_sessions AS s SET messages = s.messages || numbered, updated_at = moment WHERE s.id = session.id;
END
$$;

ALTER FUNCTION app.append_messages(key text, appended jsonb, OUT numbered jsonb, OUT total integer) OWNER TO flo_owner;

CREATE TABLE app.recoveries (
    id uuid DEFAULT app.uuid7() NOT NULL,
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    at timestamp with time zone,
    of_transaction xid8,
    tables text[] NOT NULL,
    row_ids uuid[],
    undone_id uuid,
    since pg_snapshot NOT NULL,
    is_exact boolean NOT NULL,
    seen pg_snapshot DEFAULT pg_current_snapshot() NOT NULL,
    counts jsonb DEFAULT '{}'::jsonb NOT NULL,
    plan_hash text,
    swept_along bigint DEFAULT 0 NOT NULL,
    state text DEFAULT 'previewed'::text NOT NULL,
    reason text,
    requested_by text DEFAULT current_setting('app.actor'::text) NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    applied_by text,
    applied_at timestamp with time zone,
    applied_xid xid8,
    error text,
    attempts smallint DEFAULT 0 NOT NULL,
    CONSTRAINT recoveries_check CHECK (((at IS NULL) <> (of_transaction IS NULL))),
    CONSTRAINT recoveries_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 1000))),
    CONSTRAINT recoveries_state_check CHECK ((state = ANY (ARRAY['previewed'::text, 'pending'::text, 'done'::text, 'failed'::text]))),
    CONSTRAINT recoveries_tables_check CHECK ((cardinality(tables) > 0))
);
ALTER TABLE ONLY app.recoveries ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.recoveries FORCE ROW LEVEL SECURITY;

ALTER TABLE app.recoveries OWNER TO flo_owner;

CREATE FUNCTION app.apply_recovery(recovery uuid) RETURNS SETOF app.recoveries
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  r app.recoveries;
  plan app.planned_row[];
  of_table text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('app.recovery ' || app.tenant(), 0));
  SELECT * INTO r FROM app.recoveries AS f WHERE f.id = recovery AND f.state IN ('previewed', 'pending') FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'wrong_state',
      message = 'The recovery is done or has failed.';
  END IF;
  INSERT INTO app.restore_points (tenant_id, reason) VALUES (app.tenant(), 'before a recovery');
  PERFORM app.lock_planned(app.plan_recovery(r));
  plan := app.plan_recovery(r);
  IF app.swept_along(plan) > 0 OR app.plan_hash(plan) IS DISTINCT FROM r.plan_hash THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'changed_meanwhile',
      message = 'What the recovery would write has changed since its preview. Preview it again.';
  END IF;
  FOREACH of_table IN ARRAY ARRAY(
    SELECT t.name FROM unnest(app.recoverable_tables()) WITH ORDINALITY AS t (name, ordinal) ORDER BY t.ordinal DESC
  ) LOOP
    PERFORM app.write_planned(plan, of_table, 'delete');
  END LOOP;
  FOREACH of_table IN ARRAY app.recoverable_tables() LOOP
    PERFORM app.write_planned(plan, of_table, 'update');
    PERFORM app.write_planned(plan, of_table, 'insert');
  END LOOP;
  PERFORM app.await_passages(plan);
  RETURN QUERY
  UPDATE app.recoveries AS u SET
    state = 'done', applied_by = coalesce(u.applied_by, current_setting('app.actor')), applied_at = now(),
    applied_xid = pg_current_xact_id(), error = NULL
  WHERE u.id = recovery RETURNING u.*;
END
$$;

ALTER FUNCTION app.apply_recovery(recovery uuid) OWNER TO flo_owner;

CREATE FUNCTION app.archive_rows(file uuid) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
  planned app.archive_files;
  deleted bigint;
BEGIN
  SELECT * INTO planned FROM app.archive_files AS f WHERE f.id = file;
  PERFORM set_config('app.tenant_id', planned.tenant_id::text, true), set_config('app.archiving', 'on', true);
  IF planned.source = 'webchat_sessions' THEN
    DELETE FROM app.webchat_sessions AS s USING app.leaving_rows AS r
    WHERE r.file_id = file AND s.id = r.id AND s.tenant_id = r.tenant_id AND app.session_checksum(s) = r.checksum;
  ELSIF planned.source = 'row_history' THEN
    PERFORM app.require_not_held(planned.tenant_id, wholly => true);
    DELETE FROM app.row_history AS h USING app.leaving_rows AS r
    WHERE r.file_id = file AND h.seq = app.change_seq(r.id) AND h.tenant_id = r.tenant_id
      AND app.change_checksum(h) = r.checksum;
  ELSE
    PERFORM app.lock_executions(
      ARRAY(SELECT r.id FROM app.leaving_rows AS r WHERE r.file_id = file ORDER BY r.id), 0::smallint
    );
    DELETE FROM app.workflow_executions AS e USING app.leaving_rows AS r
    WHERE r.file_id = file AND e.retention_class = 0 AND e.id = r.id AND e.tenant_id = r.tenant_id
      AND app.execution_checksum(e) = r.checksum;
  END IF;
  GET DIAGNOSTICS deleted = ROW_COUNT;
  PERFORM set_config('app.archiving', 'off', true);
  IF deleted <> planned.rows THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'rows_changed',
      message = 'Rows have changed since they were planned.';
  END IF;
  DELETE FROM app.leaving_rows AS r WHERE r.file_id = file;
  RETURN deleted;
END
$$;

ALTER FUNCTION app.archive_rows(file uuid) OWNER TO flo_owner;

CREATE TABLE app.erasures (
    id uuid DEFAULT app.uuid7() NOT NULL,
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    user_id text,
    state text DEFAULT 'pending'::text NOT NULL,
    counts jsonb DEFAULT '{}'::jsonb NOT NULL,
    requested_by text DEFAULT current_setting('app.actor'::text) NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    signature text,
    CONSTRAINT erasures_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'running'::text, 'done'::text]))),
    CONSTRAINT erasures_user_id_check CHECK (((length(user_id) >= 1) AND (length(user_id) <= 255)))
);
ALTER TABLE ONLY app.erasures ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.erasures FORCE ROW LEVEL SECURITY;

ALTER TABLE app.erasures OWNER TO flo_owner;

CREATE FUNCTION app.ask_for_erasure(person text) RETURNS SETOF app.erasures
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM app.require_not_held(app.tenant(), wholly => true);
  IF ARRAY[person] = ARRAY(
    SELECT m.user_id FROM app.tenant_memberships AS m WHERE m.role = 'owner' AND m.status = 'active'
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'last_owner',
      message = 'This is the last owner of the tenant: make somebody else an owner first.';
  END IF;
  IF NOT app.may_have_data_of(person) THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found',
      message = 'body.user_id: the tenant has no data of such a person.';
  END IF;
  PERFORM app.wait_for_turn('erasures');
  IF (SELECT count(*) FROM app.erasures AS e WHERE e.tenant_id = app.tenant() AND e.state <> 'done') >= 20 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'too_many_open',
      message = 'The tenant has 20 open erasures: wait until one is done.';
  END IF;
  RETURN QUERY INSERT INTO app.erasures (user_id) VALUES (person) RETURNING *;
END
$$;

ALTER FUNCTION app.ask_for_erasure(person text) OWNER TO flo_owner;

CREATE FUNCTION app.ask_for_erasures(deleted_before timestamp with time zone, most integer) RETURNS bigint
    LANGUAGE sql
    AS $$
  WITH due AS (
    SELECT t.id FROM app.tenants AS t
    WHERE t.deleted_at < deleted_before AND NOT app.has_holds(t.id)
      AND NOT EXISTS (SELECT FROM app.erasures AS e WHERE e.tenant_id = t.id AND e.user_id IS NULL)
    ORDER BY t.deleted_at LIMIT most
    FOR NO KEY UPDATE SKIP LOCKED  -- a tenant that is being undeleted is skipped
  ),
  asked AS (
    INSERT INTO app.erasures (tenant_id, requested_by) SELECT due.id, 'job:expire' FROM due
    ON CONFLICT DO NOTHING RETURNING 1
  )
  SELECT count(*) FROM asked
$$;

ALTER FUNCTION app.ask_for_erasures(deleted_before timestamp with time zone, most integer) OWNER TO flo_owner;

CREATE TABLE app.rehydrations (
    id uuid DEFAULT app.uuid7() NOT NULL,
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    workflow_id uuid,
    days integer NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    rows_total bigint,
    rows_done bigint DEFAULT 0 NOT NULL,
    error text,
    created_by text DEFAULT current_setting('app.actor'::text) NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    expires_at timestamp with time zone,
    CONSTRAINT rehydrations_check CHECK ((last_at > first_at)),
    CONSTRAINT rehydrations_days_check CHECK (((days >= 1) AND (days <= 90))),
    CONSTRAINT rehydrations_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'running'::text, 'done'::text, 'failed'::text, 'expired'::text])))
);
ALTER TABLE ONLY app.rehydrations ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.rehydrations FORCE ROW LEVEL SECURITY;

ALTER TABLE app.rehydrations OWNER TO flo_owner;

CREATE FUNCTION app.ask_for_rehydration(first_at timestamp with time zone, last_at timestamp with time zone, workflow uuid, days integer) RETURNS SETOF app.rehydrations
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM app.wait_for_turn('rehydrations');
  IF (
    SELECT count(*) FROM app.rehydrations AS r WHERE r.tenant_id = app.tenant() AND r.state IN ('pending', 'running')
  ) >= 20 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'too_many_open',
      message = 'The tenant has 20 open restores: wait until one is done.';
  END IF;
  RETURN QUERY INSERT INTO app.rehydrations (first_at, last_at, workflow_id, days)
  VALUES (ask_for_rehydration.first_at, ask_for_rehydration.last_at, workflow, ask_for_rehydration.days) RETURNING *;
END
$$;

ALTER FUNCTION app.ask_for_rehydration(first_at timestamp with time zone, last_at timestamp with time zone, workflow uuid, days integer) OWNER TO flo_owner;

CREATE FUNCTION app.authorize(person text, email text, key_id text, key_hash bytea, named_tenant text, scope text, milliseconds integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  caller record;
BEGIN
  SELECT * INTO caller FROM app.identify(person, email, key_id, key_hash, named_tenant, scope);
  IF scope LIKE '%:read' THEN
    PERFORM set_config('transaction_read_only', 'on', true);
  END IF;
  PERFORM
    set_config('app.tenant_id', coalesce(caller.tenant_id::text, ''), true),
    set_config('app.actor', caller.actor, true),
    set_config('app.person', CASE WHEN key_id IS NULL THEN person ELSE '' END, true),
    set_config('app.email', CASE WHEN key_id IS NULL THEN coalesce(email, '') ELSE '' END, true),
    set_config('app.role', caller.role, true),
    set_config('jit', 'off', true),  -- compiling a plan over all partitions takes longer than a request may
    set_config('statement_timeout', milliseconds::text, true),
    set_config('lock_timeout', least(milliseconds, 2000)::text, true);
END
$$;

ALTER FUNCTION app.authorize(person text, email text, key_id text, key_hash bytea, named_tenant text, scope text, milliseconds integer) OWNER TO flo_owner;

CREATE FUNCTION app.await_lock(n8n_execution_id text) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(app.lock_of(n8n_execution_id));
  RETURN true;
END
$$;

ALTER FUNCTION app.await_lock(n8n_execution_id text) OWNER TO flo_owner;

CREATE FUNCTION app.await_passages(plan app.planned_row[]) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
BEGIN
  INSERT INTO app.embedding_tasks AS t (knowledge_base_id, document_id, embedding_model, status, due_at)
  SELECT d.knowledge_base_id, d.id, m.embedding_model, 'processing', 'infinity'
  FROM app.documents AS d
  JOIN app.knowledge_base_models AS m ON m.tenant_id = d.tenant_id AND m.knowledge_base_id = d.knowledge_base_id
  WHERE d.tenant_id = app.tenant() AND d.id IN (
    SELECT p.id FROM unnest(plan) AS p WHERE p.table_name = 'documents' AND p.action IN ('insert', 'update')
  )
  ORDER BY d.id
  ON CONFLICT (tenant_id, document_id, embedding_model) DO UPDATE
  SET status = excluded.status, attempts = 0, reason = NULL, due_at = excluded.due_at, queued_at = now(),
    updated_at = now();
END
$$;

ALTER FUNCTION app.await_passages(plan app.planned_row[]) OWNER TO flo_owner;

CREATE FUNCTION app.awaited_passages() RETURNS TABLE(tenant_id uuid, document_id uuid)
    LANGUAGE sql STABLE
    AS $$
  SELECT DISTINCT t.tenant_id, t.document_id
  FROM app.embedding_tasks AS t JOIN app.tenants AS n ON n.id = t.tenant_id
  WHERE t.status = 'processing' AND t.due_at = 'infinity' AND n.status = 'active' AND n.deleted_at IS NULL
    AND t.tenant_id IN (SELECT r.tenant_id FROM app.recoveries AS r WHERE r.state = 'done')
  ORDER BY 1, 2
$$;

ALTER FUNCTION app.awaited_passages() OWNER TO flo_owner;

CREATE FUNCTION app.bases_to_index() RETURNS TABLE(tenant_id uuid, knowledge_base_id uuid)
    LANGUAGE sql STABLE
    AS $$
  SELECT DISTINCT ON (b.tenant_id) b.tenant_id, b.id FROM app.knowledge_bases AS b
  WHERE b.indexed_as <> app.indexed_as(b.language) ORDER BY b.tenant_id, b.id
$$;

ALTER FUNCTION app.bases_to_index() OWNER TO flo_owner;

CREATE FUNCTION app.begin_rebuild(tenant uuid) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  kept timestamptz := coalesce(
    (SELECT s.kept_before FROM app.rollup_settings AS s WHERE s.tenant_id = tenant), '-infinity'
  );
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('app.fold_deltas', 0));
  UPDATE app.rollup_settings AS s SET built_in = s.time_zone, rebuild_asked_at = NULL WHERE s.tenant_id = tenant;
  DELETE FROM app.execution_deltas AS d WHERE d.tenant_id = tenant;
  DELETE FROM app.execution_rollups AS r WHERE r.tenant_id = tenant AND r.bucket_start >= kept;
  DELETE FROM app.failed_runs AS f WHERE f.tenant_id = tenant;
  DELETE FROM app.retried_runs AS r WHERE r.tenant_id = tenant;
  INSERT INTO app.execution_deltas
  SELECT (d).* FROM (SELECT app.execution_delta(e, 1) AS d FROM app.counted_executions(tenant) AS e OFFSET 0) AS counted
  WHERE (d).quarter >= kept;
END
$$;

ALTER FUNCTION app.begin_rebuild(tenant uuid) OWNER TO flo_owner;

CREATE TABLE app.uploads (
    id uuid DEFAULT app.uuid7() NOT NULL,
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    knowledge_base_id uuid NOT NULL,
    name text NOT NULL,
    title text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    media_type text NOT NULL,
    size integer NOT NULL,
    status text DEFAULT 'waiting'::text NOT NULL,
    code text,
    reason text,
    document_id uuid,
    chunk_count integer,
    arrived_at timestamp with time zone,
    attempts smallint DEFAULT 0 NOT NULL,
    claimed_until timestamp with time zone,
    due_at timestamp with time zone DEFAULT (now() + '00:02:00'::interval),
    created_by text DEFAULT current_setting('app.actor'::text) NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT uploads_check CHECK (((code IS NULL) = (status <> 'failed'::text))),
    CONSTRAINT uploads_media_type_check CHECK (((length(media_type) >= 1) AND (length(media_type) <= 255))),
    CONSTRAINT uploads_name_check CHECK (((length(name) >= 1) AND (length(name) <= 255))),
    CONSTRAINT uploads_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 1000))),
    CONSTRAINT uploads_size_check CHECK (((size >= 1) AND (size <= 50000000))),
    CONSTRAINT uploads_status_check CHECK ((status = ANY (ARRAY['waiting'::text, 'processing'::text, 'stored'::text, 'failed'::text]))),
    CONSTRAINT uploads_title_check CHECK ((length(title) <= 1000))
);
ALTER TABLE ONLY app.uploads ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.uploads FORCE ROW LEVEL SECURITY;

ALTER TABLE app.uploads OWNER TO flo_owner;

CREATE FUNCTION app.begin_upload(base uuid, sent jsonb, valid interval) RETURNS SETOF app.uploads
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM app.require_found(EXISTS (SELECT FROM app.knowledge_bases AS b WHERE b.id = base));
  PERFORM app.wait_for_turn('uploads');
  IF (SELECT count(*) FROM app.uploads AS u
    WHERE u.tenant_id = app.tenant() AND u.status IN ('waiting', 'processing')) >= 20 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'too_many_open',
      message = 'The tenant has 20 open uploads: send their files, or wait until their links have expired.';
  END IF;
  RETURN QUERY
  INSERT INTO app.uploads AS u (knowledge_base_id, name, title, metadata, media_type, size, expires_at)
  VALUES (
    base, sent ->> 'name', sent ->> 'title', sent -> 'metadata', sent ->> 'media_type', (sent ->> 'size')::integer,
    now() + valid
  )
  RETURNING u.*;
END
$$;

ALTER FUNCTION app.begin_upload(base uuid, sent jsonb, valid interval) OWNER TO flo_owner;

CREATE FUNCTION app.beginning_of(tenant uuid, document uuid) RETURNS text
    LANGUAGE sql STABLE
    AS $$
  SELECT coalesce(left(string_agg(e.chunk_text, E'\n' ORDER BY c.chunk_index), 1000), '') FROM app.chunks AS c
  CROSS JOIN LATERAL (
    SELECT e.chunk_text FROM app.embeddings AS e WHERE e.tenant_id = tenant AND e.id = c.id LIMIT 1
  ) AS e
  WHERE c.tenant_id = tenant AND c.document_id = document AND c.chunk_index < 10
$$;

ALTER FUNCTION app.beginning_of(tenant uuid, document uuid) OWNER TO flo_owner;

CREATE FUNCTION app.best_first(tenant uuid, candidates uuid[], mode text, weights public.sparsevec, models text[], vectors public.halfvec[]) RETURNS uuid[]
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_generic_plan'
    SET join_collapse_limit TO '1'
    AS $$
DECLARE
  words double precision := CASE mode WHEN 'hybrid' THEN 0.6 ELSE 0 END;
BEGIN
  RETURN (
  WITH found AS MATERIALIZED (
    SELECT c.id, m.embedding_model,
      coalesce(-(c.weights OPERATOR(public.<#>) best_first.weights), 0) AS by_words,
      -(e.embedding_vector OPERATOR(public.<#>) vectors[array_position(models, m.embedding_model)]) AS by_meaning
    FROM unnest(candidates) AS candidate (id)
    CROSS JOIN LATERAL (SELECT * FROM app.chunks AS c WHERE c.tenant_id = tenant AND c.id = candidate.id LIMIT 1) AS c
    JOIN app.knowledge_base_models AS m
      ON m.tenant_id = tenant AND m.knowledge_base_id = c.knowledge_base_id AND m.is_active
    JOIN app.embeddings AS e ON e.tenant_id = tenant AND e.id = c.id AND e.embedding_model = m.embedding_model
  ),
  complete AS (
    SELECT f.id, f.embedding_model,
      app.deviations(f.by_words, avg(f.by_words) OVER (), stddev(f.by_words) OVER ()) AS by_words,
      coalesce(f.by_meaning, min(f.by_meaning) OVER (PARTITION BY f.embedding_model), 0) AS by_meaning
    FROM found AS f
  ),
  compared AS MATERIALIZED (
    SELECT c.*,
      app.deviations(c.by_meaning, avg(c.by_meaning) OVER of_model, stddev(c.by_meaning) OVER of_model) AS near
    FROM complete AS c WINDOW of_model AS (PARTITION BY c.embedding_model)
  ),
  best AS MATERIALIZED (  -- else it is made for each candidate
    SELECT b.embedding_model, public.avg(e.embedding_vector) AS vector FROM (
      SELECT c.id, c.embedding_model FROM compared AS c
      WHERE mode = 'hybrid' ORDER BY words * c.by_words + (1 - words) * c.near DESC, c.id LIMIT 3
    ) AS b
    JOIN app.embeddings AS e ON e.tenant_id = tenant AND e.id = b.id AND e.embedding_model = b.embedding_model
    GROUP BY b.embedding_model
  ),
  again AS (
    SELECT c.id, c.embedding_model, c.by_words,
      c.by_meaning - 0.5 * coalesce(e.embedding_vector OPERATOR(public.<#>) b.vector, 0) AS by_meaning
    FROM compared AS c
    LEFT JOIN best AS b ON b.embedding_model = c.embedding_model
    LEFT JOIN app.embeddings AS e  -- read anew: to carry vectors along takes longer
      ON e.tenant_id = tenant AND e.id = c.id AND e.embedding_model = b.embedding_model
  ),
  scored AS (
    SELECT a.id, words * a.by_words + (1 - words)
      * app.deviations(a.by_meaning, avg(a.by_meaning) OVER of_model, stddev(a.by_meaning) OVER of_model) AS score
    FROM again AS a WINDOW of_model AS (PARTITION BY a.embedding_model)
  )
  SELECT array_agg(s.id ORDER BY s.score DESC, s.id) FROM scored AS s
  );
END
$$;

ALTER FUNCTION app.best_first(tenant uuid, candidates uuid[], mode text, weights public.sparsevec, models text[], vectors public.halfvec[]) OWNER TO flo_owner;

CREATE FUNCTION app.bounded(preferences jsonb, field text) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    AS $$
BEGIN
  IF octet_length(preferences::text) > 250000 THEN
    RAISE EXCEPTION USING errcode = 'FL422', constraint = 'preferences_too_large',
      message = format(
        '%s: the preferences would have %s bytes, and may have 250000.', field, octet_length(preferences::text)
      );
  END IF;
  RETURN preferences;
END
$$;

ALTER FUNCTION app.bounded(preferences jsonb, field text) OWNER TO flo_owner;

CREATE FUNCTION app.break_seal() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  UPDATE app.sealed_partitions AS s SET broken_at = clock_timestamp()
  WHERE s.partition_name = TG_TABLE_NAME AND s.broken_at IS NULL;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO app.touched_executions (id, partition_name) VALUES (NEW.id, TG_TABLE_NAME) ON CONFLICT DO NOTHING;
  END IF;
  RETURN NULL;
END
$$;

ALTER FUNCTION app.break_seal() OWNER TO flo_owner;

CREATE FUNCTION app.candidates(tenant uuid, bases uuid[], mode text, terms integer[], weights public.sparsevec, filter app.passage_filter, models text[], vectors public.halfvec[], depth integer) RETURNS uuid[]
    LANGUAGE plpgsql
    AS $$
DECLARE
  of_model record;
  found uuid[] := '{}';
BEGIN
  IF mode <> 'vector' THEN
    found := found || app.matching_chunks(tenant, bases, terms, weights, filter, depth);
  END IF;
  FOR of_model IN
    SELECT m.embedding_model AS name, array_agg(b.id) AS bases, sum(b.total_chunks) AS chunks
    FROM app.knowledge_base_models AS m
    JOIN app.knowledge_bases AS b ON b.tenant_id = tenant AND b.id = m.knowledge_base_id
    WHERE mode <> 'text' AND m.tenant_id = tenant AND m.is_active AND m.knowledge_base_id = ANY (bases) GROUP BY 1
  LOOP
    IF of_model.name <> ALL (models) THEN
      RAISE EXCEPTION USING errcode = 'FL409', constraint = 'model_unavailable',
        message = format(
          'A knowledge base is searched by the model %s, which is not available. Activate another.', of_model.name
        );
    END IF;
    found := found || app.nearest_chunks(tenant, of_model.bases, of_model.chunks, of_model.name,
      vectors[array_position(models, of_model.name)], filter, depth);
  END LOOP;
  IF mode = 'hybrid' OR (mode = 'vector' AND cardinality(models) > 1) THEN  -- else it is one list, in its order
    found := app.best_first(tenant, ARRAY(SELECT DISTINCT unnest(found)), mode, weights, models, vectors);
  END IF;
  RETURN found;
END
$$;

ALTER FUNCTION app.candidates(tenant uuid, bases uuid[], mode text, terms integer[], weights public.sparsevec, filter app.passage_filter, models text[], vectors public.halfvec[], depth integer) OWNER TO flo_owner;

CREATE TABLE app.alerts (
    id uuid DEFAULT app.uuid7() NOT NULL,
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    workflow_id uuid,
    minutes integer NOT NULL,
    threshold double precision,
    min_runs integer DEFAULT 1 NOT NULL,
    url text NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    created_by text DEFAULT current_setting('app.actor'::text) NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone,
    watched_since timestamp with time zone DEFAULT now() NOT NULL,
    fired_id uuid,
    fired_at timestamp with time zone,
    n8n_instance smallint,
    CONSTRAINT alerts_check CHECK (((kind = 'silence'::text) = (threshold IS NULL))),
    CONSTRAINT alerts_check1 CHECK (((fired_id IS NULL) = (fired_at IS NULL))),
    CONSTRAINT alerts_kind_check CHECK ((kind = ANY (ARRAY['failure_rate'::text, 'slow'::text, 'silence'::text]))),
    CONSTRAINT alerts_min_runs_check CHECK (((min_runs >= 1) AND (min_runs <= 1000000))),
    CONSTRAINT alerts_minutes CHECK (
CASE kind
    WHEN 'silence'::text THEN ((minutes >= 60) AND (minutes <= 129600))
    ELSE ((minutes >= 15) AND (minutes <= 1440))
END),
    CONSTRAINT alerts_n8n_instance CHECK (((workflow_id IS NULL) OR (n8n_instance IS NULL))),
    CONSTRAINT alerts_name_check CHECK (((length(name) >= 1) AND (length(name) <= 255))),
    CONSTRAINT alerts_threshold CHECK (((threshold >= (0)::double precision) AND
CASE kind
    WHEN 'failure_rate'::text THEN (threshold < (100)::double precision)
    ELSE (threshold <= (1000000)::double precision)
END)),
    CONSTRAINT alerts_url_check CHECK (((length(url) >= 1) AND (length(url) <= 2000)))
);
ALTER TABLE ONLY app.alerts ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.alerts FORCE ROW LEVEL SECURITY;

ALTER TABLE app.alerts OWNER TO flo_owner;

CREATE FUNCTION app.change_alert(alert uuid, changes jsonb, if_match text[]) RETURNS SETOF app.alerts
    LANGUAGE plpgsql
    AS $$
DECLARE
  old app.alerts;
  changed app.alerts;
BEGIN
  SELECT * INTO old FROM app.alerts AS a WHERE a.id = alert FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  PERFORM app.require_match(app.etag(old), if_match);
  changed := jsonb_populate_record(old, changes);
  PERFORM app.require_alert_numbers(changed);
  RETURN QUERY
  UPDATE app.alerts AS a
  SET name = changed.name, minutes = changed.minutes, threshold = changed.threshold, min_runs = changed.min_runs,
    url = changed.url, enabled = changed.enabled, updated_at = now(),
    watched_since = CASE WHEN (old.minutes, old.enabled) = (changed.minutes, changed.enabled)
      THEN old.watched_since ELSE now() END
  WHERE a.id = alert
  RETURNING *;
END
$$;

ALTER FUNCTION app.change_alert(alert uuid, changes jsonb, if_match text[]) OWNER TO flo_owner;

CREATE FUNCTION app.change_id(seq bigint) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (lpad(to_hex(seq), 32, '0'::text))::uuid;

ALTER FUNCTION app.change_id(seq bigint) OWNER TO flo_owner;

CREATE FUNCTION app.checksum(line text) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((('x0'::text || "left"(md5(line), 15)))::bit(64))::bigint;

ALTER FUNCTION app.checksum(line text) OWNER TO flo_owner;

CREATE FUNCTION app.microseconds(moment timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN COALESCE((((EXTRACT(epoch FROM moment) * (1000000)::numeric))::bigint)::text, ''::text);

ALTER FUNCTION app.microseconds(moment timestamp with time zone) OWNER TO flo_owner;

CREATE TABLE app.recorded_transactions (
    tenant_id uuid NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    first_seq bigint NOT NULL,
    actor text DEFAULT COALESCE(NULLIF(current_setting('app.actor'::text, true), ''::text), ('job:'::text || (SESSION_USER)::text)) NOT NULL,
    request_id text DEFAULT NULLIF(current_setting('app.request_id'::text, true), ''::text),
    committed_at timestamp with time zone
)
WITH (fillfactor='80');
ALTER TABLE ONLY app.recorded_transactions ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.recorded_transactions FORCE ROW LEVEL SECURITY;

ALTER TABLE app.recorded_transactions OWNER TO flo_owner;

CREATE TABLE app.row_history (
    seq bigint NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    tenant_id uuid NOT NULL,
    table_name text NOT NULL,
    action text NOT NULL,
    row_id uuid,
    row_ids uuid[],
    old jsonb,
    CONSTRAINT row_history_action_check CHECK ((action = ANY (ARRAY['insert'::text, 'update'::text, 'delete'::text]))),
    CONSTRAINT row_history_check CHECK (((row_id IS NULL) <> (row_ids IS NULL)))
)
PARTITION BY RANGE (recorded_at);
ALTER TABLE ONLY app.row_history ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.row_history FORCE ROW LEVEL SECURITY;

ALTER TABLE app.row_history OWNER TO flo_owner;

CREATE FUNCTION app.change_checksum(h app.row_history) RETURNS bigint
    LANGUAGE sql STABLE
    RETURN (SELECT app.checksum(concat_ws('|'::text, app.change_id((change_checksum.h).seq), (change_checksum.h).tenant_id, app.microseconds((change_checksum.h).recorded_at), (change_checksum.h).xid, COALESCE(t.actor, ''::text), COALESCE(t.request_id, ''::text), (change_checksum.h).table_name, (change_checksum.h).action, COALESCE(((change_checksum.h).row_id)::text, ''::text), COALESCE(((change_checksum.h).row_ids)::text, ''::text), COALESCE(((change_checksum.h).old ->> 'user_id'::text), ''::text), COALESCE(((change_checksum.h).old)::text, ''::text))) AS checksum FROM ((SELECT) one LEFT JOIN app.recorded_transactions t ON (((t.tenant_id = (change_checksum.h).tenant_id) AND (t.xid = (change_checksum.h).xid)))));

ALTER FUNCTION app.change_checksum(h app.row_history) OWNER TO flo_owner;

CREATE FUNCTION app.change_n8n_instance(wanted text, new_url text, new_key bytea, wins boolean) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  of_instance smallint := app.n8n_instance(wanted);
BEGIN
  IF wins IS NOT NULL THEN
    INSERT INTO app.n8n_instances (number, name) SELECT 0, wanted WHERE of_instance = 0 ON CONFLICT DO NOTHING;
    UPDATE app.n8n_instances AS i SET n8n_wins = wins WHERE i.tenant_id = app.tenant() AND i.number = of_instance;
  END IF;
  IF wins IS NULL OR new_url IS NOT NULL OR new_key IS NOT NULL THEN
    PERFORM app.connect_n8n(wanted, new_url, new_key);
  END IF;
END
$$;

ALTER FUNCTION app.change_n8n_instance(wanted text, new_url text, new_key bytea, wins boolean) OWNER TO flo_owner;

CREATE FUNCTION app.change_policies_v2(changes jsonb, if_match text[]) RETURNS TABLE(tenant_id uuid, hot_ttl_days integer, cold_ttl_days integer, confidence_threshold double precision, rate_limit_per_minute integer, time_zone text)
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM FROM app.tenants AS t WHERE t.id = app.tenant() FOR UPDATE;
  PERFORM app.require_match(app.etag(p), if_match) FROM app.policies_v2() AS p;
  IF changes ? 'rate_limit_per_minute' AND app.role() IS DISTINCT FROM 'super_admin' THEN
    RAISE EXCEPTION USING errcode = 'FL403', constraint = 'super_admin_only',
      message = 'body.rate_limit_per_minute: only super admins may change it.';
  ELSIF changes ? 'rate_limit_per_minute' THEN
    INSERT INTO app.rate_limits (rate_limit_per_minute) VALUES ((changes ->> 'rate_limit_per_minute')::integer)
    ON CONFLICT ON CONSTRAINT rate_limits_pkey DO UPDATE SET rate_limit_per_minute = excluded.rate_limit_per_minute;
  END IF;
  IF changes -> 'cold_ttl_days' = 'null' THEN
    DELETE FROM app.cold_policies AS c WHERE c.tenant_id = app.tenant();
  ELSIF changes ? 'cold_ttl_days' THEN
    INSERT INTO app.cold_policies (cold_ttl_days) VALUES ((changes ->> 'cold_ttl_days')::integer)
    ON CONFLICT ON CONSTRAINT cold_policies_pkey DO UPDATE SET cold_ttl_days = excluded.cold_ttl_days;
  END IF;
  IF changes ? 'time_zone' THEN  -- rollups by hour and day are cut anew by the job
    INSERT INTO app.rollup_settings AS s (tenant_id, time_zone, rebuild_asked_at)
    VALUES (app.tenant(), app.require_time_zone('body.time_zone', changes ->> 'time_zone'), now())
    ON CONFLICT ON CONSTRAINT rollup_settings_pkey DO UPDATE
    SET time_zone = excluded.time_zone, rebuild_asked_at = greatest(s.rebuild_asked_at, excluded.rebuild_asked_at)
    WHERE s.time_zone <> excluded.time_zone;
  END IF;
  UPDATE app.tenants AS t
  SET (hot_ttl_days, confidence_threshold, updated_at) = (
    SELECT c.hot_ttl_days, c.confidence_threshold, now() FROM jsonb_populate_record(t, changes) AS c
  )
  WHERE t.id = app.tenant();
  RETURN QUERY SELECT * FROM app.policies_v2();
END
$$;

ALTER FUNCTION app.change_policies_v2(changes jsonb, if_match text[]) OWNER TO flo_owner;

CREATE FUNCTION app.change_policies_v3(changes jsonb, if_match text[]) RETURNS TABLE(tenant_id uuid, hot_ttl_days integer, cold_ttl_days integer, confidence_threshold double precision, rate_limit_per_minute integer, time_zone text, keep jsonb)
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM FROM app.tenants AS t WHERE t.id = app.tenant() FOR UPDATE;
  PERFORM app.require_match(app.etag(p), if_match) FROM app.policies_v3() AS p;
  PERFORM app.change_policies_v2(changes - 'keep', NULL);
  IF changes -> 'keep' = 'null' THEN
    DELETE FROM app.keep_policies AS k WHERE k.tenant_id = app.tenant();
  ELSIF changes ? 'keep' THEN
    INSERT INTO app.keep_policies AS k (keep) VALUES ('{"last_per_workflow": 0}' || (changes -> 'keep'))
    ON CONFLICT ON CONSTRAINT keep_policies_pkey DO UPDATE SET keep = excluded.keep;
  END IF;
  RETURN QUERY SELECT * FROM app.policies_v3();
END
$$;

ALTER FUNCTION app.change_policies_v3(changes jsonb, if_match text[]) OWNER TO flo_owner;

CREATE FUNCTION app.change_seq(id uuid) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((('x'::text || "right"(replace((id)::text, '-'::text, ''::text), 16)))::bit(64))::bigint;

ALTER FUNCTION app.change_seq(id uuid) OWNER TO flo_owner;

CREATE FUNCTION app.change_tenant_state(named text, wanted text, reason text, confirmation text DEFAULT NULL::text) RETURNS TABLE(tenant_id uuid, action text, status text, created_at timestamp with time zone)
    LANGUAGE plpgsql
    AS $$
DECLARE
  tenant app.tenants;
  state text;
BEGIN
  SELECT * INTO tenant FROM app.tenants AS t WHERE t.slug = lower(named) OR t.id = app.id_in(named) FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'tenant_not_found', message = 'There is no such tenant.';
  END IF;
  state := CASE
    WHEN EXISTS (SELECT FROM app.erasures AS e WHERE e.tenant_id = tenant.id AND e.user_id IS NULL) THEN 'being erased'
    ELSE app.tenant_state(tenant)
  END;
  IF NOT (CASE wanted
    WHEN 'suspend' THEN state IN ('active', 'inactive')
    WHEN 'reactivate' THEN state IN ('suspended', 'inactive')
    WHEN 'soft_delete' THEN state NOT IN ('deleted', 'being erased')
    ELSE state = 'deleted'  -- restore (the stored word for undelete), hard_delete
  END) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'wrong_state',
      message = format('The tenant is %s, so this cannot be done: %s.', state, wanted);
  END IF;
  IF wanted = 'hard_delete' AND confirmation IS DISTINCT FROM tenant.slug THEN
    RAISE EXCEPTION USING errcode = 'FL422', constraint = 'not_confirmed',
      message = 'body.confirm: type the slug of the tenant, exactly, to delete it for ever.';
  END IF;
  IF wanted = 'hard_delete' AND app.has_holds(tenant.id) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'legal_hold',
      message = 'Something of the tenant is under a legal hold. Release its holds first.';
  END IF;
  INSERT INTO app.tenant_actions AS a (tenant_id, slug, action, reason) VALUES (tenant.id, tenant.slug, wanted, reason);
  IF wanted = 'hard_delete' THEN
    INSERT INTO app.erasures AS e (tenant_id) VALUES (tenant.id);
  ELSE
    UPDATE app.tenants AS t SET
      status = CASE wanted WHEN 'suspend' THEN 'suspended' WHEN 'reactivate' THEN 'active' ELSE t.status END,
      deleted_at = CASE wanted WHEN 'soft_delete' THEN now() WHEN 'restore' THEN NULL ELSE t.deleted_at END,
      updated_at = now()
    WHERE t.id = tenant.id
    RETURNING t.* INTO tenant;
  END IF;
  RETURN QUERY
  SELECT tenant.id, wanted, CASE wanted WHEN 'hard_delete' THEN 'being erased' ELSE app.tenant_state(tenant) END, now();
END
$$;

ALTER FUNCTION app.change_tenant_state(named text, wanted text, reason text, confirmation text) OWNER TO flo_owner;

CREATE FUNCTION app.changed_part(before jsonb, after jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $_$
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
$_$;

ALTER FUNCTION app.changed_part(before jsonb, after jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.check_changes(r app.recoveries) RETURNS void
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
DECLARE
  first bigint := app.first_undone(r);
  changes bigint := 0;
  change record;
BEGIN
  FOR change IN
    SELECT coalesce(cardinality(h.row_ids), 1) AS rows FROM app.row_history AS h
    WHERE h.tenant_id = r.tenant_id AND h.seq >= first AND h.table_name = ANY (r.tables)
      AND (r.row_ids IS NULL OR h.row_id = ANY (r.row_ids))
      AND CASE WHEN r.of_transaction IS NULL THEN NOT pg_visible_in_snapshot(h.xid, r.since)
        ELSE h.xid = r.of_transaction END
  LOOP
    changes := changes + change.rows;
    IF changes > app.most_changes_of_recovery() THEN
      PERFORM app.refuse_plan(to_char(app.most_changes_of_recovery(), 'FM999,999 "changes"'));
    END IF;
  END LOOP;
END
$$;

ALTER FUNCTION app.check_changes(r app.recoveries) OWNER TO flo_owner;

CREATE TABLE app.alert_events (
    id uuid DEFAULT app.uuid7() NOT NULL,
    tenant_id uuid NOT NULL,
    alert_id uuid NOT NULL,
    workflow_id uuid,
    type text NOT NULL,
    data jsonb NOT NULL,
    occurred_at timestamp with time zone DEFAULT now() NOT NULL,
    delivery text DEFAULT 'pending'::text NOT NULL,
    attempts jsonb DEFAULT '[]'::jsonb NOT NULL,
    next_attempt_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT alert_events_delivery_check CHECK ((delivery = ANY (ARRAY['pending'::text, 'delivered'::text, 'failed'::text]))),
    CONSTRAINT alert_events_type_check CHECK ((type = ANY (ARRAY['fired'::text, 'resolved'::text])))
);
ALTER TABLE ONLY app.alert_events ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.alert_events FORCE ROW LEVEL SECURITY;

ALTER TABLE app.alert_events OWNER TO flo_owner;

CREATE FUNCTION app.claim_alert_events(most integer, lease interval) RETURNS TABLE(event app.alert_events, url text)
    LANGUAGE sql
    AS $$
  WITH due AS (
    SELECT e.id, a.url
    FROM app.alert_events AS e
    JOIN app.alerts AS a ON a.tenant_id = e.tenant_id AND a.id = e.alert_id
    JOIN app.tenants AS t ON t.id = e.tenant_id AND t.status = 'active' AND t.deleted_at IS NULL
    WHERE e.delivery = 'pending' AND e.next_attempt_at <= now()
      AND NOT EXISTS (
        SELECT FROM app.alert_events AS p
        WHERE p.tenant_id = e.tenant_id AND p.alert_id = e.alert_id AND p.delivery = 'pending' AND p.id < e.id
      )
    ORDER BY jsonb_array_length(e.attempts), e.next_attempt_at LIMIT most
    FOR NO KEY UPDATE OF e SKIP LOCKED
  )
  UPDATE app.alert_events AS e SET next_attempt_at = now() + lease FROM due WHERE e.id = due.id
  RETURNING e, due.url
$$;

ALTER FUNCTION app.claim_alert_events(most integer, lease interval) OWNER TO flo_owner;

CREATE FUNCTION app.claim_embedding(tenant uuid, document uuid, model text, lease interval, most_attempts integer) RETURNS TABLE(claimed_until timestamp with time zone, is_first_attempt boolean)
    LANGUAGE sql
    AS $$
  WITH claimed AS (
    UPDATE app.embedding_tasks AS t SET
      attempts = t.attempts + 1, due_at = clock_timestamp() + lease, updated_at = now(),
      status = CASE WHEN t.attempts < most_attempts THEN t.status ELSE 'failed' END,
      reason = CASE WHEN t.attempts < most_attempts THEN t.reason
        ELSE coalesce(
          t.reason, format('The work ended %s times without a word: the document may be too large.', t.attempts)
        ) END
    WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model
      AND t.status = 'processing' AND t.due_at <= now()
    RETURNING t.due_at, t.attempts, t.status
  )
  SELECT claimed.due_at, claimed.attempts = 1 FROM claimed WHERE claimed.status = 'processing'
$$;

ALTER FUNCTION app.claim_embedding(tenant uuid, document uuid, model text, lease interval, most_attempts integer) OWNER TO flo_owner;

CREATE FUNCTION app.claim_upload(upload uuid, lease interval) RETURNS TABLE(found app.uploads, claim timestamp with time zone)
    LANGUAGE plpgsql
    AS $$
DECLARE
  until timestamptz;
BEGIN
  PERFORM app.wait_for_turn('uploads');
  UPDATE app.uploads AS u SET arrived_at = now() WHERE u.id = upload AND u.arrived_at IS NULL;
  UPDATE app.uploads AS u
  SET status = 'processing', attempts = u.attempts + 1, claimed_until = now() + lease, due_at = now() + lease
  WHERE u.id = upload AND u.status IN ('waiting', 'processing')
    AND NOT EXISTS (SELECT FROM app.uploads AS o WHERE o.tenant_id = app.tenant() AND o.claimed_until > now())
  RETURNING u.claimed_until INTO until;
  RETURN QUERY SELECT u, until FROM app.uploads AS u WHERE u.id = upload;
END
$$;

ALTER FUNCTION app.claim_upload(upload uuid, lease interval) OWNER TO flo_owner;

CREATE FUNCTION app.retention_class(hot_ttl_days integer) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT min(class.class) AS min FROM unnest('{7,14,30,60,90,365}'::smallint[]) class(class) WHERE (class.class >= retention_class.hot_ttl_days));

ALTER FUNCTION app.retention_class(hot_ttl_days integer) OWNER TO flo_owner;

CREATE TABLE app.keep_policies (
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    keep jsonb NOT NULL,
    CONSTRAINT keep_policies_keep_check CHECK ((((((keep ->> 'success_days'::text))::integer >= 1) AND (((keep ->> 'success_days'::text))::integer <= 365)) AND ((((keep ->> 'error_days'::text))::integer >= ((keep ->> 'success_days'::text))::integer) AND (((keep ->> 'error_days'::text))::integer <= 365)) AND ((((keep ->> 'last_per_workflow'::text))::integer >= 0) AND (((keep ->> 'last_per_workflow'::text))::integer <= 1000)) AND (keep ?& '{success_days,error_days,last_per_workflow}'::text[])))
);
ALTER TABLE ONLY app.keep_policies ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.keep_policies FORCE ROW LEVEL SECURITY;

ALTER TABLE app.keep_policies OWNER TO flo_owner;

CREATE TABLE app.tenants (
    id uuid DEFAULT app.uuid7() NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    n8n_url text,
    branding_settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    confidence_threshold double precision DEFAULT 0.8 NOT NULL,
    hot_ttl_days integer DEFAULT 30 NOT NULL,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone,
    CONSTRAINT tenants_confidence_threshold_check CHECK (((confidence_threshold >= (0)::double precision) AND (confidence_threshold <= (1)::double precision))),
    CONSTRAINT tenants_hot_ttl_days_check CHECK (((hot_ttl_days >= 1) AND (hot_ttl_days <= 365))),
    CONSTRAINT tenants_n8n_url_check CHECK ((length(n8n_url) <= 255)),
    CONSTRAINT tenants_name_check CHECK (((length(name) >= 1) AND (length(name) <= 255))),
    CONSTRAINT tenants_slug_check CHECK ((slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text)),
    CONSTRAINT tenants_slug_check1 CHECK ((slug !~ '^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$'::text)),
    CONSTRAINT tenants_status_check CHECK ((status = ANY (ARRAY['active'::text, 'inactive'::text, 'suspended'::text])))
);

ALTER TABLE ONLY app.tenants FORCE ROW LEVEL SECURITY;

ALTER TABLE app.tenants OWNER TO flo_owner;

CREATE VIEW app.hot_policies WITH (security_invoker='true') AS
 SELECT t.id AS tenant_id,
    app.retention_class(LEAST(t.hot_ttl_days, ((k.keep ->> 'success_days'::text))::integer)) AS class,
    app.retention_class(LEAST(t.hot_ttl_days, ((k.keep ->> 'error_days'::text))::integer)) AS class_of_others,
    app.retention_class(t.hot_ttl_days) AS class_of_newest,
    COALESCE(((k.keep ->> 'last_per_workflow'::text))::integer, 0) AS newest
   FROM (app.tenants t
     LEFT JOIN app.keep_policies k ON ((k.tenant_id = t.id)));

ALTER VIEW app.hot_policies OWNER TO flo_owner;

CREATE TABLE app.retention_class_changes (
    tenant_id uuid NOT NULL,
    retention_class smallint NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    moved_at timestamp with time zone
);
ALTER TABLE ONLY app.retention_class_changes ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.retention_class_changes FORCE ROW LEVEL SECURITY;

ALTER TABLE app.retention_class_changes OWNER TO flo_owner;

CREATE FUNCTION app.classes_of_tenant() RETURNS smallint[]
    LANGUAGE sql STABLE
    RETURN ARRAY(SELECT (0)::smallint AS int2 UNION SELECT h.class FROM app.hot_policies h WHERE (h.tenant_id = app.tenant()) UNION SELECT c.retention_class FROM app.retention_class_changes c WHERE (c.tenant_id = app.tenant()));

ALTER FUNCTION app.classes_of_tenant() OWNER TO flo_owner;

CREATE FUNCTION app.committed_snapshot() RETURNS pg_snapshot
    LANGUAGE sql STABLE
    RETURN (SELECT CASE WHEN pg_visible_in_snapshot(t.own, s.taken) THEN (format('%s:%s:%s'::text, LEAST(pg_snapshot_xmin(s.taken), t.own), pg_snapshot_xmax(s.taken), (SELECT string_agg((p.xid)::text, ','::text ORDER BY p.xid) AS string_agg FROM (SELECT pg_snapshot_xip(s.taken) AS pg_snapshot_xip UNION SELECT t.own) p(xid))))::pg_snapshot ELSE s.taken END AS taken FROM (SELECT pg_current_snapshot() AS taken) s, (SELECT pg_current_xact_id_if_assigned() AS own) t);

ALTER FUNCTION app.committed_snapshot() OWNER TO flo_owner;

CREATE FUNCTION app.compounds(folded text) RETURNS TABLE(written text, joined text)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $_$
  SELECT m.found[1], CASE WHEN m.found[1] ~ '^[0-9.-]+$' THEN regexp_replace(m.found[1], '[.-]', 'dot', 'g')
    ELSE replace(translate(m.found[1], '.-', ''), '&', 'and') END
  FROM regexp_matches(
    lower(regexp_replace(folded, '(?<![A-Za-z0-9])[vV](?=[0-9]+\.)', '', 'g')),
    '('
    '[^\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u007F]+'
    '(?:[.-][^\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u007F]+){1,7}'
    '|(?<![A-Za-z0-9])[A-Za-z0-9]{1,3}&[A-Za-z0-9]{1,3}(?![A-Za-z0-9])'
    '|[0-9]+[^\u0001-\u0040\u005B-\u0060\u007B-\u007F][^\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u007F]*'
    '|[^\u0001-\u0040\u005B-\u0060\u007B-\u007F]+[0-9][^\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u007F]*'
    ')', 'g'
  ) AS m (found)
$_$;

ALTER FUNCTION app.compounds(folded text) OWNER TO flo_owner;

CREATE FUNCTION app.configuration(language text) RETURNS regconfig
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (('pg_catalog.'::text || language))::regconfig;

ALTER FUNCTION app.configuration(language text) OWNER TO flo_owner;

CREATE FUNCTION app.connect_n8n(wanted text, new_url text, new_key bytea) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  of_instance smallint := app.n8n_instance(wanted);
  known app.n8n_connections;
  is_other boolean;
BEGIN
  INSERT INTO app.n8n_instances (number, name) SELECT 0, wanted WHERE of_instance = 0 ON CONFLICT DO NOTHING;
  SELECT * INTO known FROM app.n8n_connections AS c
  WHERE c.tenant_id = app.tenant() AND c.number = of_instance FOR UPDATE;
  is_other := new_url IS DISTINCT FROM known.n8n_url AND new_url IS NOT NULL;
  IF known.number IS NULL AND new_url IS NULL OR new_key IS NULL AND (known.number IS NULL OR is_other) THEN
    RAISE EXCEPTION USING errcode = 'FL422', constraint = 'invalid_value', message = CASE
      WHEN known.number IS NULL AND new_url IS NULL THEN 'body.n8n_url: is needed at first'
      ELSE 'body.api_key: is needed at first, and with another address'
    END;
  END IF;
  INSERT INTO app.n8n_connections AS c (number, n8n_url, api_key, seconds)
  SELECT of_instance, coalesce(new_url, known.n8n_url), coalesce(new_key, known.api_key),
    CASE WHEN NOT EXISTS (
      SELECT FROM app.n8n_instances AS i WHERE i.tenant_id = app.tenant() AND i.number = of_instance AND i.is_suspect
    ) THEN 0 END
  ON CONFLICT (tenant_id, number) DO UPDATE SET
    n8n_url = excluded.n8n_url, api_key = excluded.api_key, version = c.version + 1, next_pull_at = now(),
    failures = 0, error = NULL, spared = '{}', spared_at = '{}',
    key_changed_at = CASE WHEN new_key IS NULL THEN c.key_changed_at ELSE now() END;
  IF is_other THEN
    UPDATE app.n8n_connections AS c SET
      pulled_at = NULL, workflows_at = NULL, known_id = 0, known_at = NULL, oldest_id = NULL, cursor = NULL,
      list_id = NULL, list_at = NULL, list_low = NULL, open = '{}', open_below = NULL, missing = '{}', tried = '{}',
      tried_again = '{}', without_data = 0
    WHERE c.tenant_id = app.tenant() AND c.number = of_instance;
  END IF;
END
$$;

ALTER FUNCTION app.connect_n8n(wanted text, new_url text, new_key bytea) OWNER TO flo_owner;

CREATE FUNCTION app.contexts(tenant uuid, ids uuid[], around integer) RETURNS TABLE(id uuid, context jsonb)
    LANGUAGE sql STABLE ROWS 10
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
  WITH hits AS (
    SELECT c.id, c.document_id, c.chunk_index, i.place
    FROM unnest(ids) WITH ORDINALITY AS i (id, place)
    JOIN app.chunks AS c ON c.tenant_id = contexts.tenant AND c.id = i.id
  ),
  spans AS (
    SELECT h.document_id, unnest(range_agg(int4range(h.chunk_index - around, h.chunk_index + around, '[]'))) AS indexes
    FROM hits AS h GROUP BY 1
  ),
  ranges AS (
    SELECT s.document_id, s.indexes, r.* FROM spans AS s
    CROSS JOIN LATERAL (
      SELECT min(c.chunk_index) AS first, max(c.chunk_index) AS last, min(c.chunk_start) AS start,
        max(c.chunk_end) AS finish, array_agg(c.id) AS chunks
      FROM app.chunks AS c
      WHERE c.tenant_id = contexts.tenant AND c.document_id = s.document_id
        AND c.chunk_index >= lower(s.indexes) AND c.chunk_index < upper(s.indexes)
    ) AS r
  ),
  texts AS MATERIALIZED (  -- else each is made for each hit
    SELECT r.document_id, r.indexes, r.first, r.last, d.content IS NOT NULL AS is_cut, r.start, r.finish,
      CASE WHEN d.content IS NOT NULL THEN substr(d.content, r.start + 1, r.finish - r.start) ELSE (
        SELECT string_agg(e.chunk_text, E'\n\n' ORDER BY e.chunk_index) FROM app.embeddings AS e
        JOIN app.knowledge_base_models AS m ON m.tenant_id = contexts.tenant
          AND m.knowledge_base_id = e.knowledge_base_id AND m.embedding_model = e.embedding_model AND m.is_active
        WHERE e.tenant_id = contexts.tenant AND e.id = ANY (r.chunks)
      ) END AS text
    FROM ranges AS r JOIN app.documents AS d ON d.tenant_id = contexts.tenant AND d.id = r.document_id
  )
  SELECT h.id, jsonb_build_object(
    'first_index', t.first, 'last_index', t.last,
    'start', CASE WHEN t.is_cut THEN t.start END, 'end', CASE WHEN t.is_cut THEN t.finish END,
    'text', CASE WHEN h.place = min(h.place) OVER (PARTITION BY t.document_id, t.first) THEN t.text END
  )
  FROM hits AS h JOIN texts AS t ON t.document_id = h.document_id AND h.chunk_index <@ t.indexes
$$;

ALTER FUNCTION app.contexts(tenant uuid, ids uuid[], around integer) OWNER TO flo_owner;

CREATE FUNCTION app.count_changed_documents() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  UPDATE app.knowledge_bases AS b
  SET total_chunks = b.total_chunks + d.chunks, last_updated = now()
  FROM (
    SELECT n.tenant_id, n.knowledge_base_id, sum(n.chunk_count - o.chunk_count) AS chunks
    FROM new_rows AS n JOIN old_rows AS o ON o.tenant_id = n.tenant_id AND o.id = n.id
    WHERE n.chunk_count <> o.chunk_count OR n.updated_at IS DISTINCT FROM o.updated_at
    GROUP BY 1, 2
  ) AS d
  WHERE b.tenant_id = d.tenant_id AND b.id = d.knowledge_base_id;
  RETURN NULL;
END
$$;

ALTER FUNCTION app.count_changed_documents() OWNER TO flo_owner;

CREATE FUNCTION app.count_changed_terms() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  MERGE INTO app.term_counts AS t
  USING (
    SELECT c.tenant_id, c.knowledge_base_id, c.term, sum(c.chunks) AS chunks
    FROM old_rows AS o
    JOIN new_rows AS n ON n.tenant_id = o.tenant_id AND n.id = o.id AND n.terms <> o.terms
    CROSS JOIN LATERAL (
      SELECT o.tenant_id, o.knowledge_base_id, unnest(o.terms) AS term, -1 AS chunks
      UNION ALL
      SELECT n.tenant_id, n.knowledge_base_id, unnest(n.terms), 1
    ) AS c
    GROUP BY 1, 2, 3 HAVING sum(c.chunks) <> 0
  ) AS changed
  ON t.tenant_id = changed.tenant_id AND t.knowledge_base_id = changed.knowledge_base_id AND t.term = changed.term
  WHEN MATCHED AND t.chunks + changed.chunks <= 0 THEN DELETE
  WHEN MATCHED THEN UPDATE SET chunks = t.chunks + changed.chunks
  WHEN NOT MATCHED AND changed.chunks > 0 THEN
    INSERT (tenant_id, knowledge_base_id, term, chunks)
    VALUES (changed.tenant_id, changed.knowledge_base_id, changed.term, changed.chunks);
  RETURN NULL;
END
$$;

ALTER FUNCTION app.count_changed_terms() OWNER TO flo_owner;

CREATE FUNCTION app.count_differing_rollups(tenant uuid) RETURNS bigint
    LANGUAGE sql STABLE
    AS $$
  SELECT count(*) FROM (
    SELECT c.quarter
    FROM (
      SELECT r.bucket_start AS quarter, r.status, r.mode_class, r.runs, r.timed, r.microseconds
      FROM app.execution_rollups AS r
      WHERE r.tenant_id = tenant AND r.grain = 'quarter' AND r.workflow_id = '00000000-0000-0000-0000-000000000000'
        AND r.bucket_start >= date_bin('15 minutes', now() - interval '6 days', 'epoch')
      UNION ALL
      SELECT
        d.quarter, d.status, d.mode_class, d.runs, CASE WHEN d.microseconds IS NOT NULL THEN d.runs ELSE 0 END,
        coalesce(d.microseconds, 0) * d.runs
      FROM (
        SELECT * FROM app.execution_deltas AS d WHERE d.tenant_id = tenant
        UNION ALL
        SELECT (d).* FROM (
          SELECT app.execution_delta(e, -1) AS d FROM app.counted_executions(tenant) AS e
          WHERE e.id >= app.uuid7_floor(date_bin('15 minutes', now() - interval '6 days', 'epoch')) OFFSET 0
        ) AS counted
      ) AS d
      WHERE d.quarter >= date_bin('15 minutes', now() - interval '6 days', 'epoch')
    ) AS c
    GROUP BY c.quarter, c.status, c.mode_class
    HAVING (sum(c.runs), sum(c.timed), sum(c.microseconds)) <> (0, 0, 0)
  ) AS differing
$$;

ALTER FUNCTION app.count_differing_rollups(tenant uuid) OWNER TO flo_owner;

CREATE FUNCTION app.count_documents() RETURNS trigger
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

ALTER FUNCTION app.count_documents() OWNER TO flo_owner;

CREATE FUNCTION app.count_terms() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO app.term_counts AS t (tenant_id, knowledge_base_id, term, chunks)
    SELECT n.tenant_id, n.knowledge_base_id, term, count(*) FROM new_rows AS n, unnest(n.terms) AS term
    GROUP BY 1, 2, 3 ORDER BY 1, 3, 2
    ON CONFLICT ON CONSTRAINT term_counts_pkey DO UPDATE SET chunks = t.chunks + excluded.chunks;
  ELSE
    MERGE INTO app.term_counts AS t
    USING (
      SELECT o.tenant_id, o.knowledge_base_id, term, count(*) AS chunks FROM old_rows AS o, unnest(o.terms) AS term
      GROUP BY 1, 2, 3
    ) AS gone
    ON t.tenant_id = gone.tenant_id AND t.knowledge_base_id = gone.knowledge_base_id AND t.term = gone.term
    WHEN MATCHED AND t.chunks <= gone.chunks THEN DELETE
    WHEN MATCHED THEN UPDATE SET chunks = t.chunks - gone.chunks;
  END IF;
  RETURN NULL;
END
$$;

ALTER FUNCTION app.count_terms() OWNER TO flo_owner;

CREATE FUNCTION app.counted_executions(tenant uuid) RETURNS SETOF app.workflow_executions
    LANGUAGE sql STABLE
    AS $$
  SELECT e.* FROM app.workflow_executions AS e
  WHERE e.tenant_id = tenant AND (
    NOT EXISTS (SELECT FROM app.rehydrated_rows AS r WHERE r.tenant_id = e.tenant_id AND r.id = e.id)
    OR EXISTS (SELECT FROM app.superseded_versions AS v WHERE v.tenant_id = e.tenant_id AND v.id = e.id)
  )
$$;

ALTER FUNCTION app.counted_executions(tenant uuid) OWNER TO flo_owner;

CREATE FUNCTION app.create_alert(new jsonb) RETURNS SETOF app.alerts
    LANGUAGE plpgsql
    AS $$
DECLARE
  alert app.alerts := jsonb_populate_record(NULL::app.alerts, new);
BEGIN
  alert.n8n_instance := app.known_n8n_instance(new ->> 'instance');
  IF alert.n8n_instance IS NULL AND new ->> 'instance' IS NOT NULL THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found',
      message = 'body.instance: the tenant has no such n8n instance.';
  END IF;
  IF alert.workflow_id IS NOT NULL AND NOT EXISTS (SELECT FROM app.workflows AS w WHERE w.id = alert.workflow_id) THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'workflow_not_found',
      message = 'body.workflow_id: there is no such workflow.';
  END IF;
  PERFORM app.wait_for_turn('alerts');
  IF (SELECT count(*) FROM app.alerts AS a WHERE a.tenant_id = app.tenant()) >= 100 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'too_many_open',
      message = 'The tenant has 100 alerts: delete one first.';
  END IF;
  RETURN QUERY
  INSERT INTO app.alerts (name, kind, workflow_id, n8n_instance, minutes, threshold, min_runs, url, enabled)
  VALUES (
    alert.name, alert.kind, alert.workflow_id, alert.n8n_instance, alert.minutes, alert.threshold, alert.min_runs,
    alert.url, alert.enabled
  )
  RETURNING *;
END
$$;

ALTER FUNCTION app.create_alert(new jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.create_history_partitions(moment timestamp with time zone DEFAULT now()) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET lock_timeout TO '2s'
    AS $_$
DECLARE
  week timestamptz := date_trunc('week', moment);
  partition_name text;
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('app.create_history_partitions', 0));
  WHILE week <= moment + interval '14 days' LOOP
    partition_name := 'row_history_' || to_char(week, 'YYYYMMDD');
    IF to_regclass('app.' || partition_name) IS NULL THEN
      EXECUTE format('CREATE TABLE app.%I (LIKE app.row_history INCLUDING ALL)', partition_name);
      CALL app.plan_for_large_tenants(format('app.%I', partition_name));
      IF EXISTS (
        SELECT FROM app.row_history AS h WHERE h.recorded_at >= week AND h.recorded_at < week + interval '7 days'
      ) THEN
        LOCK TABLE app.row_history IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('INSERT INTO app.%I SELECT * FROM app.row_history AS h WHERE h.recorded_at >= $1'
          ' AND h.recorded_at < $2', partition_name) USING week, week + interval '7 days';
        DELETE FROM app.row_history AS h WHERE h.recorded_at >= week AND h.recorded_at < week + interval '7 days';
      END IF;
      EXECUTE format('ALTER TABLE app.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', partition_name);
      EXECUTE format('ALTER TABLE app.row_history ATTACH PARTITION app.%I FOR VALUES FROM (%L) TO (%L)',
        partition_name, week, week + interval '7 days');
      made := made + 1;
    END IF;
    week := week + interval '7 days';
  END LOOP;
  RETURN made;
END
$_$;

ALTER FUNCTION app.create_history_partitions(moment timestamp with time zone) OWNER TO flo_owner;

CREATE TABLE app.legal_holds (
    id uuid DEFAULT app.uuid7() NOT NULL,
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    scope text NOT NULL,
    workflow_id uuid,
    execution_id uuid,
    reason text NOT NULL,
    created_by text DEFAULT current_setting('app.actor'::text) NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    released_by text,
    released_at timestamp with time zone,
    release_reason text,
    CONSTRAINT legal_holds_check CHECK (((scope = 'workflow'::text) = (workflow_id IS NOT NULL))),
    CONSTRAINT legal_holds_check1 CHECK (((scope = 'execution'::text) = (execution_id IS NOT NULL))),
    CONSTRAINT legal_holds_check2 CHECK (((released_at IS NULL) = (released_by IS NULL))),
    CONSTRAINT legal_holds_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 1000))),
    CONSTRAINT legal_holds_release_reason_check CHECK (((length(release_reason) >= 1) AND (length(release_reason) <= 1000))),
    CONSTRAINT legal_holds_scope_check CHECK ((scope = ANY (ARRAY['tenant'::text, 'workflow'::text, 'execution'::text])))
);
ALTER TABLE ONLY app.legal_holds ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.legal_holds FORCE ROW LEVEL SECURITY;

ALTER TABLE app.legal_holds OWNER TO flo_owner;

CREATE FUNCTION app.create_hold(scope text, workflow uuid, execution uuid, reason text) RETURNS SETOF app.legal_holds
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
BEGIN
  -- first, as the deletion of a tenant takes its locks
  PERFORM FROM app.tenants AS t WHERE t.id = app.tenant() FOR KEY SHARE;
  PERFORM pg_advisory_xact_lock(app.lock_of_holds(app.tenant()));
  IF (SELECT count(*) FROM app.legal_holds AS h WHERE h.tenant_id = app.tenant() AND h.released_at IS NULL) >= 1000 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'too_many_open',
      message = 'The tenant has 1000 active legal holds: release one, or hold a workflow or the tenant as a whole.';
  ELSIF workflow IS NOT NULL AND NOT EXISTS (SELECT FROM app.workflows AS w WHERE w.id = workflow) THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found',
      message = 'body.workflow_id: there is no such workflow.';
  ELSIF execution IS NOT NULL
    AND NOT EXISTS (SELECT FROM app.workflow_executions AS e WHERE e.id = execution)
    AND NOT EXISTS (
      SELECT FROM app.archive_files AS f
      WHERE f.source = 'workflow_executions' AND f.state = 'stored' AND execution BETWEEN f.first_id AND f.last_id
    ) THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found',
      message = 'body.execution_id: there is no such execution, neither hot nor archived.';
  END IF;
  RETURN QUERY
  INSERT INTO app.legal_holds (scope, workflow_id, execution_id, reason)
  VALUES (create_hold.scope, workflow, execution, create_hold.reason) RETURNING *;
END
$$;

ALTER FUNCTION app.create_hold(scope text, workflow uuid, execution uuid, reason text) OWNER TO flo_owner;

CREATE TABLE app.knowledge_bases (
    id uuid DEFAULT app.uuid7() NOT NULL,
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    name text NOT NULL,
    description text,
    source_type text,
    source_metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    document_count integer DEFAULT 0 NOT NULL,
    total_chunks integer DEFAULT 0 NOT NULL,
    last_updated timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone,
    language text DEFAULT 'english'::text NOT NULL,
    languages text[] DEFAULT '{english}'::text[] NOT NULL,
    words_pending integer DEFAULT 0 NOT NULL,
    indexed_as text DEFAULT ''::text NOT NULL,
    CONSTRAINT knowledge_bases_document_count_check CHECK ((document_count >= 0)),
    CONSTRAINT knowledge_bases_name_check CHECK (((length(name) >= 1) AND (length(name) <= 255))),
    CONSTRAINT knowledge_bases_source_type_check CHECK (((length(source_type) >= 1) AND (length(source_type) <= 50))),
    CONSTRAINT knowledge_bases_total_chunks_check CHECK ((total_chunks >= 0))
);
ALTER TABLE ONLY app.knowledge_bases ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.knowledge_bases FORCE ROW LEVEL SECURITY;

ALTER TABLE app.knowledge_bases OWNER TO flo_owner;

CREATE FUNCTION app.create_knowledge_base(name text, description text, source_type text, source_metadata jsonb, model text, language text DEFAULT 'english'::text) RETURNS app.knowledge_bases
    LANGUAGE plpgsql
    AS $$
DECLARE
  created app.knowledge_bases;
BEGIN
  INSERT INTO app.knowledge_bases AS b (
    name, description, source_type, source_metadata, language, languages, indexed_as
  )
  VALUES (
    create_knowledge_base.name, create_knowledge_base.description, create_knowledge_base.source_type,
    create_knowledge_base.source_metadata, create_knowledge_base.language, '{}',
    app.indexed_as(create_knowledge_base.language)
  )
  RETURNING b.* INTO created;
  INSERT INTO app.knowledge_base_models (knowledge_base_id, embedding_model, is_active)
  VALUES (created.id, model, true);
  RETURN created;
END
$$;

ALTER FUNCTION app.create_knowledge_base(name text, description text, source_type text, source_metadata jsonb, model text, language text) OWNER TO flo_owner;

CREATE FUNCTION app.create_missing_workflows(events jsonb, instance smallint DEFAULT 0) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO app.workflows AS w (n8n_instance, n8n_workflow_id, name)
  SELECT instance, e.n8n_workflow_id, coalesce(
    (array_agg(e.workflow_name ORDER BY e.workflow_name IS NULL, e.started_at DESC NULLS FIRST, e.workflow_name))[1],
    e.n8n_workflow_id
  )
  FROM jsonb_to_recordset(events) AS e (
    n8n_workflow_id text, workflow_name text, workflow_archived boolean, started_at timestamptz
  )
  LEFT JOIN app.workflows AS known ON known.n8n_workflow_id = e.n8n_workflow_id AND known.n8n_instance = instance
  WHERE e.n8n_workflow_id IS NOT NULL AND (
    known.id IS NULL
    OR known.name = known.n8n_workflow_id AND e.workflow_name <> known.name
  )
  GROUP BY e.n8n_workflow_id
  HAVING bool_or(known.id IS NOT NULL OR e.workflow_archived IS NOT TRUE)
  ORDER BY e.n8n_workflow_id COLLATE "C"
  ON CONFLICT ON CONSTRAINT workflows_n8n_workflow_id_key DO UPDATE
  SET name = excluded.name, updated_at = now()
  WHERE w.name = w.n8n_workflow_id AND excluded.name <> w.name;
END
$$;

ALTER FUNCTION app.create_missing_workflows(events jsonb, instance smallint) OWNER TO flo_owner;

CREATE FUNCTION app.create_n8n_instance(new_name text) RETURNS smallint
    LANGUAGE plpgsql
    AS $$
DECLARE
  made smallint;
BEGIN
  IF new_name = 'default' THEN
    INSERT INTO app.n8n_instances (number, name) SELECT 0, new_name
    WHERE pg_try_advisory_xact_lock(hashtextextended('default n8n instance ' || app.tenant(), 0))
    ON CONFLICT DO NOTHING;
    RETURN 0;
  END IF;
  LOOP
    SELECT i.number INTO made FROM app.n8n_instances AS i WHERE i.tenant_id = app.tenant() AND i.name = new_name;
    EXIT WHEN made IS NOT NULL;
    SELECT greatest(max(i.number), 0) + 1 INTO made FROM app.n8n_instances AS i WHERE i.tenant_id = app.tenant();
    IF made > 20 THEN
      RAISE EXCEPTION USING errcode = 'FL409', constraint = 'too_many_open',
        message = format('The tenant has 20 n8n instances, and %s is none of them.', new_name);
    END IF;
    INSERT INTO app.n8n_instances (number, name) VALUES (made, new_name) ON CONFLICT DO NOTHING;
    EXIT WHEN FOUND;
  END LOOP;
  RETURN made;
END
$$;

ALTER FUNCTION app.create_n8n_instance(new_name text) OWNER TO flo_owner;

CREATE FUNCTION app.create_partitions(moment timestamp with time zone DEFAULT now()) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET lock_timeout TO '2s'
    AS $$
DECLARE
  today bigint := floor(extract(EPOCH FROM moment) / 86400);
  class record;
  class_table text;
  partition_name text;
  day bigint;  -- of the Unix epoch; in seconds it outgrows integer in 2038
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('app.create_partitions', 0));
  FOR class IN SELECT * FROM app.retention_classes() LOOP
    class_table := format('workflow_executions_c%s', class.days);
    -- from where the partitions end, if that is earlier: days on which this did not run leave no gap
    day := least((today - class.days) / class.width_days * class.width_days, (
      SELECT floor(extract(EPOCH FROM max(p.ends)) / 86400)
      FROM app.partitions() AS p WHERE p.retention_class = class.days
    ));
    WHILE day <= today + 14 LOOP
      partition_name := format('%s_%s', class_table, to_char(to_timestamp(day * 86400), 'YYYYMMDD'));
      IF to_regclass('app.' || partition_name) IS NULL THEN
        CALL app.add_partition(class_table, partition_name,
          quote_literal(app.uuid7_floor(to_timestamp(day * 86400))),
          quote_literal(app.uuid7_floor(to_timestamp((day + class.width_days) * 86400))));
        made := made + 1;
      END IF;
      day := day + class.width_days;
    END LOOP;
  END LOOP;
  RETURN made;
END
$$;

ALTER FUNCTION app.create_partitions(moment timestamp with time zone) OWNER TO flo_owner;

CREATE FUNCTION app.object_size(execution_data jsonb, unit text) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (jsonb_typeof(((execution_data -> 'flomastr_object'::text) -> unit)) = 'number'::text) THEN GREATEST((((execution_data -> 'flomastr_object'::text) ->> unit))::numeric, (0)::numeric) ELSE NULL::numeric END;

ALTER FUNCTION app.object_size(execution_data jsonb, unit text) OWNER TO flo_owner;

CREATE FUNCTION app.data_length(execution_data jsonb) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN COALESCE(app.object_size(execution_data, 'characters'::text), (length((execution_data)::text))::numeric);

ALTER FUNCTION app.data_length(execution_data jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.defaults_of(of_table text) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  defaults jsonb;
  list text := (
    SELECT string_agg(format('%L, %s', a.attname, pg_get_expr(d.adbin, d.adrelid)), ', ')
    FROM pg_attribute AS a
    JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = ('app.' || of_table)::regclass AND NOT a.attisdropped AND a.attgenerated = '' AND a.attnotnull
  );
BEGIN
  EXECUTE format('SELECT jsonb_build_object(%s)', list) INTO defaults;
  RETURN defaults;
END
$$;

ALTER FUNCTION app.defaults_of(of_table text) OWNER TO flo_owner;

CREATE TABLE app.documents (
    id uuid DEFAULT app.uuid7() NOT NULL,
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    knowledge_base_id uuid NOT NULL,
    name text NOT NULL,
    title text,
    content_type text NOT NULL,
    content text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    content_hash bytea NOT NULL,
    chunker text NOT NULL,
    chunk_count integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone,
    language text DEFAULT 'english'::text NOT NULL,
    indexed_as text DEFAULT ''::text NOT NULL,
    passages jsonb,
    CONSTRAINT documents_chunk_count_check CHECK ((chunk_count >= 0)),
    CONSTRAINT documents_chunker_check CHECK (((length(chunker) >= 1) AND (length(chunker) <= 100))),
    CONSTRAINT documents_content_hash_check CHECK ((length(content_hash) = 32)),
    CONSTRAINT documents_content_type_check CHECK ((content_type = ANY (ARRAY['text'::text, 'markdown'::text, 'html'::text, 'chunks'::text]))),
    CONSTRAINT documents_name_check CHECK (((length(name) >= 1) AND (length(name) <= 255))),
    CONSTRAINT documents_title_check CHECK ((length(title) <= 1000))
);
ALTER TABLE ONLY app.documents ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.documents FORCE ROW LEVEL SECURITY;

ALTER TABLE app.documents OWNER TO flo_owner;

CREATE FUNCTION app.delete_document(base uuid, named text, if_match text[]) RETURNS SETOF app.documents
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM app.lock_knowledge_base(base);
  PERFORM FROM app.documents AS d JOIN app.embedding_tasks AS t ON t.document_id = d.id
  WHERE d.knowledge_base_id = base AND d.name = named FOR UPDATE OF t;  -- then its tasks, as the worker does
  RETURN QUERY
  DELETE FROM app.documents AS d
  WHERE d.knowledge_base_id = base AND d.name = named AND app.require_known(d, if_match)
  RETURNING d.*;
END
$$;

ALTER FUNCTION app.delete_document(base uuid, named text, if_match text[]) OWNER TO flo_owner;

CREATE FUNCTION app.delete_documents(base uuid, contained jsonb, condition jsonpath) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
  chosen uuid[];
BEGIN
  PERFORM app.lock_knowledge_base(base);
  chosen := ARRAY(
    SELECT m.id FROM (
      SELECT d.id, sum(d.chunk_count) OVER (ORDER BY d.id) - d.chunk_count AS before FROM app.documents AS d
      WHERE d.knowledge_base_id = base AND app.passes(ROW(NULL, contained, condition), d.name, d.metadata)
    ) AS m
    WHERE m.before < 20000 ORDER BY m.id LIMIT 1000
  );
  PERFORM FROM app.embedding_tasks AS t
  WHERE t.document_id = ANY (chosen) ORDER BY t.id FOR UPDATE;  -- then its tasks, as the worker does
  DELETE FROM app.documents AS d WHERE d.id = ANY (chosen);
  RETURN cardinality(chosen);
END
$$;

ALTER FUNCTION app.delete_documents(base uuid, contained jsonb, condition jsonpath) OWNER TO flo_owner;

CREATE FUNCTION app.delete_knowledge_base(base uuid, if_match text[]) RETURNS SETOF app.knowledge_bases
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM FROM app.knowledge_bases AS b WHERE b.id = base FOR UPDATE;
  PERFORM FROM app.embedding_tasks AS t WHERE t.knowledge_base_id = base ORDER BY t.id FOR UPDATE;
  RETURN QUERY
  DELETE FROM app.knowledge_bases AS b WHERE b.id = base AND app.require_match(app.etag(b), if_match) RETURNING b.*;
END
$$;

ALTER FUNCTION app.delete_knowledge_base(base uuid, if_match text[]) OWNER TO flo_owner;

CREATE TABLE app.workflows (
    id uuid DEFAULT app.uuid7() NOT NULL,
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    name text NOT NULL,
    description text,
    n8n_workflow_id text,
    category text,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    is_public boolean DEFAULT false NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone,
    n8n_instance smallint DEFAULT 0 NOT NULL,
    CONSTRAINT workflows_category_check CHECK ((length(category) <= 100)),
    CONSTRAINT workflows_n8n_workflow_id_check CHECK (((length(n8n_workflow_id) >= 1) AND (length(n8n_workflow_id) <= 255))),
    CONSTRAINT workflows_name_check CHECK (((length(name) >= 1) AND (length(name) <= 255)))
);
ALTER TABLE ONLY app.workflows ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.workflows FORCE ROW LEVEL SECURITY;

ALTER TABLE app.workflows OWNER TO flo_owner;

CREATE FUNCTION app.delete_workflow(workflow uuid, if_match text[]) RETURNS SETOF app.workflows
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  too_many CONSTANT integer := 50001;
BEGIN
  PERFORM FROM app.workflows AS w
  WHERE w.tenant_id = app.tenant() AND w.id = workflow AND app.require_match(app.etag(w), if_match) FOR UPDATE;
  IF FOUND AND too_many <= (
    SELECT count(*) FROM (
      (
        SELECT FROM app.workflow_executions AS e
        WHERE e.tenant_id = app.tenant() AND e.workflow_id = workflow LIMIT too_many
      )
      UNION ALL
      (
        SELECT FROM app.webchat_sessions AS s
        WHERE s.tenant_id = app.tenant() AND s.workflow_id = workflow LIMIT too_many
      )
    ) AS of_workflow
  ) THEN
    PERFORM app.require_not_held(app.tenant(), workflow);
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'workflow_too_large',
      message = 'The workflow has more than 50000 executions and chats that are not archived: delete some of them '
        'first, or wait until they are archived.';
  END IF;
  RETURN QUERY DELETE FROM app.workflows AS w WHERE w.tenant_id = app.tenant() AND w.id = workflow RETURNING w.*;
END
$$;

ALTER FUNCTION app.delete_workflow(workflow uuid, if_match text[]) OWNER TO flo_owner;

CREATE FUNCTION app.delivering_instance(named text) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  of_key text := (
    SELECT k.instance FROM app.api_keys AS k
    WHERE k.id = substr(current_setting('app.actor', true), 5) AND current_setting('app.actor', true) LIKE 'key:%'
  );
BEGIN
  IF named <> of_key THEN
    RAISE EXCEPTION USING errcode = 'FL403', constraint = 'other_instances_key',
      message = format('The API key is for the n8n instance %s, and this is of %s.', of_key, named);
  END IF;
  RETURN coalesce(of_key, named, 'default');
END
$$;

ALTER FUNCTION app.delivering_instance(named text) OWNER TO flo_owner;

CREATE FUNCTION app.delivery_rank(status text, by_error_workflow boolean) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (by_error_workflow AND (status = 'error'::text)) THEN ((2 * app.execution_rank('unknown'::text)) + 1) ELSE (2 * app.execution_rank(status)) END;

ALTER FUNCTION app.delivery_rank(status text, by_error_workflow boolean) OWNER TO flo_owner;

CREATE FUNCTION app.derive_passages(document uuid) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  derived app.documents;
  wanted text;
BEGIN
  SELECT b.language INTO wanted FROM app.knowledge_bases AS b  -- the locks of who writes documents, in that order
  WHERE b.tenant_id = app.tenant() AND b.id = (
    SELECT d.knowledge_base_id FROM app.documents AS d WHERE d.tenant_id = app.tenant() AND d.id = document
  )
  FOR NO KEY UPDATE;
  PERFORM FROM app.embedding_tasks AS t
  WHERE t.tenant_id = app.tenant() AND t.document_id = document AND t.due_at = 'infinity' ORDER BY t.id FOR UPDATE;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  UPDATE app.documents AS d SET
    language = CASE wanted WHEN 'auto' THEN d.language ELSE wanted END,
    indexed_as = CASE wanted WHEN 'auto' THEN '' ELSE app.indexed_as(wanted) END  -- then `requeue` tells its language
  WHERE d.tenant_id = app.tenant() AND d.id = document RETURNING d.* INTO derived;
  UPDATE app.documents AS d SET chunk_count = app.replace_chunks(derived, app.passages_of(derived), true)
  WHERE d.tenant_id = app.tenant() AND d.id = document RETURNING d.* INTO derived;
  UPDATE app.knowledge_bases AS b SET
    languages = b.languages || CASE WHEN derived.language <> ALL (b.languages) THEN ARRAY[derived.language] END,
    indexed_as = CASE wanted WHEN 'auto' THEN '' ELSE b.indexed_as END
  WHERE b.tenant_id = app.tenant() AND b.id = derived.knowledge_base_id;
  PERFORM app.plan_embedding(derived);
  UPDATE app.embedding_tasks AS t SET queued_at = NULL  -- `requeue` sends their messages
  WHERE t.tenant_id = app.tenant() AND t.document_id = document;
  RETURN derived.chunk_count;
END
$$;

ALTER FUNCTION app.derive_passages(document uuid) OWNER TO flo_owner;

CREATE FUNCTION app.deviations(value double precision, average double precision, deviation double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN COALESCE(((value - average) / NULLIF(deviation, (0)::double precision)), (0)::double precision);

ALTER FUNCTION app.deviations(value double precision, average double precision, deviation double precision) OWNER TO flo_owner;

CREATE FUNCTION app.dictionary(language text) RETURNS regdictionary
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((('pg_catalog.'::text || language) || CASE language WHEN 'simple'::text THEN ''::text ELSE '_stem'::text END))::regdictionary;

ALTER FUNCTION app.dictionary(language text) OWNER TO flo_owner;

CREATE FUNCTION app.document_etag(document app.documents) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN md5(concat_ws(' '::text, (document).id, (document).content_hash, (document).title, (document).metadata, (document).chunker, (document).updated_at));

ALTER FUNCTION app.document_etag(document app.documents) OWNER TO flo_owner;

CREATE FUNCTION app.document_state_of(document app.documents) RETURNS app.document_state
    LANGUAGE sql STABLE
    AS $$
  SELECT t.status, t.reason,
    app.document_etag(document) || '-' || md5(concat_ws(' ', t.status, t.reason, document.language))
  FROM app.knowledge_base_models AS m
  JOIN app.embedding_tasks AS t ON t.document_id = document.id AND t.embedding_model = m.embedding_model
  WHERE m.knowledge_base_id = document.knowledge_base_id AND m.is_active
$$;

ALTER FUNCTION app.document_state_of(document app.documents) OWNER TO flo_owner;

CREATE FUNCTION app.documents_to_index(tenant uuid, base uuid) RETURNS TABLE(locked boolean, document_ids uuid[], beginnings text[])
    LANGUAGE plpgsql
    AS $$
DECLARE
  wanted text;
BEGIN
  SELECT b.language INTO wanted FROM app.knowledge_bases AS b
  WHERE b.tenant_id = tenant AND b.id = base FOR NO KEY UPDATE SKIP LOCKED;
  locked := FOUND;
  SELECT array_agg(d.id ORDER BY d.id),
    array_agg(CASE wanted WHEN 'auto' THEN app.beginning_of(tenant, d.id) END ORDER BY d.id)
  INTO document_ids, beginnings
  FROM (
    SELECT s.id, sum(s.chunk_count) OVER (ORDER BY s.id) - s.chunk_count AS before
    FROM (
      SELECT d.id, d.chunk_count FROM app.documents AS d
      WHERE locked AND d.tenant_id = tenant AND d.knowledge_base_id = base
        AND (d.indexed_as < app.indexed_as(wanted) OR d.indexed_as > app.indexed_as(wanted))
      LIMIT 100
    ) AS s
  ) AS d
  WHERE d.before < 200;
  RETURN NEXT;
END
$$;

ALTER FUNCTION app.documents_to_index(tenant uuid, base uuid) OWNER TO flo_owner;

CREATE FUNCTION app.drop_history(before timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '15ms'
    AS $$
DECLARE
  due record;
BEGIN
  SELECT p.* INTO due FROM app.history_partitions() AS p WHERE p.ends <= before ORDER BY p.starts LIMIT 1;
  IF due IS NULL OR EXISTS (
    SELECT FROM app.row_history AS h
    WHERE h.recorded_at >= due.starts AND h.recorded_at < due.ends AND NOT app.has_holds(h.tenant_id)
  ) THEN
    RETURN false;
  END IF;
  LOCK TABLE ONLY app.row_history IN ACCESS EXCLUSIVE MODE;
  EXECUTE format('ALTER TABLE app.row_history DETACH PARTITION app.%I', due.partition_name);
  EXECUTE format('ALTER TABLE app.%I NO FORCE ROW LEVEL SECURITY', due.partition_name);
  EXECUTE format('INSERT INTO app.row_history SELECT * FROM app.%I', due.partition_name);
  EXECUTE format('DROP TABLE app.%I', due.partition_name);
  RETURN true;
END
$$;

ALTER FUNCTION app.drop_history(before timestamp with time zone) OWNER TO flo_owner;

CREATE TABLE app.knowledge_base_models (
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    knowledge_base_id uuid NOT NULL,
    embedding_model text NOT NULL,
    is_active boolean NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    id uuid DEFAULT app.uuid7() NOT NULL,
    CONSTRAINT knowledge_base_models_embedding_model_check CHECK (((length(embedding_model) >= 1) AND (length(embedding_model) <= 100)))
);
ALTER TABLE ONLY app.knowledge_base_models ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.knowledge_base_models FORCE ROW LEVEL SECURITY;

ALTER TABLE app.knowledge_base_models OWNER TO flo_owner;

CREATE FUNCTION app.drop_model(base uuid, model text) RETURNS SETOF app.knowledge_base_models
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM app.lock_knowledge_base(base);
  IF EXISTS (
    SELECT FROM app.knowledge_base_models AS m
    WHERE m.knowledge_base_id = base AND m.embedding_model = model AND m.is_active
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'model_is_active',
      message = 'The knowledge base is searched by this model. Activate another one first.';
  END IF;
  PERFORM FROM app.embedding_tasks AS t
  WHERE t.knowledge_base_id = base AND t.embedding_model = model FOR UPDATE;  -- first, in the worker's lock order
  RETURN QUERY
  DELETE FROM app.knowledge_base_models AS m
  WHERE m.knowledge_base_id = base AND m.embedding_model = model RETURNING m.*;
END
$$;

ALTER FUNCTION app.drop_model(base uuid, model text) OWNER TO flo_owner;

CREATE FUNCTION app.drop_partition(partition_name text, patience interval DEFAULT '00:00:00.015'::interval) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  PERFORM app.wait_for_locks(patience);
  IF NOT EXISTS (
    SELECT FROM app.partitions() AS p
    WHERE p.partition_name = drop_partition.partition_name
      AND p.ends <= now() - make_interval(days => p.retention_class)
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL404', message = 'There is no such partition, or it is not past its class.';
  END IF;
  EXECUTE format('LOCK TABLE ONLY app.%I IN ACCESS EXCLUSIVE MODE', left(partition_name, -9));
  EXECUTE format('LOCK TABLE app.%I IN ACCESS EXCLUSIVE MODE', partition_name);
  DELETE FROM app.touched_executions AS t WHERE t.partition_name = drop_partition.partition_name;
  DELETE FROM app.sealed_partitions AS s WHERE s.partition_name = drop_partition.partition_name AND s.broken_at IS NULL;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'seal_broken',
      message = 'The partition has changed since it was sealed.';
  END IF;
  EXECUTE format('DROP TABLE app.%I', partition_name);
END
$$;

ALTER FUNCTION app.drop_partition(partition_name text, patience interval) OWNER TO flo_owner;

CREATE FUNCTION app.due_candidates(moment timestamp with time zone) RETURNS TABLE(tenant_id uuid, retention_class smallint, id uuid, workflow_id uuid, newest integer, bytes bigint)
    LANGUAGE sql STABLE
    AS $$
  SELECT
    e.tenant_id, e.retention_class, e.id, e.workflow_id,
    CASE WHEN NOT app.is_past(e, t.class, t.class_of_newest, t.partitions_before, moment) THEN nullif(t.newest, 0) END,
    app.execution_bytes(e)
  FROM (
    SELECT
      h AS policy, h.tenant_id AS id, h.class, h.class_of_newest, h.newest,
      app.uuid7_floor(moment - make_interval(days => h.class)) AS floor,
      app.partitions_end_before(h.class, moment) AS partitions_before
    FROM app.hot_policies AS h
    OFFSET 0  -- once a tenant, not once a row
  ) AS t
  JOIN app.workflow_executions AS e ON e.tenant_id = t.id AND e.id < t.floor
  WHERE app.is_final(e.status)
    AND app.is_past(e, t.class, app.hot_days(t.policy, e.status, false), t.partitions_before, moment)
    AND NOT EXISTS (SELECT FROM app.holds_on(e.tenant_id, e.workflow_id, e.id))
    AND NOT EXISTS (SELECT FROM app.rehydrated_rows AS r WHERE r.tenant_id = e.tenant_id AND r.id = e.id)
$$;

ALTER FUNCTION app.due_candidates(moment timestamp with time zone) OWNER TO flo_owner;

CREATE FUNCTION app.due_embeddings(most integer, wait interval) RETURNS TABLE(tenant_id uuid, document_id uuid, embedding_model text)
    LANGUAGE sql
    AS $$
  UPDATE app.embedding_tasks AS t SET queued_at = now()
  FROM (
    SELECT d.tenant_id, d.id FROM app.embedding_tasks AS d
    WHERE (d.tenant_id, d.id) IN (
      SELECT candidate.tenant_id, candidate.id FROM app.tenants AS n CROSS JOIN LATERAL (
        SELECT w.tenant_id, w.id, w.due_at, row_number() OVER (ORDER BY w.due_at) AS row_number
        FROM app.embedding_tasks AS w
        WHERE w.tenant_id = n.id AND w.status = 'processing' AND w.due_at <= now()
          AND (w.queued_at IS NULL OR w.queued_at <= now() - wait)
        ORDER BY w.due_at LIMIT most
      ) AS candidate
      ORDER BY candidate.row_number, candidate.due_at LIMIT most
    )
    FOR UPDATE SKIP LOCKED
  ) AS due
  WHERE t.tenant_id = due.tenant_id AND t.id = due.id
  RETURNING t.tenant_id, t.document_id, t.embedding_model
$$;

ALTER FUNCTION app.due_embeddings(most integer, wait interval) OWNER TO flo_owner;

CREATE FUNCTION app.due_executions(moment timestamp with time zone) RETURNS TABLE(tenant_id uuid, retention_class smallint, id uuid, bytes bigint)
    LANGUAGE sql STABLE
    AS $$
  WITH candidates AS MATERIALIZED (SELECT * FROM app.due_candidates(moment))
  SELECT c.tenant_id, c.retention_class, c.id, c.bytes
  FROM candidates AS c
  LEFT JOIN (
    SELECT w.tenant_id, n.workflow_id, n.first_id
    FROM (
      SELECT c.tenant_id, c.newest, array_agg(DISTINCT c.workflow_id) AS ids
      FROM candidates AS c WHERE c.newest IS NOT NULL GROUP BY 1, 2
    ) AS w
    CROSS JOIN LATERAL app.first_ids(w.tenant_id, w.ids, w.newest) AS n
  ) AS n ON n.tenant_id = c.tenant_id AND n.workflow_id = c.workflow_id
  WHERE c.newest IS NULL OR c.id < n.first_id
$$;

ALTER FUNCTION app.due_executions(moment timestamp with time zone) OWNER TO flo_owner;

CREATE FUNCTION app.due_history(moment timestamp with time zone) RETURNS TABLE(tenant_id uuid, seq bigint, bytes bigint)
    LANGUAGE sql STABLE
    AS $$
  SELECT h.tenant_id, h.seq, 100 + coalesce(pg_column_size(h.row_ids), 0) + coalesce(pg_column_size(h.old), 0)::bigint
  FROM app.row_history AS h
  WHERE h.recorded_at < date_trunc('week', moment - interval '30 days', 'UTC') AND NOT app.has_holds(h.tenant_id)
$$;

ALTER FUNCTION app.due_history(moment timestamp with time zone) OWNER TO flo_owner;

CREATE FUNCTION app.due_sessions(moment timestamp with time zone) RETURNS TABLE(tenant_id uuid, id uuid, bytes bigint)
    LANGUAGE sql STABLE
    AS $$
  SELECT
    s.tenant_id, s.id,
    96 + pg_column_size(s.user_id) + pg_column_size(s.session_key) + pg_column_size(s.messages)::bigint
  FROM app.tenants AS t
  JOIN app.webchat_sessions AS s ON s.tenant_id = t.id AND s.updated_at < moment - make_interval(days => t.hot_ttl_days)
  WHERE NOT EXISTS (SELECT FROM app.holds_on(s.tenant_id, s.workflow_id))
$$;

ALTER FUNCTION app.due_sessions(moment timestamp with time zone) OWNER TO flo_owner;

CREATE FUNCTION app.due_uploads(most integer, failure text, why text) RETURNS TABLE(tenant_id uuid, id uuid)
    LANGUAGE plpgsql
    AS $$
BEGIN
  UPDATE app.uploads AS u
  SET status = 'failed', code = failure, reason = why, finished_at = now(), due_at = now()
  WHERE u.due_at <= now() AND u.status = 'waiting' AND u.arrived_at IS NULL
    AND u.expires_at < now() - interval '15 minutes';
  RETURN QUERY
  UPDATE app.uploads AS u SET due_at = now() + greatest(interval '2 minutes', (now() - u.created_at) / 2)
  FROM (
    SELECT d.tenant_id, d.id FROM app.uploads AS d WHERE d.due_at <= now()
    ORDER BY row_number() OVER (PARTITION BY d.tenant_id ORDER BY d.due_at), d.due_at LIMIT most
  ) AS due
  WHERE u.tenant_id = due.tenant_id AND u.id = due.id
  RETURNING u.tenant_id, u.id;
END
$$;

ALTER FUNCTION app.due_uploads(most integer, failure text, why text) OWNER TO flo_owner;

CREATE FUNCTION app.duration_key(microseconds bigint) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ceil((ln((CASE WHEN (microseconds < 1) THEN (1)::bigint ELSE microseconds END)::double precision) / ln(((1.02)::double precision / (0.98)::double precision))));

ALTER FUNCTION app.duration_key(microseconds bigint) OWNER TO flo_owner;

CREATE FUNCTION app.end_embedding(tenant uuid, document uuid, model text) RETURNS void
    LANGUAGE sql
    AS $$
  UPDATE app.embedding_tasks AS t SET status = 'embedded', attempts = 0, reason = NULL, updated_at = now()
  WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model
    AND t.due_at < 'infinity' AND NOT EXISTS (
    SELECT FROM app.chunks AS c WHERE c.tenant_id = tenant AND c.document_id = document AND NOT EXISTS (
      SELECT FROM app.embeddings AS e
      WHERE e.tenant_id = tenant AND e.id = c.id AND e.embedding_model = model AND e.embedding_vector IS NOT NULL
    )
  )
$$;

ALTER FUNCTION app.end_embedding(tenant uuid, document uuid, model text) OWNER TO flo_owner;

CREATE FUNCTION app.is_final(status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (status = ANY (ARRAY['crashed'::text, 'canceled'::text, 'error'::text, 'success'::text]));

ALTER FUNCTION app.is_final(status text) OWNER TO flo_owner;

CREATE FUNCTION app.end_of(status text, started_at timestamp with time zone, finished_at timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (app.is_final(status) AND (finished_at IS NOT NULL)) THEN GREATEST(started_at, finished_at) ELSE NULL::timestamp with time zone END;

ALTER FUNCTION app.end_of(status text, started_at timestamp with time zone, finished_at timestamp with time zone) OWNER TO flo_owner;

CREATE FUNCTION app.end_rehydration(rehydration uuid, most integer, OUT ended bigint, OUT deleted bigint) RETURNS record
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
DECLARE
  tenant uuid := (SELECT r.tenant_id FROM app.rehydrations AS r WHERE r.id = rehydration);
  ids uuid[] := ARRAY(
    SELECT r.id FROM app.rehydrated_rows AS r
    WHERE r.tenant_id = tenant AND r.rehydration_id = rehydration ORDER BY r.id LIMIT most
  );
BEGIN
  PERFORM set_config('app.tenant_id', tenant::text, true), set_config('app.moving', 'on', true);
  PERFORM app.lock_executions(ids, 0::smallint);
  DELETE FROM app.workflow_executions AS e USING app.rehydrated_rows AS r
  WHERE r.tenant_id = tenant AND r.rehydration_id = rehydration AND r.id = ANY (ids)
    AND e.retention_class = 0 AND e.tenant_id = tenant AND e.id = r.id AND app.execution_checksum(e) = r.checksum
    AND NOT EXISTS (
      SELECT FROM app.rehydrated_rows AS o
      WHERE o.tenant_id = tenant AND o.id = r.id AND o.rehydration_id <> rehydration
    );
  GET DIAGNOSTICS deleted = ROW_COUNT;
  DELETE FROM app.rehydrated_rows AS r
  WHERE r.tenant_id = tenant AND r.rehydration_id = rehydration AND r.id = ANY (ids);
  GET DIAGNOSTICS ended = ROW_COUNT;
END
$$;

ALTER FUNCTION app.end_rehydration(rehydration uuid, most integer, OUT ended bigint, OUT deleted bigint) OWNER TO flo_owner;

CREATE FUNCTION app.enter_upload(upload uuid, milliseconds integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  entered app.uploads;
BEGIN
  SELECT * INTO entered FROM app.uploads AS u WHERE u.id = upload;
  PERFORM app.require_found(FOUND);
  PERFORM
    set_config('app.tenant_id', entered.tenant_id::text, true),
    set_config('app.actor', entered.created_by, true),
    set_config('app.person', '', true),
    set_config('app.email', '', true),
    set_config('app.role', 'upload', true),
    set_config('statement_timeout', milliseconds::text, true),
    set_config('lock_timeout', least(milliseconds, 5000)::text, true);
END
$$;

ALTER FUNCTION app.enter_upload(upload uuid, milliseconds integer) OWNER TO flo_owner;

CREATE FUNCTION app.erase_executions(tenant uuid, most integer) RETURNS bigint
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
DECLARE
  class smallint := (SELECT e.retention_class FROM app.workflow_executions AS e WHERE e.tenant_id = tenant LIMIT 1);
  ids uuid[] := ARRAY(
    SELECT e.id FROM app.workflow_executions AS e
    WHERE e.tenant_id = tenant AND e.retention_class = class ORDER BY e.id LIMIT most
  );
  erased bigint;
BEGIN
  DELETE FROM app.workflow_executions AS e
  WHERE e.tenant_id = tenant AND e.retention_class = class
    AND e.id = ANY (ids) AND e.id BETWEEN ids[1] AND ids[cardinality(ids)];
  GET DIAGNOSTICS erased = ROW_COUNT;
  RETURN erased;
END
$$;

ALTER FUNCTION app.erase_executions(tenant uuid, most integer) OWNER TO flo_owner;

CREATE FUNCTION app.etag(stored anyelement) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT md5(stored::text) $$;

ALTER FUNCTION app.etag(stored anyelement) OWNER TO flo_owner;

CREATE FUNCTION app.execution_bytes(e app.workflow_executions) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (((((112 + COALESCE(pg_column_size((e).n8n_execution_id), 0)) + pg_column_size((e).status)) + COALESCE(pg_column_size((e).mode), 0)) + COALESCE(pg_column_size((e).error_message), 0)) + COALESCE(pg_column_size((e).execution_data), 0));

ALTER FUNCTION app.execution_bytes(e app.workflow_executions) OWNER TO flo_owner;

CREATE FUNCTION app.execution_checksum(e app.workflow_executions) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN app.checksum(concat_ws('|'::text, (e).id, (e).tenant_id, (e).workflow_id, COALESCE((e).n8n_execution_id, ''::text), (e).status, COALESCE((e).mode, ''::text), app.microseconds((e).started_at), app.microseconds((e).finished_at), app.microseconds((e).created_at), COALESCE((e).error_message, ''::text), COALESCE(((e).execution_data)::text, ''::text)));

ALTER FUNCTION app.execution_checksum(e app.workflow_executions) OWNER TO flo_owner;

CREATE FUNCTION app.mode_class(mode text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE mode WHEN 'manual'::text THEN 'manual'::text WHEN 'chat'::text THEN 'manual'::text WHEN 'internal'::text THEN 'manual'::text WHEN 'integrated'::text THEN 'sub-workflow'::text WHEN 'error'::text THEN 'error'::text WHEN 'retry'::text THEN 'retry'::text ELSE 'production'::text END;

ALTER FUNCTION app.mode_class(mode text) OWNER TO flo_owner;

CREATE FUNCTION app.execution_delta(e app.workflow_executions, runs integer) RETURNS app.execution_deltas
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN ROW((e).tenant_id, (e).workflow_id, date_bin('00:15:00'::interval, (e).started_at, '1970-01-01 00:00:00+00'::timestamp with time zone), (e).status, app.mode_class((e).mode), CASE WHEN (((e).status = ANY (ARRAY['crashed'::text, 'canceled'::text, 'error'::text, 'success'::text])) AND ((e).finished_at IS NOT NULL)) THEN ((EXTRACT(epoch FROM GREATEST(((e).finished_at - (e).started_at), '00:00:00'::interval)) * (1000000)::numeric))::bigint ELSE NULL::bigint END, CASE WHEN ((e).status = ANY (ARRAY['error'::text, 'crashed'::text])) THEN (e).n8n_execution_id ELSE NULL::text END, CASE WHEN (((e).status = 'success'::text) AND ((e).mode = 'retry'::text)) THEN ((e).execution_data ->> 'retryOf'::text) WHEN (((e).status = ANY (ARRAY['error'::text, 'crashed'::text])) AND (((e).execution_data ->> 'retrySuccessId'::text) IS NOT NULL)) THEN (e).n8n_execution_id ELSE NULL::text END, runs)::app.execution_deltas;

ALTER FUNCTION app.execution_delta(e app.workflow_executions, runs integer) OWNER TO flo_owner;

CREATE FUNCTION app.execution_of(wanted uuid) RETURNS SETOF app.workflow_executions
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
BEGIN
  RETURN QUERY SELECT e.* FROM app.workflow_executions AS e WHERE e.id = wanted;
END
$$;

ALTER FUNCTION app.execution_of(wanted uuid) OWNER TO flo_owner;

CREATE FUNCTION app.execution_row(retention_class smallint, id uuid, tenant_id uuid DEFAULT NULL::uuid, workflow_id uuid DEFAULT NULL::uuid, n8n_execution_id text DEFAULT NULL::text, status text DEFAULT NULL::text, started_at timestamp with time zone DEFAULT NULL::timestamp with time zone, finished_at timestamp with time zone DEFAULT NULL::timestamp with time zone, execution_data jsonb DEFAULT NULL::jsonb, error_message text DEFAULT NULL::text, created_at timestamp with time zone DEFAULT NULL::timestamp with time zone, mode text DEFAULT NULL::text) RETURNS app.workflow_executions
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
DECLARE
  made app.workflow_executions;
BEGIN
  made.retention_class := retention_class;
  made.id := id;
  made.tenant_id := tenant_id;
  made.workflow_id := workflow_id;
  made.n8n_execution_id := n8n_execution_id;
  made.status := status;
  made.started_at := started_at;
  made.finished_at := finished_at;
  made.execution_data := execution_data;
  made.error_message := error_message;
  made.created_at := created_at;
  made.mode := mode;
  RETURN made;
END
$$;

ALTER FUNCTION app.execution_row(retention_class smallint, id uuid, tenant_id uuid, workflow_id uuid, n8n_execution_id text, status text, started_at timestamp with time zone, finished_at timestamp with time zone, execution_data jsonb, error_message text, created_at timestamp with time zone, mode text) OWNER TO flo_owner;

CREATE FUNCTION app.find_passages(query text, mode text, most integer, wanted_bases uuid[], filter app.passage_filter, around integer, marked boolean, models text[], vectors public.halfvec[]) RETURNS TABLE(knowledge_base_id uuid, document_name text, title text, chunk_index integer, chunk_text text, chunk_metadata jsonb, chunk_start integer, chunk_end integer, copies jsonb, similarity double precision, coverage double precision, words text[], confidence_threshold double precision, context jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET join_collapse_limit TO '1'
    AS $$
DECLARE
  tenant uuid := app.tenant();
  depth integer := greatest(100, 2 * most);
  base_ids uuid[];
  spoken text[];
  query_languages text[];  -- NULL in mode vector, as what follows
  query_lexemes text[];
  query_terms integer[];
  query_alternatives integer[];
  query_rarities double precision[];
  query_weights public.sparsevec;
  found uuid[];
  text_hashes bytea[];
BEGIN
  IF tenant IS NULL THEN
    RETURN;
  END IF;
  PERFORM app.take_search_place(tenant);
  IF filter IS NULL THEN
    filter := NULL;  -- not a row of nulls, which the planner takes for a condition
  END IF;
  SELECT array_agg(b.id) INTO base_ids
  FROM app.knowledge_bases AS b WHERE b.tenant_id = tenant AND (wanted_bases IS NULL OR b.id = ANY (wanted_bases));
  IF NOT wanted_bases <@ coalesce(base_ids, '{}') THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found',
      message = 'body.knowledge_base_id: there is no such knowledge base.';
  END IF;
  IF mode <> 'vector' THEN
    spoken := ARRAY(
      SELECT DISTINCT unnest(b.languages) FROM app.knowledge_bases AS b
      WHERE b.tenant_id = tenant AND b.id = ANY (base_ids)
    );
    SELECT * INTO query_languages, query_lexemes, query_terms, query_alternatives, query_rarities, query_weights
    FROM app.query_words(tenant, base_ids, spoken, query);
  END IF;
  LOOP
    SELECT array_agg(f.id ORDER BY f.place), array_agg(coalesce(c.text_hash, c.content_hash) ORDER BY f.place)
    INTO found, text_hashes
    FROM unnest(app.candidates(
      tenant, base_ids, mode, query_terms, query_weights, filter, models, vectors, depth
    )) WITH ORDINALITY AS f (id, place)
    CROSS JOIN LATERAL (SELECT * FROM app.chunks AS c WHERE c.tenant_id = tenant AND c.id = f.id LIMIT 1) AS c;
    EXIT WHEN coalesce(cardinality(found), 0) < depth OR depth > 10000
      OR most <= (SELECT count(DISTINCT h.text_hash) FROM unnest(text_hashes) AS h (text_hash));
    depth := 8 * depth;  -- too many of them are copies
  END LOOP;
  RETURN QUERY
  WITH best AS MATERIALIZED (
    SELECT array_agg(f.id ORDER BY f.place) AS ids, min(f.place) AS place
    FROM unnest(found, text_hashes) WITH ORDINALITY AS f (id, text_hash, place)
    GROUP BY f.text_hash ORDER BY 2 LIMIT most
  ),
  surrounded AS MATERIALIZED (  -- else it is done for each of the best
    SELECT s.* FROM (SELECT array_agg(b.ids[1] ORDER BY b.place) AS ids FROM best AS b HAVING around > 0) AS hits
    CROSS JOIN LATERAL app.contexts(tenant, hits.ids, around) AS s
  )
  SELECT e.knowledge_base_id, e.document_name, d.title, e.chunk_index, e.chunk_text, e.chunk_metadata,
    c.chunk_start, c.chunk_end,
    (
      SELECT jsonb_agg(jsonb_build_object(
        'knowledge_base_id', o.knowledge_base_id, 'document_name', od.name, 'chunk_index', o.chunk_index
      ) ORDER BY copy.place)
      FROM unnest(best.ids[2:101]) WITH ORDINALITY AS copy (id, place)
      CROSS JOIN LATERAL (SELECT * FROM app.chunks AS o WHERE o.tenant_id = tenant AND o.id = copy.id LIMIT 1) AS o
      JOIN app.documents AS od ON od.tenant_id = tenant AND od.id = o.document_id
    ),
    1 - (e.embedding_vector OPERATOR(public.<=>) vectors[array_position(models, e.embedding_model)]),
    (
      SELECT sum(q.rarity) FILTER (WHERE q.term = ANY (c.terms) OR q.alternative = ANY (c.terms)) / sum(q.rarity)
      FROM unnest(query_languages, query_terms, query_alternatives, query_rarities)
        AS q (language, term, alternative, rarity)
      WHERE q.alternative IS NOT NULL AND q.language = d.language
    ),
    CASE WHEN marked AND mode <> 'vector' THEN app.found_words(e.chunk_text, ARRAY(
      SELECT q.lexeme FROM unnest(query_languages, query_lexemes, query_rarities) AS q (language, lexeme, rarity)
      WHERE q.language = d.language ORDER BY q.rarity DESC, q.lexeme LIMIT 20  -- more take seconds in long passages
    ), d.language) ELSE '{}' END,
    t.confidence_threshold, x.context
  FROM best
  CROSS JOIN LATERAL (SELECT * FROM app.chunks AS c WHERE c.tenant_id = tenant AND c.id = best.ids[1] LIMIT 1) AS c
  JOIN app.documents AS d ON d.tenant_id = tenant AND d.id = c.document_id
  JOIN app.knowledge_base_models AS m
    ON m.tenant_id = tenant AND m.knowledge_base_id = c.knowledge_base_id AND m.is_active
  JOIN app.embeddings AS e ON e.tenant_id = tenant AND e.id = c.id AND e.embedding_model = m.embedding_model
  JOIN app.tenants AS t ON t.id = tenant
  LEFT JOIN surrounded AS x ON x.id = c.id
  ORDER BY best.place;
END
$$;

ALTER FUNCTION app.find_passages(query text, mode text, most integer, wanted_bases uuid[], filter app.passage_filter, around integer, marked boolean, models text[], vectors public.halfvec[]) OWNER TO flo_owner;

CREATE FUNCTION app.finish_upload(upload uuid, claim timestamp with time zone, document uuid, chunks integer, failure text, why text) RETURNS void
    LANGUAGE sql
    AS $$
  UPDATE app.uploads AS u SET
    status = CASE WHEN failure IS NULL THEN 'stored' ELSE 'failed' END, document_id = document, chunk_count = chunks,
    code = failure, reason = left(why, 1000), claimed_until = NULL, due_at = now(), finished_at = now()
  WHERE u.id = upload AND u.claimed_until = claim
$$;

ALTER FUNCTION app.finish_upload(upload uuid, claim timestamp with time zone, document uuid, chunks integer, failure text, why text) OWNER TO flo_owner;

CREATE FUNCTION app.first_ids(tenant uuid, workflows uuid[], most integer) RETURNS TABLE(workflow_id uuid, first_id uuid)
    LANGUAGE sql STABLE
    AS $$
  WITH classes AS MATERIALIZED (
    SELECT 0::smallint AS class
    UNION SELECT h.class FROM app.hot_policies AS h WHERE h.tenant_id = tenant
    UNION SELECT c.retention_class FROM app.retention_class_changes AS c WHERE c.tenant_id = tenant
  )
  SELECT w.id, coalesce(n.ids[most], '00000000-0000-0000-0000-000000000000')
  FROM unnest(workflows) AS w (id)
  CROSS JOIN LATERAL (
    SELECT ARRAY(
      SELECT newest.id FROM classes AS c
      CROSS JOIN LATERAL (
        SELECT e.id FROM app.workflow_executions AS e
        WHERE e.retention_class = c.class AND e.tenant_id = tenant AND e.workflow_id = w.id
        ORDER BY e.id DESC LIMIT most
      ) AS newest
      ORDER BY newest.id DESC LIMIT most
    ) AS ids
  ) AS n
$$;

ALTER FUNCTION app.first_ids(tenant uuid, workflows uuid[], most integer) OWNER TO flo_owner;

CREATE FUNCTION app.first_of_newest(tenant uuid, workflow uuid, most integer) RETURNS uuid
    LANGUAGE sql STABLE
    AS $$ SELECT f.first_id FROM app.first_ids(tenant, ARRAY[workflow], most) AS f $$;

ALTER FUNCTION app.first_of_newest(tenant uuid, workflow uuid, most integer) OWNER TO flo_owner;

CREATE FUNCTION app.first_undone(r app.recoveries) RETURNS bigint
    LANGUAGE sql STABLE
    RETURN (SELECT min(t.first_seq) AS min FROM app.recorded_transactions t WHERE ((t.tenant_id = (first_undone.r).tenant_id) AND (t.xid >= pg_snapshot_xmin((first_undone.r).since)) AND (NOT pg_visible_in_snapshot(t.xid, (first_undone.r).since)) AND (((first_undone.r).of_transaction IS NULL) OR (t.xid = (first_undone.r).of_transaction))));

ALTER FUNCTION app.first_undone(r app.recoveries) OWNER TO flo_owner;

CREATE FUNCTION app.fold_deltas_of(tenant uuid, most integer) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
  folded bigint;
  failures app.execution_deltas[];
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('app.fold_deltas', 0));
  SELECT m.folded, m.failures INTO folded, failures FROM app.move_to_rollups(tenant, most) AS m;
  PERFORM app.add_recovered(app.recovered_runs(failures));
  RETURN folded;
END
$$;

ALTER FUNCTION app.fold_deltas_of(tenant uuid, most integer) OWNER TO flo_owner;

CREATE FUNCTION app.fold_deltas(most integer) RETURNS bigint
    LANGUAGE sql
    RETURN app.fold_deltas_of(NULL::uuid, most);

ALTER FUNCTION app.fold_deltas(most integer) OWNER TO flo_owner;

CREATE FUNCTION app.parted(text text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN regexp_replace(regexp_replace(translate(text, '‐‑'::text, '--'::text), '[\u00AD\u200C\u200D\u2060\uFE00-\uFE0F\uFEFF]'::text, ''::text, 'g'::text), '[\u0080-\u00A9\u00AB-\u00B4\u00B6-\u00B9\u00BB-\u00BF\u00D7\u00F7\u037E\u0387\u055A-\u055F\u0589\u058A\u05BE\u05C0\u05C3\u05F3\u05F4\u060C\u061B\u061F\u066A-\u066D\u06D4\u0964\u0965\u2000-\u206F\u2070-\u209F\u20A0-\u20CF\u2100-\u2BFF\u2E00-\u2E7F\u3000-\u3004\u3008-\u3020\u3030\u303D-\u303F\u30FB\uE000-\uF8FF\uFE10-\uFE1F\uFE30-\uFE6F\uFF01-\uFF0F\uFF1A-\uFF20\uFF3B-\uFF40\uFF5B-\uFF65\uFFE0-\uFFFF\U0001F000-\U0001FAFF]+'::text, ' '::text, 'g'::text);

ALTER FUNCTION app.parted(text text) OWNER TO flo_owner;

CREATE FUNCTION app.folded(text text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (octet_length(text) = length(text)) THEN text ELSE NORMALIZE(regexp_replace(NORMALIZE(translate(replace(replace(replace(replace(replace(replace(app.parted(text), 'ß'::text, 'ss'::text), 'ẞ'::text, 'SS'::text), 'æ'::text, 'ae'::text), 'Æ'::text, 'AE'::text), 'œ'::text, 'oe'::text), 'Œ'::text, 'OE'::text), 'øØłŁđĐı'::text, 'oOlLdDi'::text), NFKD), '([A-Za-z])[\u0300-\u036F]+'::text, '\1'::text, 'g'::text), NFKC) END;

ALTER FUNCTION app.folded(text text) OWNER TO flo_owner;

CREATE FUNCTION app.folded_lexemes(lexemes tsvector) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT coalesce(string_agg(
    quote_literal(lower(app.folded(l.lexeme))) || ':' || array_to_string(l.positions, ','), ' '), '')::tsvector
  FROM unnest(lexemes) AS l
$$;

ALTER FUNCTION app.folded_lexemes(lexemes tsvector) OWNER TO flo_owner;

CREATE FUNCTION app.follow_workflows(events jsonb, instance smallint) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  wins boolean := coalesce(
    (SELECT i.n8n_wins FROM app.n8n_instances AS i WHERE i.tenant_id = app.tenant() AND i.number = instance), false
  );
BEGIN
  WITH told AS (
    SELECT DISTINCT ON (w.id, a.field) w.id, a.field, a.told, a.here, coalesce(e.started_at, now()) AS told_at,
      w.name AS former_name, w.is_active AS was_active, w.tags AS former_tags
    FROM jsonb_to_recordset(events) AS e (
      n8n_workflow_id text, workflow_name text, workflow_active boolean, workflow_tags jsonb, started_at timestamptz
    )
    JOIN app.workflows AS w ON w.n8n_workflow_id = e.n8n_workflow_id AND w.n8n_instance = instance
    LEFT JOIN app.n8n_names AS n ON n.tenant_id = w.tenant_id AND n.workflow_id = w.id
    CROSS JOIN LATERAL (  -- `first`: what is here before n8n says anything
      VALUES
      ('name', to_jsonb(e.workflow_name), to_jsonb(w.name), to_jsonb(n.name), to_jsonb(e.workflow_name), n.told_at),
      (
        'is_active', to_jsonb(e.workflow_active), to_jsonb(w.is_active), to_jsonb(n.is_active), 'true',
        n.active_told_at
      ),
      ('tags', e.workflow_tags, to_jsonb(w.tags), to_jsonb(n.tags), '[]', n.tags_told_at)
    ) AS a (field, told, here, known, first, known_at)
    WHERE a.told IS NOT NULL
      AND (a.known_at IS NULL OR coalesce(e.started_at, now()) > a.known_at)
      AND (a.told IS DISTINCT FROM a.known OR coalesce(e.started_at, now()) > a.known_at + interval '1 hour')
      AND (wins OR a.here IN (a.told, coalesce(a.known, a.first)))
      AND NOT app.is_held(w.tenant_id, w.id)
    ORDER BY w.id, a.field, coalesce(e.started_at, now()) DESC, a.told
  ),
  news AS MATERIALIZED (
    SELECT
      t.id, t.former_name, t.was_active, t.former_tags, bool_or(t.told <> t.here) AS differs,
      max(t.told #>> '{}') FILTER (WHERE t.field = 'name') AS name,
      max(t.told_at) FILTER (WHERE t.field = 'name') AS name_at,
      bool_or(t.told = 'true') FILTER (WHERE t.field = 'is_active') AS is_active,
      max(t.told_at) FILTER (WHERE t.field = 'is_active') AS active_at,
      app.texts_in(min(t.told::text) FILTER (WHERE t.field = 'tags')::jsonb) AS tags,
      max(t.told_at) FILTER (WHERE t.field = 'tags') AS tags_at
    FROM told AS t
    GROUP BY t.id, t.former_name, t.was_active, t.former_tags
  ),
  locked AS MATERIALIZED (  -- in one order, so that concurrent batches cannot deadlock
    SELECT w.id FROM app.workflows AS w JOIN news AS s ON s.id = w.id AND s.differs
    ORDER BY w.id FOR NO KEY UPDATE OF w
  ),
  changed AS (
    UPDATE app.workflows AS w
    SET name = coalesce(s.name, w.name), is_active = coalesce(s.is_active, w.is_active),
      tags = coalesce(s.tags, w.tags), updated_at = now()
    FROM news AS s, locked AS l
    WHERE l.id = s.id AND w.id = s.id
      AND (w.name, w.is_active, w.tags) = (s.former_name, s.was_active, s.former_tags)
  )
  INSERT INTO app.n8n_names AS n (workflow_id, name, told_at, is_active, active_told_at, tags, tags_told_at)
  SELECT s.id, s.name, s.name_at, s.is_active, s.active_at, s.tags, s.tags_at FROM news AS s ORDER BY s.id
  ON CONFLICT (tenant_id, workflow_id) DO UPDATE SET (name, told_at, is_active, active_told_at, tags, tags_told_at) = (
    CASE WHEN app.is_later(excluded.told_at, n.told_at) THEN excluded.name ELSE n.name END,
    greatest(excluded.told_at, n.told_at),
    CASE WHEN app.is_later(excluded.active_told_at, n.active_told_at) THEN excluded.is_active ELSE n.is_active END,
    greatest(excluded.active_told_at, n.active_told_at),
    CASE WHEN app.is_later(excluded.tags_told_at, n.tags_told_at) THEN excluded.tags ELSE n.tags END,
    greatest(excluded.tags_told_at, n.tags_told_at)
  );
END
$$;

ALTER FUNCTION app.follow_workflows(events jsonb, instance smallint) OWNER TO flo_owner;

CREATE FUNCTION app.follow_names(events jsonb, instance smallint) RETURNS void
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT app.follow_workflows(events, instance) AS follow_workflows;
END;

ALTER FUNCTION app.follow_names(events jsonb, instance smallint) OWNER TO flo_owner;

CREATE FUNCTION app.forget_deleted_copy() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF current_setting('app.rehydrating', true) IS DISTINCT FROM 'on' THEN
    DELETE FROM app.rehydrated_rows AS r WHERE r.tenant_id = new.tenant_id AND r.id = new.id;
  END IF;
  RETURN new;
END
$$;

ALTER FUNCTION app.forget_deleted_copy() OWNER TO flo_owner;

CREATE FUNCTION app.forget_reported_failures(deliveries jsonb, results app.merged_delivery[], last_archived uuid) RETURNS void
    LANGUAGE sql
    AS $$
  DELETE FROM app.reported_failures AS f
  USING jsonb_array_elements(deliveries) WITH ORDINALITY AS d (item, ordinal), unnest(results) AS r
  WHERE f.tenant_id = app.tenant() AND f.execution_id = (r.execution).id AND r.ordinal = d.ordinal
    AND r.outcome IN ('created', 'updated', 'unchanged')
    AND (r.known OR last_archived IS NULL OR (r.execution).id > last_archived)
    AND app.is_final(d.item ->> 'status') AND d.item ->> 'by_error_workflow' IS DISTINCT FROM 'true';
$$;

ALTER FUNCTION app.forget_reported_failures(deliveries jsonb, results app.merged_delivery[], last_archived uuid) OWNER TO flo_owner;

CREATE FUNCTION app.found_words(passage text, lexemes text[], language text) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT ARRAY(
    SELECT lower(app.folded(w.word))
    FROM (SELECT DISTINCT unnest(string_to_array(lower(r.plain), ' ')) AS word) AS w
    WHERE (language <> 'english' OR left(w.word, 3) LIKE ANY (p.beginnings)) AND (
      coalesce(lower(app.folded((ts_lexize(r.dictionary, w.word))[1])), '=' || lower(app.folded(w.word)))
        = ANY (lexemes)
      OR (r.written <> r.spaced AND (ts_lexize(r.dictionary, lower(app.folded(w.word))))[1] = ANY (lexemes))
    )
    UNION
    SELECT o.written FROM app.compounds(r.spaced) AS o
    WHERE (language <> 'english' OR left(o.joined, 3) LIKE ANY (p.beginnings))
      AND tsvector_to_array(to_tsvector(r.configuration, o.joined)) && lexemes
    UNION
    SELECT l.lexeme FROM unnest(CASE WHEN r.has_pairs THEN app.pairs_of(r.folded) ELSE '' END) AS l
    WHERE l.lexeme = ANY (lexemes)
  )
  FROM app.reading(passage, language) AS r
  CROSS JOIN (
    SELECT ARRAY(
      SELECT DISTINCT left(l.bare, least(3, greatest(1, length(l.bare) - 2))) || '%'
      FROM unnest(lexemes) AS u (lexeme) CROSS JOIN LATERAL (SELECT lower(ltrim(u.lexeme, '=')) AS bare) AS l
    ) AS beginnings
  ) AS p
$$;

ALTER FUNCTION app.found_words(passage text, lexemes text[], language text) OWNER TO flo_owner;

CREATE FUNCTION app.has_changed(file uuid) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
  SELECT EXISTS (
    SELECT FROM app.leaving_rows AS r
    LEFT JOIN app.workflow_executions AS e ON e.retention_class = 0 AND e.id = r.id AND e.tenant_id = r.tenant_id
    LEFT JOIN app.webchat_sessions AS s ON s.id = r.id AND s.tenant_id = r.tenant_id
    LEFT JOIN app.row_history AS h ON h.seq = app.change_seq(r.id) AND h.tenant_id = r.tenant_id
    WHERE r.file_id = file AND r.checksum NOT IN (
      coalesce(app.execution_checksum(e), -1), coalesce(app.session_checksum(s), -1),
      coalesce(app.change_checksum(h), -1)
    )
  )
$$;

ALTER FUNCTION app.has_changed(file uuid) OWNER TO flo_owner;

CREATE FUNCTION app.has_holds(tenant uuid) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT EXISTS (SELECT FROM app.legal_holds AS h WHERE h.tenant_id = tenant AND h.released_at IS NULL) $$;

ALTER FUNCTION app.has_holds(tenant uuid) OWNER TO flo_owner;

CREATE FUNCTION app.has_values(image jsonb, wanted jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((NOT (EXISTS (SELECT FROM jsonb_object_keys((has_values.wanted - 'in_part'::text)) w(key) WHERE (NOT (has_values.image ? w.key))))) AND (NOT (EXISTS (SELECT FROM jsonb_each((has_values.wanted -> 'in_part'::text)) w(key, value) WHERE ((NOT (has_values.image ? w.key)) AND (NOT COALESCE((((has_values.image #> ARRAY['in_part'::text, w.key]) ? 'first'::text) OR ((has_values.image #> ARRAY['in_part'::text, w.key, 'members'::text]) ?& ARRAY(SELECT jsonb_object_keys((w.value -> 'members'::text)) AS jsonb_object_keys UNION SELECT jsonb_array_elements_text((w.value -> 'added'::text)) AS jsonb_array_elements_text))), false)))))));

ALTER FUNCTION app.has_values(image jsonb, wanted jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.histogram_counts(keys smallint[], upto integer[]) RETURNS integer[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
BEGIN
  IF upto = '{}' THEN
    RETURN array_fill(1, ARRAY[cardinality(keys)]);
  END IF;
  FOR place IN REVERSE cardinality(upto) .. 2 LOOP
    upto[place] := upto[place] - upto[place - 1];
  END LOOP;
  RETURN upto;
END
$$;

ALTER FUNCTION app.histogram_counts(keys smallint[], upto integer[]) OWNER TO flo_owner;

CREATE FUNCTION app.histogram_of(keys smallint[], upto integer[], counts integer[]) RETURNS app.histogram
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT ROW(keys, coalesce(upto, app.running_totals(counts)))::app.histogram $$;

ALTER FUNCTION app.histogram_of(keys smallint[], upto integer[], counts integer[]) OWNER TO flo_owner;

CREATE FUNCTION app.history_partitions(OUT partition_name text, OUT starts timestamp with time zone, OUT ends timestamp with time zone) RETURNS SETOF record
    LANGUAGE sql STABLE
    SET "TimeZone" TO 'UTC'
    AS $_$
  SELECT c.relname, right(c.relname, 8)::timestamptz, right(c.relname, 8)::timestamptz + interval '7 days'
  FROM pg_class AS c
  WHERE c.relnamespace = 'app'::regnamespace AND c.relispartition AND c.relname ~ '^row_history_[0-9]{8}$'
$_$;

ALTER FUNCTION app.history_partitions(OUT partition_name text, OUT starts timestamp with time zone, OUT ends timestamp with time zone) OWNER TO flo_owner;

CREATE FUNCTION app.holds_on(tenant uuid, workflow uuid DEFAULT NULL::uuid, execution uuid DEFAULT NULL::uuid) RETURNS SETOF app.legal_holds
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
  SELECT * FROM app.legal_holds AS h
  WHERE h.tenant_id = tenant AND h.released_at IS NULL
    AND CASE h.scope WHEN 'tenant' THEN h.tenant_id WHEN 'workflow' THEN h.workflow_id ELSE h.execution_id END
      = ANY (ARRAY[tenant, workflow, execution])
$$;

ALTER FUNCTION app.holds_on(tenant uuid, workflow uuid, execution uuid) OWNER TO flo_owner;

CREATE FUNCTION app.holds_upload(upload uuid, claim timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM FROM app.uploads AS u WHERE u.id = upload AND u.claimed_until = claim FOR UPDATE;
  RETURN FOUND;
END
$$;

ALTER FUNCTION app.holds_upload(upload uuid, claim timestamp with time zone) OWNER TO flo_owner;

CREATE FUNCTION app.hot_days(policy app.hot_policies, status text, is_newest boolean) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN is_newest THEN (policy).class_of_newest WHEN (status = 'success'::text) THEN (policy).class ELSE (policy).class_of_others END;

ALTER FUNCTION app.hot_days(policy app.hot_policies, status text, is_newest boolean) OWNER TO flo_owner;

CREATE FUNCTION app.id_in(name text) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (name ~* '^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$'::text) THEN (name)::uuid ELSE NULL::uuid END;

ALTER FUNCTION app.id_in(name text) OWNER TO flo_owner;

CREATE FUNCTION app.identify(person text, email text, key_id text, key_hash bytea, named_tenant text, scope text, OUT tenant_id uuid, OUT role text, OUT actor text) RETURNS record
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  tenant record;
BEGIN
  IF key_id IS NOT NULL THEN
    SELECT t.id, t.slug, t.status, t.deleted_at, k.scopes
    INTO tenant
    FROM app.verified_key(key_id, key_hash) AS k
    JOIN app.tenants AS t ON t.id = k.tenant_id;
    IF tenant.deleted_at IS NOT NULL OR lower(named_tenant) <> tenant.slug
      AND app.id_in(named_tenant) IS DISTINCT FROM tenant.id THEN
      RAISE EXCEPTION USING errcode = 'FL403', constraint = 'other_tenants_key',
        message = 'The API key belongs to another tenant.';
    END IF;
    IF scope <> ALL (tenant.scopes) THEN
      RAISE EXCEPTION USING errcode = 'FL403', constraint = 'missing_scope',
        message = CASE WHEN scope = ANY (app.key_scopes()) THEN format('The API key lacks the scope %s.', scope)
        ELSE 'This is for people: no API key may do it.' END;
    END IF;
    tenant_id := tenant.id;
    role := 'key';
    actor := 'key:' || key_id;
  ELSIF person IS NOT NULL THEN
    IF person = '' OR person ILIKE 'mailto:%' THEN  -- who is invited is called so until the invitation is accepted
      RAISE EXCEPTION USING errcode = 'FL401', constraint = 'not_signed_in',
        message = 'The token''s sub cannot name a person.';
    END IF;
    actor := 'user:' || person;
    role := coalesce(
      (SELECT r.role FROM app.user_roles AS r WHERE r.email = lower(identify.email COLLATE "C")), 'user');
    IF scope LIKE 'platform:%' AND role <> 'super_admin' THEN
      RAISE EXCEPTION USING errcode = 'FL403', constraint = 'super_admin_only',
        message = 'Only super admins may do this.';
    ELSIF scope LIKE 'platform:%' OR scope LIKE 'me:%' THEN
      RETURN;
    END IF;
    SELECT p.tenant_id AS id, p.tenant_status AS status, p.role
    INTO tenant
    FROM app.tenant_of_person(person, email, role = 'super_admin', named_tenant, scope) AS p;
    tenant_id := tenant.id;
    role := CASE role WHEN 'super_admin' THEN role ELSE tenant.role END;
    IF app.rank(role) < app.rank(app.needed_role(scope)) THEN
      RAISE EXCEPTION USING errcode = 'FL403', constraint = 'role_too_low',
        message = format('This needs the role %s in the tenant; yours is %s.', app.needed_role(scope), role);
    END IF;
  ELSE
    RAISE EXCEPTION USING errcode = 'FL401', constraint = 'not_signed_in',
      message = 'Sign in first: send a bearer token or an API key in the Authorization header.';
  END IF;
  IF tenant.status <> 'active' AND (scope NOT LIKE '%:read' OR role NOT IN ('owner', 'super_admin')) THEN
    RAISE EXCEPTION USING errcode = 'FL403', constraint = 'tenant_suspended',
      message = 'The tenant is suspended: its owners may read, and nobody may write.';
  END IF;
END
$$;

ALTER FUNCTION app.identify(person text, email text, key_id text, key_hash bytea, named_tenant text, scope text, OUT tenant_id uuid, OUT role text, OUT actor text) OWNER TO flo_owner;

CREATE FUNCTION app.ids_to_keep(tenant uuid, class integer, lower uuid, upper uuid, most integer) RETURNS uuid[]
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
DECLARE
  is_held boolean := app.has_holds(tenant);
  is_kept boolean := EXISTS (SELECT FROM app.keep_policies AS k WHERE k.tenant_id = tenant);
  is_longer boolean := app.is_kept_longer(tenant, class) AND EXISTS (
    SELECT FROM app.retention_class_changes AS c WHERE c.tenant_id = tenant AND c.retention_class = class
  );
BEGIN
  IF NOT (is_held OR is_kept OR is_longer) THEN
    RETURN ARRAY(
      SELECT e.id FROM app.workflow_executions AS e
      WHERE e.tenant_id = tenant AND e.retention_class = class AND e.id >= lower AND e.id < upper
        AND NOT app.is_final(e.status)
      UNION
      SELECT e.id FROM app.touched_executions AS t
      JOIN app.workflow_executions AS e ON e.id = t.id
      WHERE e.tenant_id = tenant AND e.retention_class = class AND e.id >= lower AND e.id < upper
      ORDER BY id LIMIT most
    );
  END IF;
  RETURN ARRAY(
    SELECT e.id FROM app.workflow_executions AS e
    JOIN app.hot_policies AS h ON h.tenant_id = e.tenant_id
    LEFT JOIN (
      SELECT f.workflow_id AS id, f.first_id
      FROM app.hot_policies AS p
      CROSS JOIN LATERAL app.first_ids(
        tenant,
        ARRAY(
          SELECT DISTINCT r.workflow_id FROM app.workflow_executions AS r
          WHERE r.tenant_id = tenant AND r.retention_class = ids_to_keep.class AND r.id >= lower AND r.id < upper
        ),
        p.newest
      ) AS f
      WHERE p.tenant_id = tenant AND p.newest > 0
      OFFSET 0
    ) AS n ON n.id = e.workflow_id
    WHERE e.tenant_id = tenant AND e.retention_class = ids_to_keep.class AND e.id >= lower AND e.id < upper
      AND (
        is_longer OR NOT app.is_final(e.status)
        OR is_held AND EXISTS (SELECT FROM app.holds_on(e.tenant_id, e.workflow_id, e.id))
        OR is_kept AND app.hot_days(h, e.status, e.id >= n.first_id) > ids_to_keep.class
        OR EXISTS (SELECT FROM app.touched_executions AS t WHERE t.id = e.id)
      )
    ORDER BY e.id LIMIT most
  );
END
$$;

ALTER FUNCTION app.ids_to_keep(tenant uuid, class integer, lower uuid, upper uuid, most integer) OWNER TO flo_owner;

CREATE FUNCTION app.lay_over(later jsonb, earlier jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
DECLARE
  laid jsonb := later || earlier;
  parts jsonb;
  part record;
BEGIN
  IF NOT laid ? 'in_part' THEN
    RETURN laid;
  END IF;
  parts := coalesce(later -> 'in_part', '{}') - ARRAY(SELECT jsonb_object_keys(earlier));
  FOR part IN SELECT p.key, p.value FROM jsonb_each(earlier -> 'in_part') AS p LOOP
    IF later ? part.key THEN
      laid := jsonb_set(laid, ARRAY[part.key], app.whole_before(later -> part.key, part.value));
    ELSE
      parts := parts || jsonb_build_object(part.key, app.part_before(parts -> part.key, part.value));
    END IF;
  END LOOP;
  RETURN CASE parts WHEN '{}' THEN laid - 'in_part' ELSE laid || jsonb_build_object('in_part', parts) END;
END
$$;

ALTER FUNCTION app.lay_over(later jsonb, earlier jsonb) OWNER TO flo_owner;

CREATE AGGREGATE app.laid_over(jsonb) (
    SFUNC = app.lay_over,
    STYPE = jsonb,
    INITCOND = '{}'
);

ALTER AGGREGATE app.laid_over(jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.image_before(of_row uuid, seqs bigint[]) RETURNS jsonb
    LANGUAGE sql STABLE
    RETURN (SELECT app.laid_over(h.old ORDER BY h.seq DESC) AS laid_over FROM app.row_history h WHERE ((h.tenant_id = app.tenant()) AND (h.row_id = image_before.of_row) AND (h.seq = ANY (image_before.seqs))));

ALTER FUNCTION app.image_before(of_row uuid, seqs bigint[]) OWNER TO flo_owner;

CREATE FUNCTION app.index_words(tenant uuid, base uuid, ids uuid[], told text[]) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  wanted text := (SELECT b.language FROM app.knowledge_bases AS b WHERE b.tenant_id = tenant AND b.id = base);
  pending integer;
BEGIN
  UPDATE app.documents AS d
  SET language = CASE wanted WHEN 'auto' THEN t.language ELSE wanted END, indexed_as = app.indexed_as(wanted)
  FROM unnest(ids, told) AS t (id, language) WHERE d.tenant_id = tenant AND d.id = t.id;
  UPDATE app.chunks AS c SET terms = w.terms, weights = w.weights
  FROM (
    SELECT c.id, app.terms_of(tenant, l.lexemes, d.language) AS terms, app.weights_of(l.lexemes, d.language) AS weights
    FROM app.documents AS d
    JOIN app.chunks AS c ON c.tenant_id = tenant AND c.document_id = d.id
    CROSS JOIN LATERAL (
      SELECT e.chunk_text FROM app.embeddings AS e WHERE e.tenant_id = tenant AND e.id = c.id LIMIT 1
    ) AS e
    CROSS JOIN LATERAL (
      SELECT app.words_of(app.indexed_text(c.context, e.chunk_text), d.language)
        || strip(app.words_of(d.name, d.language)) AS lexemes OFFSET 0
    ) AS l
    WHERE d.tenant_id = tenant AND d.id = ANY (ids)
  ) AS w
  WHERE c.tenant_id = tenant AND c.id = w.id
    AND (c.terms <> w.terms OR c.weights OPERATOR(public.<>) w.weights);
  pending := (
    SELECT count(*) FROM app.documents AS d
    WHERE d.tenant_id = tenant AND d.knowledge_base_id = base
      AND (d.indexed_as < app.indexed_as(wanted) OR d.indexed_as > app.indexed_as(wanted))
  );
  UPDATE app.knowledge_bases AS b SET
    words_pending = pending,
    indexed_as = CASE pending WHEN 0 THEN app.indexed_as(wanted) ELSE b.indexed_as END,
    languages = ARRAY(
      SELECT DISTINCT d.language FROM app.documents AS d
      WHERE d.tenant_id = tenant AND d.knowledge_base_id = base AND (pending = 0 OR d.id = ANY (ids))
      UNION
      SELECT unnest(b.languages) WHERE pending > 0
    )
  WHERE b.tenant_id = tenant AND b.id = base;
END
$$;

ALTER FUNCTION app.index_words(tenant uuid, base uuid, ids uuid[], told text[]) OWNER TO flo_owner;

CREATE FUNCTION app.indexed_as(language text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN ((language || ' 2.'::text) || ((current_setting('server_version_num'::text))::integer / 10000));

ALTER FUNCTION app.indexed_as(language text) OWNER TO flo_owner;

CREATE FUNCTION app.indexed_text(context text, chunk_text text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE context WHEN ''::text THEN chunk_text ELSE ((context || '

'::text) || chunk_text) END;

ALTER FUNCTION app.indexed_text(context text, chunk_text text) OWNER TO flo_owner;

CREATE TABLE app.n8n_instances (
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    number smallint NOT NULL,
    name text NOT NULL,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    n8n_wins boolean DEFAULT false NOT NULL,
    is_suspect boolean DEFAULT false NOT NULL,
    CONSTRAINT n8n_instances_name_check CHECK ((name ~ '^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$'::text)),
    CONSTRAINT n8n_instances_number_check CHECK (((number >= 0) AND (number <= 20)))
);
ALTER TABLE ONLY app.n8n_instances ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.n8n_instances FORCE ROW LEVEL SECURITY;

ALTER TABLE app.n8n_instances OWNER TO flo_owner;

CREATE FUNCTION app.instances_of_workflows() RETURNS jsonb
    LANGUAGE sql STABLE
    RETURN (SELECT COALESCE(jsonb_object_agg(w.id, COALESCE(i.name, 'default'::text)), '{}'::jsonb) AS "coalesce" FROM (app.workflows w LEFT JOIN app.n8n_instances i ON (((i.tenant_id = w.tenant_id) AND (i.number = w.n8n_instance)))) WHERE (w.tenant_id = app.tenant()));

ALTER FUNCTION app.instances_of_workflows() OWNER TO flo_owner;

CREATE FUNCTION app.invite_member(invited text, role text) RETURNS SETOF app.tenant_memberships
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM app.require_rank(role);
  IF invited = app.invited_person() THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'conflict', message = 'You belong to the tenant already.';
  END IF;
  RETURN QUERY
  UPDATE app.tenant_memberships AS m SET role = invite_member.role, status = 'pending', updated_at = now()
  WHERE m.user_id = invited AND m.status = 'inactive' RETURNING *;  -- who was removed under a legal hold
  IF NOT FOUND THEN
    RETURN QUERY
    INSERT INTO app.tenant_memberships (tenant_id, user_id, role, status)
    VALUES (app.tenant(), invited, invite_member.role, 'pending') RETURNING *;
  END IF;
  INSERT INTO app.invitations (user_id) VALUES (invited);
END
$$;

ALTER FUNCTION app.invite_member(invited text, role text) OWNER TO flo_owner;

CREATE FUNCTION app.invited(email text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ('mailto:'::text || lower((email COLLATE "C")));

ALTER FUNCTION app.invited(email text) OWNER TO flo_owner;

CREATE FUNCTION app.invited_person() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN app.invited(NULLIF(current_setting('app.email'::text, true), ''::text));

ALTER FUNCTION app.invited_person() OWNER TO flo_owner;

CREATE FUNCTION app.is_held(tenant uuid, workflow uuid DEFAULT NULL::uuid, execution uuid DEFAULT NULL::uuid) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT EXISTS (SELECT FROM app.holds_on(tenant, workflow, execution)) $$;

ALTER FUNCTION app.is_held(tenant uuid, workflow uuid, execution uuid) OWNER TO flo_owner;

CREATE FUNCTION app.is_kept_longer(tenant uuid, class integer) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN (EXISTS (SELECT FROM app.hot_policies h WHERE ((h.tenant_id = is_kept_longer.tenant) AND (h.class > is_kept_longer.class))));

ALTER FUNCTION app.is_kept_longer(tenant uuid, class integer) OWNER TO flo_owner;

CREATE FUNCTION app.is_later(said_at timestamp with time zone, known_at timestamp with time zone) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((said_at IS NOT NULL) AND ((known_at IS NULL) OR (said_at > known_at)));

ALTER FUNCTION app.is_later(said_at timestamp with time zone, known_at timestamp with time zone) OWNER TO flo_owner;

CREATE FUNCTION app.is_long_image(image jsonb) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN ((pg_column_size(image) > 2000) OR (pg_column_compression(image) IS NOT NULL) OR (image ? 'in_part'::text));

ALTER FUNCTION app.is_long_image(image jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.is_past(e app.workflow_executions, class smallint, days smallint, partitions_before uuid, moment timestamp with time zone) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
  SELECT CASE WHEN e.retention_class = class THEN e.id < partitions_before AND (
      days = class OR greatest(e.created_at, e.finished_at) < moment - make_interval(days => days)
    ) ELSE greatest(e.created_at, e.finished_at) < moment - make_interval(days => days) OR (
      e.retention_class >= days AND e.id < app.partitions_end_before(e.retention_class, moment)
    ) END
$$;

ALTER FUNCTION app.is_past(e app.workflow_executions, class smallint, days smallint, partitions_before uuid, moment timestamp with time zone) OWNER TO flo_owner;

CREATE TABLE app.reported_failures (
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    execution_id uuid NOT NULL,
    reported_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY app.reported_failures ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.reported_failures FORCE ROW LEVEL SECURITY;

ALTER TABLE app.reported_failures OWNER TO flo_owner;

CREATE FUNCTION app.is_reported_failure(execution uuid) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN (EXISTS (SELECT FROM app.reported_failures r WHERE ((r.tenant_id = app.tenant()) AND (r.execution_id = is_reported_failure.execution))));

ALTER FUNCTION app.is_reported_failure(execution uuid) OWNER TO flo_owner;

CREATE FUNCTION app.is_same_stored(one jsonb, other jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  IF current_setting('server_version_num')::integer >= 170000 THEN
    RETURN coalesce(pg_column_toast_chunk_id(one) = pg_column_toast_chunk_id(other), false)
      AND pg_column_size(one) = pg_column_size(other);
  END IF;
  RETURN false;
END
$$;

ALTER FUNCTION app.is_same_stored(one jsonb, other jsonb) OWNER TO flo_owner;

CREATE PROCEDURE app.isolate(IN tenant_table regclass, IN tenant_column text DEFAULT 'tenant_id'::text)
    LANGUAGE plpgsql
    AS $_$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', tenant_table);
  EXECUTE format(
    'CREATE POLICY tenant ON %s TO flo_app USING (%2$I = (SELECT app.tenant())) WITH CHECK (%2$I = (SELECT app.tenant()))',
    tenant_table, tenant_column
  );
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO flo_app', tenant_table);
END
$_$;

ALTER PROCEDURE app.isolate(IN tenant_table regclass, IN tenant_column text) OWNER TO flo_owner;

CREATE FUNCTION app.keep_a_super_admin() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('app.keep_a_super_admin', 0));
  IF NOT EXISTS (SELECT FROM app.user_roles AS r WHERE r.role = 'super_admin') THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'last_super_admin',
      message = 'This is the last super admin: make somebody else a super admin first.';
  END IF;
  RETURN NULL;
END
$$;

ALTER FUNCTION app.keep_a_super_admin() OWNER TO flo_owner;

CREATE FUNCTION app.keep_an_owner() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM FROM app.tenants WHERE id = old.tenant_id FOR NO KEY UPDATE;
  IF FOUND AND NOT EXISTS (
    SELECT FROM app.tenant_memberships AS m
    WHERE m.tenant_id = old.tenant_id AND m.role = 'owner' AND m.status = 'active'
  ) AND NOT EXISTS (
    SELECT FROM app.erasures AS e WHERE e.tenant_id = old.tenant_id AND e.user_id IS NULL
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'last_owner',
      message = 'This is the last owner of the tenant: make somebody else an owner first.';
  END IF;
  RETURN NULL;
END
$$;

ALTER FUNCTION app.keep_an_owner() OWNER TO flo_owner;

CREATE FUNCTION app.keep_held() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  CASE TG_ARGV[0]
    WHEN 'tenant' THEN PERFORM app.require_not_held(OLD.id, wholly => true);
    WHEN 'wholly_of_tenant' THEN PERFORM app.require_not_held(OLD.tenant_id, wholly => true);
    WHEN 'of_tenant' THEN PERFORM app.require_not_held(OLD.tenant_id);
    WHEN 'workflow' THEN PERFORM app.require_not_held(OLD.tenant_id, OLD.id);
    WHEN 'of_workflow' THEN PERFORM app.require_not_held(OLD.tenant_id, OLD.workflow_id);
    WHEN 'execution' THEN
      IF current_setting('app.moving', true) IS DISTINCT FROM 'on' THEN
        PERFORM app.require_not_held(OLD.tenant_id, OLD.workflow_id, OLD.id);
      END IF;
  END CASE;
  RETURN OLD;
END
$$;

ALTER FUNCTION app.keep_held() OWNER TO flo_owner;

CREATE FUNCTION app.keep_held_content() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM app.require_not_held(OLD.tenant_id);
  RETURN NEW;
END
$$;

ALTER FUNCTION app.keep_held_content() OWNER TO flo_owner;

CREATE FUNCTION app.keep_held_values() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
  ignored text[] := TG_ARGV[1];
BEGIN
  CASE TG_ARGV[0]
    WHEN 'execution' THEN
      PERFORM pg_advisory_xact_lock_shared(app.lock_of_holds(OLD.tenant_id));
      IF app.is_held(OLD.tenant_id, OLD.workflow_id, OLD.id) AND NOT app.only_adds_to(OLD, NEW) THEN
        PERFORM app.require_not_held(OLD.tenant_id, OLD.workflow_id, OLD.id);
      END IF;
      RETURN NEW;
    WHEN 'workflow' THEN
      IF OLD.name = OLD.n8n_workflow_id THEN  -- nobody has named it yet
        ignored := ignored || '{name}';
      END IF;
    ELSE
  END CASE;
  IF NOT app.only_adds(to_jsonb(OLD) - ignored, to_jsonb(NEW) - ignored) THEN
    CASE TG_ARGV[0]
      WHEN 'tenant' THEN PERFORM app.require_not_held(OLD.id);
      WHEN 'of_tenant' THEN PERFORM app.require_not_held(OLD.tenant_id);
      WHEN 'workflow' THEN PERFORM app.require_not_held(OLD.tenant_id, OLD.id);
      WHEN 'of_workflow' THEN PERFORM app.require_not_held(OLD.tenant_id, OLD.workflow_id);
    END CASE;
  END IF;
  RETURN NEW;
END
$$;

ALTER FUNCTION app.keep_held_values() OWNER TO flo_owner;

CREATE PROCEDURE app.keep_history(IN recorded regclass, IN ignored text[] DEFAULT '{}'::text[], IN kept text[] DEFAULT '{}'::text[])
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

ALTER PROCEDURE app.keep_history(IN recorded regclass, IN ignored text[], IN kept text[]) OWNER TO flo_owner;

CREATE FUNCTION app.keep_rejected(events jsonb, results app.recorded_event[], of_instance text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO app.n8n_rejections (id, instance, n8n_execution_id, n8n_workflow_id, error, item, delivery)
  SELECT  -- with ids that fall within their millisecond, so that they are listed in their order
    app.uuid7(now(), overlay(
      gen_random_uuid()::text PLACING lpad(to_hex(4095 - e.ordinal), 3, '0') FROM 16
    )::uuid), of_instance, r.n8n_execution_id, r.n8n_workflow_id, r.error, e.event -> 'item',
    CASE WHEN NOT e.event ? 'outcome' AND length(e.event::text) <= 100000
      AND NOT coalesce(e.event -> 'execution_data' ? 'flomastr_object', false)  -- which lies elsewhere, and is too long
    THEN e.event END
  FROM jsonb_array_elements(events) WITH ORDINALITY AS e (event, ordinal)
  JOIN unnest(results) WITH ORDINALITY AS r (
    n8n_execution_id, n8n_workflow_id, id, outcome, error, restarted, ordinal
  ) ON r.ordinal = e.ordinal
  WHERE r.outcome = 'rejected' AND NOT (app.has_holds(app.tenant()) AND EXISTS (
    SELECT FROM app.n8n_rejections AS k WHERE k.tenant_id = app.tenant() OFFSET 9999
  ))
  ORDER BY e.ordinal LIMIT 500;

  DELETE FROM app.n8n_rejections AS r
  WHERE r.tenant_id = app.tenant() AND NOT app.has_holds(app.tenant()) AND r.id <= (
    SELECT k.id FROM app.n8n_rejections AS k WHERE k.tenant_id = app.tenant() ORDER BY k.id DESC OFFSET 500 LIMIT 1
  );
END
$$;

ALTER FUNCTION app.keep_rejected(events jsonb, results app.recorded_event[], of_instance text) OWNER TO flo_owner;

CREATE FUNCTION app.key_scopes() RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN '{workflows:read,workflows:write,executions:read,executions:write,events:write,webchat:read,webchat:write,preferences:read,preferences:write,tenant:read,knowledge:read,knowledge:write}'::text[];

ALTER FUNCTION app.key_scopes() OWNER TO flo_owner;

CREATE TABLE app.api_keys (
    id text NOT NULL,
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    secret_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    rate_limit_per_minute integer,
    last_used_at timestamp with time zone,
    signing_hash bytea,
    replaced_by text,
    instance text,
    CONSTRAINT api_keys_id_check CHECK ((id ~ '^[0-9A-Za-z]{12}$'::text)),
    CONSTRAINT api_keys_instance CHECK ((instance ~ '^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$'::text)),
    CONSTRAINT api_keys_name_check CHECK (((length(name) >= 1) AND (length(name) <= 255))),
    CONSTRAINT api_keys_rate_limit_per_minute CHECK (((rate_limit_per_minute >= 1) AND (rate_limit_per_minute <= 1000000))),
    CONSTRAINT api_keys_scopes CHECK ((scopes <@ app.key_scopes())),
    CONSTRAINT api_keys_scopes_check CHECK ((array_position(scopes, NULL::text) IS NULL)),
    CONSTRAINT api_keys_secret_hash_check CHECK ((length(secret_hash) = 32)),
    CONSTRAINT api_keys_signing_hash CHECK ((length(signing_hash) = 32))
);
ALTER TABLE ONLY app.api_keys ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.api_keys FORCE ROW LEVEL SECURITY;

ALTER TABLE app.api_keys OWNER TO flo_owner;

CREATE FUNCTION app.key_etag(key app.api_keys) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN app.etag((to_jsonb(key) - 'last_used_at'::text));

ALTER FUNCTION app.key_etag(key app.api_keys) OWNER TO flo_owner;

CREATE FUNCTION app.key_of(histogram app.histogram, runs integer) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (histogram).keys[CASE WHEN ((histogram).upto = '{}'::integer[]) THEN runs ELSE (width_bucket((runs - 1), (histogram).upto) + 1) END];

ALTER FUNCTION app.key_of(histogram app.histogram, runs integer) OWNER TO flo_owner;

CREATE FUNCTION app.known_highest(stored bigint, timed integer, added bigint, taken bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ((stored IS NULL) AND (timed <> 0)) THEN NULL::bigint WHEN (taken >= GREATEST(stored, added)) THEN NULL::bigint ELSE GREATEST(stored, added) END;

ALTER FUNCTION app.known_highest(stored bigint, timed integer, added bigint, taken bigint) OWNER TO flo_owner;

CREATE FUNCTION app.known_n8n_instance(wanted text) RETURNS smallint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN COALESCE((SELECT i.number FROM app.n8n_instances i WHERE ((i.tenant_id = app.tenant()) AND (i.name = known_n8n_instance.wanted))), CASE wanted WHEN 'default'::text THEN (0)::smallint ELSE NULL::smallint END);

ALTER FUNCTION app.known_n8n_instance(wanted text) OWNER TO flo_owner;

CREATE FUNCTION app.known_vector(tenant uuid, text_hash bytea, model text) RETURNS public.halfvec
    LANGUAGE sql STABLE
    AS $$
  SELECT e.embedding_vector
  FROM (
    SELECT c.id FROM app.chunks AS c WHERE c.tenant_id = tenant AND c.content_hash = known_vector.text_hash
    ORDER BY c.id LIMIT 50
  ) AS c
  JOIN app.embeddings AS e
    ON e.tenant_id = tenant AND e.id = c.id AND e.embedding_model = model AND e.embedding_vector IS NOT NULL
  LIMIT 1
$$;

ALTER FUNCTION app.known_vector(tenant uuid, text_hash bytea, model text) OWNER TO flo_owner;

CREATE FUNCTION app.left_as_they_are(plan app.planned_row[], ids uuid[], reason text) RETURNS app.planned_row[]
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
BEGIN
  RETURN CASE WHEN cardinality(ids) = 0 THEN plan ELSE ARRAY(
    SELECT CASE WHEN p.id IN (SELECT unnest(ids))
      THEN ROW(p.table_name, p.id, reason, p.image, p.present, p.seqs)::app.planned_row
      ELSE p::app.planned_row END
    FROM unnest(plan) AS p
  ) END;
END
$$;

ALTER FUNCTION app.left_as_they_are(plan app.planned_row[], ids uuid[], reason text) OWNER TO flo_owner;

CREATE FUNCTION app.lock_documents(plan app.planned_row[]) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
DECLARE
  bases uuid[] := ARRAY(
    SELECT DISTINCT (coalesce(p.present, p.image) ->> 'knowledge_base_id')::uuid FROM unnest(plan) AS p
    WHERE p.table_name = 'documents' AND p.action IN ('insert', 'update', 'delete')
  );
BEGIN
  PERFORM FROM app.knowledge_bases AS b
  WHERE b.tenant_id = app.tenant() AND b.id = ANY (bases) ORDER BY b.id FOR NO KEY UPDATE;
  PERFORM FROM app.embedding_tasks AS t
  WHERE t.tenant_id = app.tenant() AND t.document_id IN (
    SELECT p.id FROM unnest(plan) AS p WHERE p.table_name = 'documents'
  )
  ORDER BY t.id FOR UPDATE;
END
$$;

ALTER FUNCTION app.lock_documents(plan app.planned_row[]) OWNER TO flo_owner;

CREATE FUNCTION app.lock_executions(ids uuid[], class smallint) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
BEGIN
  PERFORM app.lock_n8n_ids(ARRAY(
    SELECT e.n8n_execution_id FROM app.workflow_executions AS e
    WHERE e.retention_class = class AND e.id = ANY (ids) AND e.id BETWEEN ids[1] AND ids[cardinality(ids)]
      AND e.n8n_execution_id IS NOT NULL
  ));
END
$$;

ALTER FUNCTION app.lock_executions(ids uuid[], class smallint) OWNER TO flo_owner;

CREATE FUNCTION app.lock_knowledge_base(base uuid) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM FROM app.knowledge_bases AS b WHERE b.id = base FOR NO KEY UPDATE;
  PERFORM app.require_found(FOUND);
END
$$;

ALTER FUNCTION app.lock_knowledge_base(base uuid) OWNER TO flo_owner;

CREATE FUNCTION app.lock_n8n_ids(n8n_ids text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(locks.key)
  FROM (SELECT DISTINCT app.lock_of(n8n_id) AS key FROM unnest(n8n_ids) AS n8n_id ORDER BY 1) AS locks;
END
$$;

ALTER FUNCTION app.lock_n8n_ids(n8n_ids text[]) OWNER TO flo_owner;

CREATE FUNCTION app.lock_of(n8n_execution_id text) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN hashtextextended((app.tenant())::text, (mod(hashtext(n8n_execution_id), 32))::bigint);

ALTER FUNCTION app.lock_of(n8n_execution_id text) OWNER TO flo_owner;

CREATE FUNCTION app.lock_of_holds(tenant uuid) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN hashtextextended(('app.legal_holds '::text || tenant), (0)::bigint);

ALTER FUNCTION app.lock_of_holds(tenant uuid) OWNER TO flo_owner;

CREATE FUNCTION app.lock_planned(plan app.planned_row[]) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_custom_plan'
    AS $_$
DECLARE
  of_table text;
  ids uuid[];
BEGIN
  PERFORM app.lock_n8n_ids(ARRAY(
    SELECT DISTINCT n.id FROM unnest(plan) AS p
    CROSS JOIN LATERAL (VALUES (p.image ->> 'n8n_execution_id'), (p.present ->> 'n8n_execution_id')) AS n (id)
    WHERE p.table_name = 'workflow_executions' AND n.id IS NOT NULL
  ));
  PERFORM app.lock_documents(plan);
  FOREACH of_table IN ARRAY app.recoverable_tables() LOOP
    ids := ARRAY(
      SELECT p.id FROM unnest(plan) AS p
      WHERE p.table_name = of_table AND p.action IN ('update', 'delete') ORDER BY p.id
    );
    EXECUTE format(
      'SELECT FROM app.%I AS t WHERE t.tenant_id = app.tenant() AND t.id = ANY ($1) AND t.id BETWEEN $2 AND $3 %s'
      ' ORDER BY t.id FOR %s', of_table,
      CASE of_table WHEN 'workflow_executions' THEN 'AND t.retention_class = ANY (app.classes_of_tenant())' ELSE '' END,
      CASE of_table WHEN 'tenant_settings' THEN 'NO KEY UPDATE' ELSE 'UPDATE' END  -- whose other rows are written
    ) USING ids, ids[1], ids[cardinality(ids)];
  END LOOP;
END
$_$;

ALTER FUNCTION app.lock_planned(plan app.planned_row[]) OWNER TO flo_owner;

CREATE FUNCTION app.matching_chunks(tenant uuid, bases uuid[], terms integer[], weights public.sparsevec, filter app.passage_filter, most integer) RETURNS uuid[]
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  RETURN (SELECT array_agg(found.id ORDER BY found.distance, found.id) FROM (
    SELECT c.id, c.weights OPERATOR(public.<#>) matching_chunks.weights AS distance
    FROM (  -- by this index alone: its entries of a word are one tenant's but for chance, those of another all its own
      SELECT * FROM app.chunks AS c WHERE c.terms && matching_chunks.terms OFFSET 0
    ) AS c
    WHERE c.tenant_id = tenant AND c.knowledge_base_id = ANY (bases)
      AND (filter IS NULL OR EXISTS (
        SELECT FROM app.embeddings AS e
        WHERE e.tenant_id = tenant AND e.id = c.id AND app.passes(filter, e.document_name, e.chunk_metadata)
      ))
    ORDER BY distance, c.id LIMIT most
  ) AS found);
END
$$;

ALTER FUNCTION app.matching_chunks(tenant uuid, bases uuid[], terms integer[], weights public.sparsevec, filter app.passage_filter, most integer) OWNER TO flo_owner;

CREATE FUNCTION app.may_be_of(began timestamp with time zone, ended timestamp with time zone, run_began timestamp with time zone, run_ended timestamp with time zone, run_stored timestamp with time zone) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((began IS NULL) OR ((began <= (COALESCE(run_ended, 'infinity'::timestamp with time zone) + '00:01:00'::interval)) AND ((run_began = run_stored) OR (run_began <= (COALESCE(ended, 'infinity'::timestamp with time zone) + '00:01:00'::interval)))));

ALTER FUNCTION app.may_be_of(began timestamp with time zone, ended timestamp with time zone, run_began timestamp with time zone, run_ended timestamp with time zone, run_stored timestamp with time zone) OWNER TO flo_owner;

CREATE TABLE app.archive_files (
    id uuid DEFAULT app.uuid7() NOT NULL,
    tenant_id uuid NOT NULL,
    source text NOT NULL,
    month date NOT NULL,
    state text DEFAULT 'writing'::text NOT NULL,
    origin text NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    text_bytes bigint NOT NULL,
    checksum numeric NOT NULL,
    first_id uuid NOT NULL,
    last_id uuid NOT NULL,
    row_group_min_ids uuid[] NOT NULL,
    file_bytes bigint,
    sha256 text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    stored_at timestamp with time zone,
    replaced_at timestamp with time zone,
    verified_at timestamp with time zone,
    etag text,
    first_at timestamp with time zone,
    last_at timestamp with time zone,
    CONSTRAINT archive_files_month_check CHECK ((EXTRACT(day FROM month) = (1)::numeric)),
    CONSTRAINT archive_files_rows_check CHECK ((rows > 0)),
    CONSTRAINT archive_files_source_check CHECK ((source = ANY (ARRAY['workflow_executions'::text, 'webchat_sessions'::text, 'row_history'::text]))),
    CONSTRAINT archive_files_state_check CHECK ((state = ANY (ARRAY['writing'::text, 'verified'::text, 'stored'::text, 'replaced'::text])))
);
ALTER TABLE ONLY app.archive_files ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.archive_files FORCE ROW LEVEL SECURITY;

ALTER TABLE app.archive_files OWNER TO flo_owner;

CREATE TABLE app.idempotency_keys (
    tenant_id uuid DEFAULT app.tenant(),
    actor text DEFAULT current_setting('app.actor'::text) NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    answer jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT idempotency_keys_key_check CHECK (((length(key) >= 1) AND (length(key) <= 255)))
);
ALTER TABLE ONLY app.idempotency_keys ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.idempotency_keys FORCE ROW LEVEL SECURITY;

ALTER TABLE app.idempotency_keys OWNER TO flo_owner;

CREATE TABLE app.webchat_sessions (
    id uuid DEFAULT app.uuid7() NOT NULL,
    session_key text DEFAULT encode((uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex'::text) NOT NULL,
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    workflow_id uuid NOT NULL,
    user_id text NOT NULL,
    messages jsonb DEFAULT '[]'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    message_count integer GENERATED ALWAYS AS (jsonb_array_length(messages)) STORED NOT NULL,
    CONSTRAINT webchat_sessions_messages_check CHECK ((jsonb_typeof(messages) = 'array'::text)),
    CONSTRAINT webchat_sessions_session_key_check CHECK (((length(session_key) >= 1) AND (length(session_key) <= 255))),
    CONSTRAINT webchat_sessions_user_id_check CHECK (((length(user_id) >= 1) AND (length(user_id) <= 255)))
);
ALTER TABLE ONLY app.webchat_sessions ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.webchat_sessions FORCE ROW LEVEL SECURITY;

ALTER TABLE app.webchat_sessions OWNER TO flo_owner;

CREATE FUNCTION app.may_have_data_of(person text) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN ((EXISTS (SELECT FROM app.tenant_memberships m WHERE ((m.tenant_id = app.tenant()) AND (m.user_id = may_have_data_of.person)))) OR (EXISTS (SELECT FROM app.webchat_sessions s WHERE ((s.tenant_id = app.tenant()) AND (s.user_id = may_have_data_of.person)))) OR (EXISTS (SELECT FROM app.idempotency_keys k WHERE ((k.tenant_id = app.tenant()) AND (k.actor = ('user:'::text || may_have_data_of.person))))) OR (EXISTS (SELECT FROM app.archive_files f WHERE ((f.tenant_id = app.tenant()) AND (f.source <> 'workflow_executions'::text)))));

ALTER FUNCTION app.may_have_data_of(person text) OWNER TO flo_owner;

CREATE FUNCTION app.measured_alerts(as_of timestamp with time zone, after uuid, most integer) RETURNS TABLE(alert app.alerts, workflow_name text, is_watched boolean, runs bigint, failures bigint, successes bigint, duration_keys smallint[], duration_counts bigint[])
    LANGUAGE sql
    AS $$
  SELECT m.*
  FROM (
    SELECT array_agg(a.tenant_id) AS tenants, array_agg(a.id) AS ids
    FROM (
      SELECT a.id, a.tenant_id FROM app.alerts AS a
      JOIN app.tenants AS t ON t.id = a.tenant_id AND t.status = 'active' AND t.deleted_at IS NULL
      WHERE (a.enabled OR a.fired_id IS NOT NULL) AND (after IS NULL OR a.id > after)
      ORDER BY a.id LIMIT most
    ) AS a
  ) AS p
  CROSS JOIN LATERAL app.measured_alerts_v2(as_of, p.tenants) AS m
  WHERE (m.alert).id = ANY (p.ids)
  ORDER BY (m.alert).id
$$;

ALTER FUNCTION app.measured_alerts(as_of timestamp with time zone, after uuid, most integer) OWNER TO flo_owner;

CREATE FUNCTION app.measured_alerts_v2(as_of timestamp with time zone, tenants uuid[]) RETURNS TABLE(alert app.alerts, workflow_name text, is_watched boolean, runs bigint, failures bigint, successes bigint, duration_keys smallint[], duration_counts bigint[])
    LANGUAGE sql
    AS $$
  WITH page AS MATERIALIZED (
    SELECT
      a.id, a.tenant_id, a.workflow_id, a.n8n_instance, p.grain, a.kind = 'slow' AS is_slow,
      dense_rank() OVER (ORDER BY a.tenant_id, a.workflow_id, a.n8n_instance, a.kind = 'slow') AS scope,
      as_of - make_interval(mins => a.minutes + CASE p.grain WHEN 'quarter' THEN 15 ELSE 60 END) AS begins_after
    FROM app.alerts AS a
    JOIN app.tenants AS t ON t.id = a.tenant_id AND t.status = 'active' AND t.deleted_at IS NULL
    CROSS JOIN LATERAL (
      SELECT CASE WHEN a.workflow_id IS NULL AND a.n8n_instance IS NULL THEN 'quarter' ELSE 'hour' END
    ) AS p (grain)
    WHERE a.tenant_id = ANY (tenants) AND (a.enabled OR a.fired_id IS NOT NULL)
  ),
  windows AS MATERIALIZED (SELECT DISTINCT scope, begins_after FROM page),
  watched AS MATERIALIZED (  -- an instance is its workflows
    SELECT s.scope, s.tenant_id, s.grain, s.is_slow, s.begins_after,
      coalesce(s.workflow_id, w.id, '00000000-0000-0000-0000-000000000000') AS workflow_id
    FROM (
      SELECT scope, tenant_id, workflow_id, n8n_instance, grain, is_slow, min(begins_after) AS begins_after
      FROM page GROUP BY 1, 2, 3, 4, 5, 6
    ) AS s
    LEFT JOIN app.workflows AS w ON w.tenant_id = s.tenant_id AND w.n8n_instance = s.n8n_instance
    WHERE s.n8n_instance IS NULL OR w.id IS NOT NULL
  ),
  counted AS MATERIALIZED (
    SELECT
      s.scope, r.bucket_start, sum(r.runs) AS runs,
      coalesce(sum(r.runs) FILTER (WHERE r.status IN ('error', 'crashed')), 0) - sum(r.recovered) AS failures,
      coalesce(sum(r.runs) FILTER (WHERE r.status = 'success'), 0) AS successes
    FROM watched AS s
    JOIN app.execution_rollups AS r ON r.tenant_id = s.tenant_id AND r.grain = s.grain
      AND r.workflow_id = s.workflow_id AND r.bucket_start > s.begins_after AND r.mode_class <> 'manual'
    WHERE NOT s.is_slow
    GROUP BY 1, 2
  ),
  sums AS MATERIALIZED (
    SELECT
      w.scope, w.begins_after, sum(c.runs)::bigint AS runs, sum(c.failures)::bigint AS failures,
      sum(c.successes)::bigint AS successes
    FROM windows AS w
    JOIN counted AS c ON c.scope = w.scope AND c.bucket_start > w.begins_after
    GROUP BY 1, 2
  ),
  timed AS MATERIALIZED (
    SELECT s.scope, r.bucket_start, u.key, sum(u.count) AS count
    FROM watched AS s
    JOIN app.execution_rollups AS r ON r.tenant_id = s.tenant_id AND r.grain = s.grain
      AND r.workflow_id = s.workflow_id AND r.bucket_start > s.begins_after AND r.mode_class <> 'manual'
    CROSS JOIN LATERAL unnest(
      r.duration_keys, coalesce(r.duration_counts, app.histogram_counts(r.duration_keys, r.duration_upto))
    ) AS u (key, count)
    WHERE s.is_slow
    GROUP BY 1, 2, 3
  ),
  histograms AS MATERIALIZED (
    SELECT scope, begins_after, array_agg(key) AS keys, array_agg(count) AS counts
    FROM (
      SELECT w.scope, w.begins_after, t.key, sum(t.count)::bigint AS count
      FROM windows AS w
      JOIN timed AS t ON t.scope = w.scope AND t.bucket_start > w.begins_after
      GROUP BY 1, 2, 3
    ) AS c
    GROUP BY 1, 2
  )
  SELECT
    a, w.name, a.enabled AND (a.workflow_id IS NULL OR w.id IS NOT NULL), coalesce(m.runs, 0), coalesce(m.failures, 0),
    coalesce(m.successes, 0), coalesce(h.keys, '{}'), coalesce(h.counts, '{}')
  FROM page AS p
  JOIN app.alerts AS a ON a.id = p.id AND (a.enabled OR a.fired_id IS NOT NULL)
  LEFT JOIN app.workflows AS w ON w.tenant_id = a.tenant_id AND w.id = a.workflow_id
  LEFT JOIN sums AS m ON m.scope = p.scope AND m.begins_after = p.begins_after
  LEFT JOIN histograms AS h ON h.scope = p.scope AND h.begins_after = p.begins_after
  ORDER BY a.id
  FOR NO KEY UPDATE OF a SKIP LOCKED
$$;

ALTER FUNCTION app.measured_alerts_v2(as_of timestamp with time zone, tenants uuid[]) OWNER TO flo_owner;

CREATE FUNCTION app.merge_deliveries(deliveries jsonb, n8n_ids text[], instance smallint) RETURNS SETOF app.merged_delivery
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  tenant uuid := app.tenant();
  tenant_class smallint := (SELECT h.class FROM app.hot_policies AS h WHERE h.tenant_id = tenant);
BEGIN
  RETURN QUERY
  WITH delivered AS (
    SELECT
      d.*, coalesce(by_id.id, by_n8n_id.id) AS known_workflow_id,
      coalesce(by_id.n8n_instance, instance) AS n8n_instance,
      app.delivery_rank(d.status, d.by_error_workflow) AS rank,
      app.end_of(d.status, d.started_at, d.finished_at) AS ended_at
    FROM ROWS FROM (
      jsonb_to_recordset(deliveries) AS (
        workflow_id uuid, n8n_workflow_id text, n8n_execution_id text, status text, started_at timestamptz,
        finished_at timestamptz, execution_data jsonb, error_message text, by_error_workflow boolean, id uuid
      )
    ) WITH ORDINALITY AS d (
      workflow_id, n8n_workflow_id, n8n_execution_id, status, started_at, finished_at, execution_data, error_message,
      by_error_workflow, id, ordinal
    )
    LEFT JOIN app.workflows AS by_id ON by_id.id = d.workflow_id
    LEFT JOIN app.workflows AS by_n8n_id ON d.workflow_id IS NULL AND by_n8n_id.n8n_workflow_id = d.n8n_workflow_id
      AND by_n8n_id.n8n_instance = instance
  ),
  found AS (  -- of an id the newest 100 runs; of others those that began in the millisecond of a delivery have its id
    SELECT
      e.retention_class, e.id, e.workflow_id, e.n8n_execution_id, e.status, e.started_at, e.finished_at,
      e.execution_data, e.error_message, e.created_at, e.id::text AS run, e.n8n_instance,
      app.delivery_rank(e.status, e.status = 'error' AND app.is_reported_failure(e.id)) AS rank,
      CASE WHEN e.nth > 100 THEN app.uuid7_moment(e.id) END AS only_at
    FROM (
      SELECT e.*, w.n8n_instance,
        row_number() OVER (PARTITION BY e.n8n_execution_id, w.n8n_instance ORDER BY e.id DESC) AS nth
      FROM app.workflow_executions AS e
      JOIN app.workflows AS w ON w.tenant_id = e.tenant_id AND w.id = e.workflow_id
      WHERE e.tenant_id = tenant AND e.n8n_execution_id = ANY (n8n_ids)
    ) AS e
    WHERE e.nth <= 100 OR left(e.id::text, 13) IN (
      SELECT left(app.uuid7_floor(coalesce(d.started_at, now()))::text, 13) FROM delivered AS d
    )
  ),
  stored AS (  -- of the runs that a delivery may be of the one whose id it has, else the first; without a time the last
    SELECT DISTINCT ON (d.ordinal) d.ordinal, f.run
    FROM delivered AS d
    JOIN found AS f ON f.n8n_execution_id = d.n8n_execution_id AND f.n8n_instance = d.n8n_instance
    WHERE f.id = d.id OR CASE
      WHEN f.only_at IS NOT NULL AND (coalesce(d.started_at, now()) < f.only_at
        OR coalesce(d.started_at, now()) >= f.only_at + interval '1 millisecond') THEN false
      WHEN d.known_workflow_id <> f.workflow_id THEN app.may_be_of(  -- which has reused the id, unless at the same time
        coalesce(d.started_at, now()), coalesce(d.finished_at, d.started_at, now()), f.started_at,
        coalesce(f.finished_at, f.started_at), NULL
      )
      ELSE app.may_be_of(
        d.started_at, d.ended_at, f.started_at, app.end_of(f.status, f.started_at, f.finished_at), f.created_at
      )
    END
    ORDER BY d.ordinal, f.id IS DISTINCT FROM d.id,
      extract(EPOCH FROM f.started_at) * CASE WHEN d.started_at IS NULL THEN -1 ELSE 1 END, f.run
  ),
  fresh AS (  -- of runs that are not stored; one that has ended ends those of its id that began before
    SELECT d.ordinal, d.n8n_instance, d.n8n_execution_id, d.started_at, d.ended_at,
      d.started_at > interval '1 minute' + max(d.ended_at) OVER (
        PARTITION BY d.n8n_instance, d.n8n_execution_id ORDER BY d.started_at, d.ordinal
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
      ) AS is_later
    FROM delivered AS d
    WHERE NOT EXISTS (SELECT FROM stored AS s WHERE s.ordinal = d.ordinal)
  ),
  opened AS (  -- a run that has not ended goes on with what comes next
    SELECT *, is_later AND lag(is_later AND ended_at IS NULL) OVER (
      PARTITION BY n8n_instance, n8n_execution_id ORDER BY started_at, ordinal
    ) IS NOT TRUE AS opens
    FROM fresh
  ),
  runs AS (
    SELECT s.ordinal, s.run FROM stored AS s
    UNION ALL
    SELECT o.ordinal, coalesce(
      format('%s/%s/', o.n8n_instance, count(*) FILTER (WHERE o.opens) OVER (
        PARTITION BY o.n8n_instance, o.n8n_execution_id ORDER BY o.started_at, o.ordinal
      )) || o.n8n_execution_id, '#' || o.ordinal
    )
    FROM opened AS o
  ),
  judged AS (  -- an execution belongs to the workflow that it is stored under, else to the first known one
    SELECT
      d.*, r.run,
      coalesce(f.workflow_id, first_value(d.known_workflow_id) OVER (
        PARTITION BY r.run ORDER BY d.known_workflow_id IS NULL, d.ordinal
      )) AS run_workflow_id
    FROM delivered AS d
    JOIN runs AS r ON r.ordinal = d.ordinal
    LEFT JOIN found AS f ON f.run = r.run
  ),
  reported AS (
    SELECT
      run, run_workflow_id, n8n_instance, n8n_execution_id, rank, status, started_at, finished_at, execution_data,
      error_message
    FROM judged
    WHERE known_workflow_id = run_workflow_id
    UNION ALL
    SELECT
      f.run, f.workflow_id, f.n8n_instance, f.n8n_execution_id, f.rank, f.status, f.started_at, f.finished_at, NULL,
      f.error_message
    FROM found AS f
    WHERE f.run IN (SELECT r.run FROM runs AS r)
  ),
  ranked AS (
    SELECT *, count(execution_data) OVER runs > 1 AS contested, rank = max(rank) OVER runs AS leads,
      status IN ('crashed', 'canceled', 'error') AND max(rank) OVER runs < app.delivery_rank('success', false) AS fails
    FROM reported
    WINDOW runs AS (PARTITION BY run)
  ),
  merged AS (
    SELECT
      run, n8n_instance, n8n_execution_id, run_workflow_id AS workflow_id,
      min(status) FILTER (WHERE leads) AS status,
      coalesce(min(started_at), now()) AS started_at,
      CASE WHEN app.is_final(min(status) FILTER (WHERE leads))
        THEN coalesce(min(finished_at) FILTER (WHERE leads), now())
        ELSE max(finished_at) FILTER (WHERE leads)
      END AS finished_at,
      (array_agg(execution_data ORDER BY
        execution_data IS NULL,
        CASE WHEN contested THEN app.data_length(execution_data) END DESC,
        CASE WHEN contested THEN execution_data::text END COLLATE "C" DESC
      ))[1] AS execution_data,
      (array_agg(error_message ORDER BY length(error_message) DESC NULLS LAST, error_message)
        FILTER (WHERE leads OR fails))[1] AS error_message
    FROM ranked
    GROUP BY run, n8n_instance, n8n_execution_id, run_workflow_id
  ),
  compared AS MATERIALIZED (  -- an instance, an n8n id and a start make the same id whenever they arrive
    SELECT
      m.*, f.id IS NOT NULL AS known, least(m.started_at, f.created_at, now()) AS first_started_at,
      coalesce(f.created_at, now()) AS created_at, coalesce(f.retention_class, tenant_class) AS retention_class,
      coalesce(f.id, app.uuid7(m.started_at, CASE
        WHEN m.n8n_execution_id IS NULL THEN gen_random_uuid()
        WHEN m.n8n_instance = 0 THEN md5(tenant::text || m.n8n_execution_id)::uuid
        ELSE md5(md5(tenant::text || m.n8n_instance) || m.n8n_execution_id)::uuid
      END)) AS id,
      (f.status, f.started_at, f.finished_at, f.error_message) IS DISTINCT FROM
        (m.status, least(m.started_at, f.created_at, now()), m.finished_at, m.error_message) AS differs,
      app.replaces(m.execution_data, f.execution_data) AS replaces
    FROM merged AS m
    LEFT JOIN found AS f ON f.run = m.run
  ),
  began AS (
    SELECT f.n8n_instance, f.n8n_execution_id, f.run, f.started_at FROM found AS f
    UNION ALL
    SELECT c.n8n_instance, c.n8n_execution_id, c.run, c.first_started_at FROM compared AS c
    WHERE NOT c.known AND c.n8n_execution_id IS NOT NULL
  ),
  resets AS (  -- between one run and the next of an id
    SELECT run, CASE
      WHEN lag(started_at) OVER one_id < started_at THEN tstzrange(lag(started_at) OVER one_id, started_at, '(]')
      WHEN lead(started_at) OVER one_id > started_at THEN tstzrange(started_at, lead(started_at) OVER one_id, '(]')
    END AS reset
    FROM began
    WINDOW one_id AS (PARTITION BY n8n_instance, n8n_execution_id ORDER BY started_at, run)
  ),
  outcomes AS (
    SELECT
      j.ordinal, j.n8n_execution_id, p.run, p.retention_class, p.id, p.known, row_number() OVER earlier AS occurrence,
      CASE
        WHEN p.run IS NULL THEN 'rejected'
        WHEN p.known THEN CASE WHEN p.differs OR p.replaces THEN 'updated' ELSE 'unchanged' END
        WHEN row_number() OVER earlier = 1 THEN 'created'
        WHEN j.rank > max(j.rank) OVER before THEN 'updated'
        WHEN j.rank < max(j.rank) OVER before THEN 'unchanged'
        WHEN (j.started_at, j.finished_at, j.error_message, j.execution_data) IS NOT DISTINCT FROM (
          lag(j.started_at) OVER earlier, lag(j.finished_at) OVER earlier,
          lag(j.error_message) OVER earlier, lag(j.execution_data) OVER earlier
        ) THEN 'unchanged'
        ELSE 'updated'
      END AS outcome,
      CASE
        WHEN j.known_workflow_id IS NULL THEN 'workflow_not_found'
        WHEN p.run IS NULL THEN 'other_workflows_execution'
      END AS rejection
    FROM judged AS j
    LEFT JOIN compared AS p ON p.run = j.run AND p.workflow_id = j.known_workflow_id
    WINDOW
      earlier AS (PARTITION BY p.run ORDER BY j.ordinal),
      before AS (PARTITION BY p.run ORDER BY j.ordinal ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
  )
  SELECT
    o.ordinal, o.n8n_execution_id, o.outcome, o.rejection, o.known,
    CASE
      WHEN c.run IS NOT NULL THEN app.execution_row(
        c.retention_class, c.id, tenant, c.workflow_id, c.n8n_execution_id, c.status, c.first_started_at,
        c.finished_at, CASE WHEN c.replaces THEN c.execution_data END, c.error_message, c.created_at,
        app.execution_mode(c.execution_data)
      )
      ELSE app.execution_row(o.retention_class, o.id)
    END,
    CASE WHEN o.outcome = 'created' THEN r.reset END
  FROM outcomes AS o
  LEFT JOIN compared AS c ON o.occurrence = 1 AND c.run = o.run
  LEFT JOIN resets AS r ON r.run = o.run
  ORDER BY o.ordinal;
END
$$;

ALTER FUNCTION app.merge_deliveries(deliveries jsonb, n8n_ids text[], instance smallint) OWNER TO flo_owner;

CREATE FUNCTION app.merge_late(archived jsonb) RETURNS text
    LANGUAGE plpgsql
    AS $$
DECLARE
  version app.workflow_executions := jsonb_populate_record(NULL::app.workflow_executions, archived);
  result text;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(app.lock_of_holds(app.tenant()));
  IF app.is_held(app.tenant(), version.workflow_id, version.id) THEN
    PERFORM app.supersede(version);
    RETURN 'held';
  END IF;
  archived := archived || jsonb_build_object(
    'by_error_workflow', app.is_reported_failure(version.id)
  );
  PERFORM set_config('app.moving', 'on', true);  -- the archived version stays as it is
  SELECT r.outcome INTO result FROM app.record_executions(jsonb_build_array(archived)) AS r;
  DELETE FROM app.workflow_executions AS e
  WHERE e.retention_class = 0 AND e.tenant_id = app.tenant() AND e.id = version.id
    AND e.workflow_id = version.workflow_id
    AND e.status = version.status AND e.started_at = version.started_at
    AND (e.finished_at, e.execution_data, e.error_message)
      IS NOT DISTINCT FROM (version.finished_at, version.execution_data, version.error_message);
  IF FOUND THEN
    RETURN 'gone';
  END IF;
  PERFORM app.supersede(version);
  RETURN result;
END
$$;

ALTER FUNCTION app.merge_late(archived jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.message_pattern(message text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
DECLARE
  p text := btrim(regexp_replace(left(message, 500), '\s+', ' ', 'g'));
BEGIN
  p := regexp_replace(p, '\m[a-z][a-z0-9+.-]*://[^\s"''<>]*[^\s"''<>.,;:)\]]', '<url>', 'gi');
  p := regexp_replace(p, '[\w.+-]+@[\w-]+(\.[\w-]+)+', '<email>', 'g');
  IF p ~ '[0-9]' THEN
    p := regexp_replace(p, '\m[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}\M', '<id>', 'gi');
    p := regexp_replace(
      p, '\m[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?( ?(Z|[+-][0-9]{2}:?[0-9]{2}))?)?',
      '<time>', 'gi'
    );
    p := regexp_replace(p, '\m0x[0-9a-f]+\M', '<id>', 'gi');
    p := regexp_replace(p, '\m(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,}\M', '<id>', 'gi');
    p := regexp_replace(p, '\m(?=[0-9_]*[a-z])(?=[a-z_]*[0-9])[0-9a-z_]{16,}\M', '<id>', 'gi');
    p := regexp_replace(p, '[0-9]+([.,:][0-9]+)*', '<n>', 'g');
  END IF;
  RETURN nullif(p, '');
END
$$;

ALTER FUNCTION app.message_pattern(message text) OWNER TO flo_owner;

CREATE FUNCTION app.meter(tenant uuid, model text, chunks bigint, tokens bigint) RETURNS void
    LANGUAGE sql
    AS $$
  INSERT INTO app.embedding_usage AS u (tenant_id, day, embedding_model, requests, chunks, tokens)
  VALUES (tenant, (now() AT TIME ZONE 'UTC')::date, model, 1, chunks, tokens)
  ON CONFLICT ON CONSTRAINT embedding_usage_pkey DO UPDATE SET
    requests = u.requests + 1, chunks = u.chunks + excluded.chunks, tokens = u.tokens + excluded.tokens
$$;

ALTER FUNCTION app.meter(tenant uuid, model text, chunks bigint, tokens bigint) OWNER TO flo_owner;

CREATE FUNCTION app.minutes_saved(metadata jsonb) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (((metadata -> 'minutes_saved_per_run'::text) >= '-1000000000'::jsonb) AND ((metadata -> 'minutes_saved_per_run'::text) <= '1000000000'::jsonb)) THEN ((metadata ->> 'minutes_saved_per_run'::text))::double precision ELSE NULL::double precision END;

ALTER FUNCTION app.minutes_saved(metadata jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.models_of(base uuid) RETURNS SETOF app.model_progress
    LANGUAGE sql STABLE
    AS $$
  SELECT m.knowledge_base_id, m.embedding_model, m.is_active, count(t.id),
    count(t.id) FILTER (WHERE t.status = 'embedded'), count(t.id) FILTER (WHERE t.status = 'failed'), m.created_at
  FROM app.knowledge_base_models AS m
  LEFT JOIN app.embedding_tasks AS t
    ON t.knowledge_base_id = m.knowledge_base_id AND t.embedding_model = m.embedding_model
  WHERE m.knowledge_base_id = base
  GROUP BY m.knowledge_base_id, m.embedding_model, m.is_active, m.created_at
  ORDER BY m.created_at, m.embedding_model
$$;

ALTER FUNCTION app.models_of(base uuid) OWNER TO flo_owner;

CREATE FUNCTION app.uuid7_moment(id uuid) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN to_timestamp((((((('x'::text || "left"(replace((id)::text, '-'::text, ''::text), 12)))::bit(48))::bigint)::numeric / 1000.0))::double precision);

ALTER FUNCTION app.uuid7_moment(id uuid) OWNER TO flo_owner;

CREATE FUNCTION app.month_of(id uuid) RETURNS date
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (date_trunc('month'::text, (app.uuid7_moment(id) AT TIME ZONE 'UTC'::text)))::date;

ALTER FUNCTION app.month_of(id uuid) OWNER TO flo_owner;

CREATE FUNCTION app.most_bytes_of_recovery() RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN 500000000;

ALTER FUNCTION app.most_bytes_of_recovery() OWNER TO flo_owner;

CREATE FUNCTION app.most_changes_of_recovery() RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN 50000;

ALTER FUNCTION app.most_changes_of_recovery() OWNER TO flo_owner;

CREATE FUNCTION app.move_to_overflow(tenant uuid, class smallint, ids uuid[]) RETURNS bigint
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
DECLARE
  moved bigint;
BEGIN
  PERFORM set_config('app.tenant_id', tenant::text, true), set_config('app.moving', 'on', true);
  PERFORM app.lock_executions(ids, class);
  WITH newest AS MATERIALIZED (
    SELECT f.workflow_id AS id, f.first_id
    FROM app.hot_policies AS h
    CROSS JOIN LATERAL app.first_ids(
      tenant,
      ARRAY(
        SELECT DISTINCT r.workflow_id FROM app.workflow_executions AS r
        WHERE r.retention_class = move_to_overflow.class AND r.id = ANY (ids)
          AND r.id BETWEEN ids[1] AND ids[cardinality(ids)]
      ),
      h.newest
    ) AS f
    WHERE h.tenant_id = tenant AND h.newest > 0
  )
  UPDATE app.workflow_executions AS e SET retention_class = 0
  WHERE e.retention_class = move_to_overflow.class AND e.id = ANY (ids)
    AND e.id BETWEEN ids[1] AND ids[cardinality(ids)]
    AND (NOT app.is_final(e.status) OR app.is_held(e.tenant_id, e.workflow_id, e.id)
      OR EXISTS (SELECT FROM app.touched_executions AS t WHERE t.id = e.id) OR app.is_kept_longer(tenant, class)
      OR EXISTS (
        SELECT FROM app.hot_policies AS h
        LEFT JOIN newest AS n ON n.id = e.workflow_id
        WHERE h.tenant_id = tenant AND app.hot_days(h, e.status, e.id >= n.first_id) > move_to_overflow.class
      ));
  GET DIAGNOSTICS moved = ROW_COUNT;
  RETURN moved;
END
$$;

ALTER FUNCTION app.move_to_overflow(tenant uuid, class smallint, ids uuid[]) OWNER TO flo_owner;

CREATE FUNCTION app.move_to_rollups(tenant uuid, most integer, OUT folded bigint, OUT failures app.execution_deltas[]) RETURNS record
    LANGUAGE plpgsql
    SET jit TO 'off'
    SET work_mem TO '64MB'
    SET enable_sort TO 'off'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
BEGIN
  WITH gone AS (
    DELETE FROM app.execution_deltas AS d
    WHERE d.ctid = ANY (ARRAY(
      SELECT ctid FROM app.execution_deltas AS n WHERE tenant IS NULL OR n.tenant_id = tenant LIMIT most
    ))
    RETURNING d.*
  ),
  zones AS MATERIALIZED (
    SELECT t.id AS tenant_id, app.rollup_zone(t.id) AS zone FROM app.tenants AS t
    WHERE t.id IN (SELECT tenant_id FROM gone) ORDER BY t.id FOR KEY SHARE
  ),
  netted AS MATERIALIZED (
    SELECT
      tenant_id, workflow_id, quarter, status, mode_class, microseconds, app.duration_key(microseconds) AS key,
      sum(runs)::integer AS runs
    FROM gone
    GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(runs) <> 0
  ),
  cut AS MATERIALIZED (
    SELECT tenant_id, quarter, date_trunc('hour', quarter, zone) AS hour, date_trunc('day', quarter, zone) AS day
    FROM (SELECT DISTINCT tenant_id, quarter FROM netted) AS q JOIN zones USING (tenant_id)
  ),
  changed AS MATERIALIZED (
    SELECT
      tenant_id, CASE WHEN quarter IS NOT NULL THEN 'quarter' WHEN hour IS NOT NULL THEN 'hour' ELSE 'day' END AS grain,
      coalesce(workflow_id, '00000000-0000-0000-0000-000000000000') AS workflow_id,
      coalesce(quarter, hour, day) AS bucket_start, status, mode_class, sum(runs) AS runs,
      coalesce(sum(runs) FILTER (WHERE key IS NOT NULL), 0) AS timed,
      coalesce(sum(microseconds::numeric * runs), 0) AS microseconds,
      min(microseconds) FILTER (WHERE runs > 0) AS min_added, max(microseconds) FILTER (WHERE runs > 0) AS max_added,
      min(microseconds) FILTER (WHERE runs < 0) AS min_taken, max(microseconds) FILTER (WHERE runs < 0) AS max_taken,
      array_agg(key) FILTER (WHERE key IS NOT NULL) AS keys, array_agg(runs) FILTER (WHERE key IS NOT NULL) AS counts
    FROM netted JOIN cut USING (tenant_id, quarter)
    GROUP BY tenant_id, status, mode_class, GROUPING SETS ((quarter), (workflow_id, hour), (day), (workflow_id, day))
  ),
  merged AS MATERIALIZED (
    SELECT
      c.tenant_id, c.grain, c.workflow_id, c.bucket_start, c.status, c.mode_class,
      coalesce(r.runs, 0) + c.runs AS runs, coalesce(r.recovered, 0) AS recovered,
      coalesce(r.timed, 0) + c.timed AS timed, coalesce(r.microseconds, 0) + c.microseconds AS microseconds,
      -app.known_highest(-r.min_microseconds, r.timed, -c.min_added, -c.min_taken) AS lowest,
      app.known_highest(r.max_microseconds, r.timed, c.max_added, c.max_taken) AS highest,
      h.keys, h.upto
    FROM changed AS c
    LEFT JOIN app.execution_rollups AS r USING (tenant_id, grain, workflow_id, bucket_start, status, mode_class)
    CROSS JOIN LATERAL (
      SELECT coalesce(array_agg(m.key ORDER BY m.key), '{}') AS keys,
        CASE WHEN min(m.count) = 1 AND max(m.count) = 1 OR count(*) = 0 THEN '{}'
          ELSE app.running_totals(array_agg(m.count ORDER BY m.key)) END AS upto
      FROM (
        SELECT u.key, sum(u.count)::integer AS count
        FROM (
          SELECT unnest(c.keys || r.duration_keys) AS key, unnest(c.counts || coalesce(
            r.duration_counts, app.histogram_counts(r.duration_keys, r.duration_upto)
          )) AS count
        ) AS u
        GROUP BY u.key HAVING sum(u.count) <> 0
      ) AS m
    ) AS h
  ),
  emptied AS (
    DELETE FROM app.execution_rollups AS r USING merged AS m
    WHERE m.runs = 0 AND m.recovered = 0 AND m.keys = '{}'
      AND (r.tenant_id, r.grain, r.workflow_id, r.bucket_start, r.status, r.mode_class)
        = (m.tenant_id, m.grain, m.workflow_id, m.bucket_start, m.status, m.mode_class)
  ),
  written AS (
    INSERT INTO app.execution_rollups AS r (
      tenant_id, grain, workflow_id, bucket_start, status, mode_class, runs, recovered, timed, microseconds,
      min_microseconds, max_microseconds, duration_keys, duration_upto
    )
    SELECT
      tenant_id, grain, workflow_id, bucket_start, status, mode_class, runs, recovered, timed, microseconds,
      lowest, highest, keys, upto
    FROM merged
    WHERE NOT (runs = 0 AND recovered = 0 AND keys = '{}')
    ORDER BY tenant_id, grain, workflow_id, bucket_start, status, mode_class  -- so that pages of the index become full
    ON CONFLICT (tenant_id, grain, workflow_id, bucket_start, status, mode_class) DO UPDATE SET
      runs = excluded.runs, recovered = excluded.recovered, timed = excluded.timed,
      microseconds = excluded.microseconds,
      min_microseconds = excluded.min_microseconds, max_microseconds = excluded.max_microseconds,
      duration_keys = excluded.duration_keys, duration_upto = excluded.duration_upto, duration_counts = NULL
  )
  SELECT
    count(*), array_agg(ROW(g.*)::app.execution_deltas) FILTER (
      WHERE (g.n8n_execution_id IS NOT NULL OR g.retried IS NOT NULL) AND g.tenant_id IN (SELECT tenant_id FROM zones)
    )
  INTO folded, failures FROM gone AS g;
END
$$;

ALTER FUNCTION app.move_to_rollups(tenant uuid, most integer, OUT folded bigint, OUT failures app.execution_deltas[]) OWNER TO flo_owner;

CREATE TABLE app.n8n_connections (
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    number smallint NOT NULL,
    n8n_url text NOT NULL,
    api_key bytea NOT NULL,
    key_changed_at timestamp with time zone DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    next_pull_at timestamp with time zone DEFAULT now() NOT NULL,
    pulled_at timestamp with time zone,
    workflows_at timestamp with time zone,
    failures smallint DEFAULT 0 NOT NULL,
    error text,
    known_id bigint DEFAULT 0 NOT NULL,
    known_at timestamp with time zone,
    oldest_id bigint,
    cursor text,
    list_id bigint,
    list_at timestamp with time zone,
    list_low bigint,
    open int8multirange DEFAULT '{}'::int8multirange NOT NULL,
    open_below bigint,
    missing int8multirange DEFAULT '{}'::int8multirange NOT NULL,
    seconds real DEFAULT 0,
    tried int8multirange DEFAULT '{}'::int8multirange NOT NULL,
    tried_again int8multirange DEFAULT '{}'::int8multirange NOT NULL,
    spared text[] DEFAULT '{}'::text[] NOT NULL,
    without_data bigint DEFAULT 0 NOT NULL,
    spared_at timestamp with time zone[] DEFAULT '{}'::timestamp with time zone[] NOT NULL,
    CONSTRAINT n8n_connections_api_key_check CHECK (((length(api_key) >= 1) AND (length(api_key) <= 6000))),
    CONSTRAINT n8n_connections_n8n_url_check CHECK (((length(n8n_url) >= 1) AND (length(n8n_url) <= 2000)))
);
ALTER TABLE ONLY app.n8n_connections ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.n8n_connections FORCE ROW LEVEL SECURITY;

ALTER TABLE app.n8n_connections OWNER TO flo_owner;

CREATE FUNCTION app.n8n_ids_to_ask(connection app.n8n_connections, most integer) RETURNS TABLE(id bigint, turn boolean)
    LANGUAGE sql STABLE
    AS $$
  WITH newest AS (
    SELECT n.id FROM unnest(connection.open) AS r
    CROSS JOIN LATERAL generate_series(upper(r) - 1, greatest(lower(r), upper(r) - most), -1) AS n (id)
    ORDER BY n.id DESC LIMIT most
  ),
  others AS (
    SELECT connection.open - (SELECT coalesce(range_agg(int8range(n.id, n.id + 1)), '{}') FROM newest AS n) AS open
  ),
  next AS (
    SELECT n.id FROM others, unnest(open * int8multirange(int8range(NULL, connection.open_below))) AS r
    CROSS JOIN LATERAL generate_series(upper(r) - 1, greatest(lower(r), upper(r) - most), -1) AS n (id)
    ORDER BY n.id DESC LIMIT most
  ),
  top AS (  -- when none is left below
    SELECT n.id FROM others, unnest(open) AS r
    CROSS JOIN LATERAL generate_series(upper(r) - 1, greatest(lower(r), upper(r) - most), -1) AS n (id)
    WHERE NOT EXISTS (SELECT FROM next)
    ORDER BY n.id DESC LIMIT most
  )
  SELECT n.id, false FROM newest AS n
  UNION ALL
  SELECT n.id, true FROM next AS n
  UNION ALL
  SELECT n.id, true FROM top AS n
$$;

ALTER FUNCTION app.n8n_ids_to_ask(connection app.n8n_connections, most integer) OWNER TO flo_owner;

CREATE FUNCTION app.n8n_instance(wanted text) RETURNS smallint
    LANGUAGE plpgsql
    AS $$
DECLARE
  known app.n8n_instances;
BEGIN
  SELECT * INTO known FROM app.n8n_instances AS i WHERE i.tenant_id = app.tenant() AND i.name = wanted;
  IF known.last_seen_at > now() - interval '1 minute' THEN
    RETURN known.number;
  ELSIF known.number IS NULL THEN
    RETURN app.create_n8n_instance(wanted);
  END IF;
  UPDATE app.n8n_instances AS i SET last_seen_at = now()
  WHERE (i.tenant_id, i.number) = (
    SELECT s.tenant_id, s.number FROM app.n8n_instances AS s
    WHERE s.tenant_id = app.tenant() AND s.number = known.number FOR NO KEY UPDATE SKIP LOCKED
  );
  RETURN known.number;
END
$$;

ALTER FUNCTION app.n8n_instance(wanted text) OWNER TO flo_owner;

CREATE FUNCTION app.n8n_spared(connection app.n8n_connections) RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT COALESCE(array_agg(s.id ORDER BY s.at), '{}'::text[]) AS "coalesce" FROM UNNEST((n8n_spared.connection).spared, (n8n_spared.connection).spared_at) s(id, at) WHERE (s.at > (now() - '1 day'::interval)));

ALTER FUNCTION app.n8n_spared(connection app.n8n_connections) OWNER TO flo_owner;

CREATE FUNCTION app.name_of_n8n_instance(tenant uuid, wanted smallint) RETURNS text
    LANGUAGE sql STABLE
    RETURN COALESCE((SELECT i.name FROM app.n8n_instances i WHERE ((i.tenant_id = name_of_n8n_instance.tenant) AND (i.number = name_of_n8n_instance.wanted))), CASE wanted WHEN 0 THEN 'default'::text ELSE NULL::text END);

ALTER FUNCTION app.name_of_n8n_instance(tenant uuid, wanted smallint) OWNER TO flo_owner;

CREATE FUNCTION app.nearest_by_graph(tenant uuid, bases uuid[], model text, wanted public.halfvec, filter app.passage_filter, most integer) RETURNS uuid[]
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
DECLARE
  found uuid[];
BEGIN
  PERFORM set_config('hnsw.ef_search', least(1000, greatest(120, most))::text, true);
  IF current_setting('hnsw.iterative_scan', true) IS NOT NULL THEN  -- pgvector 0.7 has none, and refuses its name
    PERFORM set_config('hnsw.iterative_scan', 'relaxed_order', true);
  END IF;
  SELECT array_agg(f.id ORDER BY f.distance, f.id) INTO found FROM (
    SELECT e.id, e.embedding_vector OPERATOR(public.<#>) wanted AS distance
    FROM app.embeddings AS e
    WHERE e.tenant_id = tenant AND e.knowledge_base_id = ANY (bases) AND e.embedding_model = model
      AND (filter IS NULL OR app.passes(filter, e.document_name, e.chunk_metadata))
    ORDER BY e.embedding_vector OPERATOR(public.<#>) wanted LIMIT most
  ) AS f;
  RETURN found;
END
$$;

ALTER FUNCTION app.nearest_by_graph(tenant uuid, bases uuid[], model text, wanted public.halfvec, filter app.passage_filter, most integer) OWNER TO flo_owner;

CREATE FUNCTION app.nearest_chunks(tenant uuid, bases uuid[], chunks bigint, model text, wanted public.halfvec, filter app.passage_filter, most integer) RETURNS uuid[]
    LANGUAGE plpgsql
    AS $$
DECLARE
  found uuid[];
BEGIN
  IF chunks > 5000 AND (filter).documents IS NULL THEN
    found := app.nearest_by_graph(tenant, bases, model, wanted, filter, most);
  END IF;
  IF coalesce(cardinality(found), 0) < least(most, chunks) THEN
    found := app.nearest_of_all(tenant, bases, model, wanted, filter, most);
  END IF;
  RETURN found;
END
$$;

ALTER FUNCTION app.nearest_chunks(tenant uuid, bases uuid[], chunks bigint, model text, wanted public.halfvec, filter app.passage_filter, most integer) OWNER TO flo_owner;

CREATE FUNCTION app.nearest_of_all(tenant uuid, bases uuid[], model text, wanted public.halfvec, filter app.passage_filter, most integer) RETURNS uuid[]
    LANGUAGE plpgsql STABLE
    SET enable_seqscan TO 'off'
    AS $$
BEGIN
  RETURN (SELECT array_agg(found.id ORDER BY found.distance, found.id) FROM (
    SELECT compared.id, compared.distance FROM (
      SELECT e.id, e.embedding_vector OPERATOR(public.<#>) wanted AS distance
      FROM app.embeddings AS e
      WHERE e.tenant_id = tenant AND e.knowledge_base_id = ANY (bases) AND e.embedding_model = model
        AND e.embedding_vector IS NOT NULL
        AND (filter IS NULL OR app.passes(filter, e.document_name, e.chunk_metadata))
      OFFSET 0  -- else the planner might take the graph
    ) AS compared
    ORDER BY compared.distance, compared.id LIMIT most
  ) AS found);
END
$$;

ALTER FUNCTION app.nearest_of_all(tenant uuid, bases uuid[], model text, wanted public.halfvec, filter app.passage_filter, most integer) OWNER TO flo_owner;

CREATE FUNCTION app.needed_role(scope text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (scope = ANY (ARRAY['tenant:write'::text, 'members:write'::text, 'keys:read'::text, 'keys:write'::text, 'models:write'::text])) THEN 'admin'::text WHEN (scope = ANY (ARRAY['alerts:write'::text, 'instances:write'::text])) THEN 'admin'::text WHEN (scope = ANY (ARRAY['holds:read'::text, 'holds:write'::text, 'archive:read'::text, 'archive:write'::text])) THEN 'admin'::text WHEN (scope = ANY (ARRAY['recovery:read'::text, 'recovery:preview'::text])) THEN 'admin'::text WHEN (scope = ANY (ARRAY['tenant:delete'::text, 'erasures:read'::text, 'erasures:write'::text, 'recovery:write'::text])) THEN 'owner'::text ELSE 'member'::text END;

ALTER FUNCTION app.needed_role(scope text) OWNER TO flo_owner;

CREATE FUNCTION app.newest_executions_of(of_workflow uuid, of_workflows uuid[], with_status text, before uuid, wanted integer) RETURNS SETOF app.workflow_executions
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
DECLARE
  top uuid := coalesce(before, app.uuid7_floor(now() + interval '2 days'));  -- no execution starts further ahead
  latest timestamptz := least(now(), app.uuid7_moment(top));
  classes smallint[] := ARRAY(
    SELECT 0::smallint
    UNION SELECT h.class FROM app.hot_policies AS h WHERE h.tenant_id = app.tenant()
    UNION SELECT c.retention_class FROM app.retention_class_changes AS c WHERE c.tenant_id = app.tenant()
  );
  bottom uuid;
  days integer;
  found integer;
BEGIN
  FOREACH days IN ARRAY '{2,30,100000}'::integer[] LOOP
    bottom := app.uuid7_floor(greatest(latest - make_interval(days => days), to_timestamp(0)));
    RETURN QUERY
    SELECT e.*
    FROM app.workflow_executions AS e
    WHERE e.retention_class = ANY (classes) AND e.id >= bottom AND e.id < top
      AND (of_workflow IS NULL OR e.workflow_id = of_workflow)
      AND (of_workflows IS NULL OR e.workflow_id = ANY (of_workflows))
      AND (with_status IS NULL OR e.status = with_status)
    ORDER BY e.id DESC
    LIMIT wanted;
    GET DIAGNOSTICS found = ROW_COUNT;
    wanted := wanted - found;
    EXIT WHEN wanted = 0;
    top := bottom;
  END LOOP;
END
$$;

ALTER FUNCTION app.newest_executions_of(of_workflow uuid, of_workflows uuid[], with_status text, before uuid, wanted integer) OWNER TO flo_owner;

CREATE FUNCTION app.newest_executions(of_workflow uuid, with_status text, before uuid, wanted integer) RETURNS SETOF app.workflow_executions
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 SELECT e.*::app.workflow_executions AS e
    FROM app.newest_executions_of(newest_executions.of_workflow, NULL::uuid[], newest_executions.with_status, newest_executions.before, newest_executions.wanted) e(retention_class, id, tenant_id, workflow_id, n8n_execution_id, status, started_at, finished_at, execution_data, error_message, created_at, mode);
END;

ALTER FUNCTION app.newest_executions(of_workflow uuid, with_status text, before uuid, wanted integer) OWNER TO flo_owner;

CREATE FUNCTION app.newest_of(ranges int8multirange, most integer) RETURNS int8multirange
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT COALESCE(range_agg(n.r), '{}'::int8multirange) AS "coalesce" FROM (SELECT r.r FROM unnest(newest_of.ranges) r(r) ORDER BY r.r DESC LIMIT newest_of.most) n);

ALTER FUNCTION app.newest_of(ranges int8multirange, most integer) OWNER TO flo_owner;

CREATE FUNCTION app.newest_runs(since timestamp with time zone, before timestamp with time zone, most integer) RETURNS TABLE(n8n_execution_id text, n8n_instance smallint, started_at timestamp with time zone)
    LANGUAGE plpgsql STABLE ROWS 20000
    SET plan_cache_mode TO 'force_custom_plan'
    SET enable_sort TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
  first uuid := app.uuid7_floor(since);
  beyond uuid := app.uuid7_floor(before);
BEGIN
  RETURN QUERY
  SELECT e.n8n_execution_id, w.n8n_instance, e.started_at
  FROM (
    SELECT r.n8n_execution_id, r.workflow_id, r.started_at
    FROM app.workflow_executions AS r
    WHERE r.id >= first AND r.id < beyond
    ORDER BY r.id DESC LIMIT most
  ) AS e
  JOIN app.workflows AS w ON w.tenant_id = app.tenant() AND w.id = e.workflow_id;
END
$$;

ALTER FUNCTION app.newest_runs(since timestamp with time zone, before timestamp with time zone, most integer) OWNER TO flo_owner;

CREATE FUNCTION app.next_to_keep(class integer, lower uuid, upper uuid, most integer, OUT tenant_id uuid, OUT ids uuid[]) RETURNS record
    LANGUAGE sql STABLE
    AS $$
  SELECT t.tenant_id, k.ids
  FROM app.tenants_to_keep(class, lower, upper) AS t
  CROSS JOIN LATERAL app.ids_to_keep(t.tenant_id, class, lower, upper, most) AS k (ids)
  WHERE cardinality(k.ids) > 0 LIMIT 1
$$;

ALTER FUNCTION app.next_to_keep(class integer, lower uuid, upper uuid, most integer, OUT tenant_id uuid, OUT ids uuid[]) OWNER TO flo_owner;

CREATE FUNCTION app.next_upload() RETURNS SETOF app.uploads
    LANGUAGE sql STABLE
    AS $$
  SELECT * FROM app.uploads AS u
  WHERE u.tenant_id = app.tenant() AND u.status = 'waiting' AND u.arrived_at IS NOT NULL ORDER BY u.arrived_at LIMIT 1
$$;

ALTER FUNCTION app.next_upload() OWNER TO flo_owner;

CREATE FUNCTION app.not_sent(tenants uuid[], documents uuid[], models text[]) RETURNS void
    LANGUAGE sql
    AS $$
  UPDATE app.embedding_tasks AS t SET queued_at = NULL
  FROM unnest(tenants, documents, models) AS n (tenant_id, document_id, embedding_model)
  WHERE t.tenant_id = n.tenant_id AND t.document_id = n.document_id AND t.embedding_model = n.embedding_model
$$;

ALTER FUNCTION app.not_sent(tenants uuid[], documents uuid[], models text[]) OWNER TO flo_owner;

CREATE FUNCTION app.note_alert_event(alert app.alerts, type text, data jsonb) RETURNS void
    LANGUAGE sql
    AS $$
  WITH event AS (
    INSERT INTO app.alert_events (tenant_id, alert_id, workflow_id, type, data)
    VALUES (alert.tenant_id, alert.id, alert.workflow_id, note_alert_event.type, note_alert_event.data)
    RETURNING id, occurred_at
  )
  UPDATE app.alerts AS a
  SET fired_id = CASE WHEN note_alert_event.type = 'fired' THEN event.id END,
    fired_at = CASE WHEN note_alert_event.type = 'fired' THEN event.occurred_at END
  FROM event WHERE a.id = alert.id
$$;

ALTER FUNCTION app.note_alert_event(alert app.alerts, type text, data jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.note_attempt(event uuid, claim timestamp with time zone, attempt jsonb, is_delivered boolean, wait interval) RETURNS void
    LANGUAGE sql
    AS $$
  UPDATE app.alert_events AS e
  SET attempts = e.attempts || attempt, next_attempt_at = now() + coalesce(wait, '0'),
    delivery = CASE
      WHEN is_delivered THEN 'delivered'
      WHEN wait IS NULL OR e.occurred_at < now() - interval '3 days' THEN 'failed'
      ELSE 'pending'
    END
  WHERE e.id = event AND e.delivery = 'pending' AND e.next_attempt_at = claim
$$;

ALTER FUNCTION app.note_attempt(event uuid, claim timestamp with time zone, attempt jsonb, is_delivered boolean, wait interval) OWNER TO flo_owner;

CREATE FUNCTION app.note_change_beside_keep() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO app.retention_class_changes AS c (tenant_id, retention_class)
  SELECT k.tenant_id, app.retention_class(least(OLD.hot_ttl_days, (k.keep ->> 'success_days')::integer))
  FROM app.keep_policies AS k
  WHERE k.tenant_id = OLD.id
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;

ALTER FUNCTION app.note_change_beside_keep() OWNER TO flo_owner;

CREATE FUNCTION app.note_change_of_keep() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
  before integer := OLD.keep ->> 'success_days';
BEGIN
  IF current_setting('app.erasing', true) = 'on' THEN
    RETURN NULL;
  END IF;
  INSERT INTO app.retention_class_changes AS c (tenant_id, retention_class)
  SELECT h.tenant_id, app.retention_class(least(t.hot_ttl_days, before))
  FROM app.hot_policies AS h
  JOIN app.tenants AS t ON t.id = h.tenant_id
  WHERE h.tenant_id = coalesce(NEW.tenant_id, OLD.tenant_id)
    AND h.class <> app.retention_class(least(t.hot_ttl_days, before))
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;

ALTER FUNCTION app.note_change_of_keep() OWNER TO flo_owner;

CREATE FUNCTION app.note_commit() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  UPDATE app.recorded_transactions AS t SET committed_at = clock_timestamp()
  WHERE t.tenant_id = new.tenant_id AND t.xid = new.xid;
  RETURN NULL;
END
$$;

ALTER FUNCTION app.note_commit() OWNER TO flo_owner;

CREATE FUNCTION app.note_execution_deltas() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO app.execution_deltas
    SELECT (d).* FROM (
      SELECT app.execution_delta(w, 1) AS d FROM written AS w
      WHERE w.retention_class <> 0 OR NOT EXISTS (
        SELECT FROM app.rehydrated_rows AS r WHERE r.tenant_id = w.tenant_id AND r.id = w.id
      )
      OFFSET 0
    ) AS counted;
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO app.superseded_versions (tenant_id, id, delta)
    SELECT s.tenant_id, s.id, app.execution_delta(s, 1) FROM stored AS s
    WHERE s.retention_class = 0 AND EXISTS (
      SELECT FROM app.rehydrated_rows AS r WHERE r.tenant_id = s.tenant_id AND r.id = s.id
    )
    ON CONFLICT DO NOTHING;
    INSERT INTO app.execution_deltas
    SELECT
      (d).tenant_id, (d).workflow_id, (d).quarter, (d).status, (d).mode_class, (d).microseconds, (d).n8n_execution_id,
      (d).retried, sum((d).runs)
    FROM (
      SELECT app.execution_delta(w, 1) AS d FROM written AS w
      UNION ALL
      SELECT app.execution_delta(s, -1) FROM stored AS s
      OFFSET 0
    ) AS counted
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
    HAVING sum((d).runs) <> 0;
  ELSE
    IF current_setting('app.archiving', true) IS DISTINCT FROM 'on' THEN
      INSERT INTO app.execution_deltas
      SELECT (d).* FROM (
        SELECT app.execution_delta(s, -1) AS d FROM stored AS s
        WHERE s.retention_class <> 0
          OR NOT EXISTS (SELECT FROM app.rehydrated_rows AS r WHERE r.tenant_id = s.tenant_id AND r.id = s.id)
          OR EXISTS (SELECT FROM app.superseded_versions AS v WHERE v.tenant_id = s.tenant_id AND v.id = s.id)
        OFFSET 0
      ) AS counted
      UNION ALL
      SELECT (v.delta).* FROM stored AS s
      JOIN app.superseded_versions AS v ON v.tenant_id = s.tenant_id AND v.id = s.id;
    END IF;
    DELETE FROM app.superseded_versions AS v USING stored AS s
    WHERE s.retention_class = 0 AND v.tenant_id = s.tenant_id AND v.id = s.id;
  END IF;
  RETURN NULL;
END
$$;

ALTER FUNCTION app.note_execution_deltas() OWNER TO flo_owner;

CREATE FUNCTION app.note_reported_failures(deliveries jsonb, results app.merged_delivery[]) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  told uuid[] := ARRAY(
    SELECT DISTINCT (r.execution).id
    FROM jsonb_array_elements(deliveries) WITH ORDINALITY AS d (item, ordinal), unnest(results) AS r
    WHERE r.ordinal = d.ordinal AND d.item ->> 'by_error_workflow' = 'true' AND (r.execution).id IS NOT NULL
    ORDER BY 1
  );
BEGIN
  INSERT INTO app.reported_failures AS r (execution_id)
  SELECT t.id FROM unnest(told) AS t (id)
  WHERE t.id NOT IN (
    SELECT e.id FROM app.workflow_executions AS e
    WHERE e.tenant_id = app.tenant() AND e.id = ANY (told) AND e.id BETWEEN told[1] AND told[cardinality(told)]
      AND app.is_final(e.status)
  )
  ORDER BY t.id
  ON CONFLICT DO NOTHING;
END
$$;

ALTER FUNCTION app.note_reported_failures(deliveries jsonb, results app.merged_delivery[]) OWNER TO flo_owner;

CREATE FUNCTION app.note_resets(results app.merged_delivery[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  shown record;
BEGIN
  FOR shown IN
    SELECT DISTINCT w.n8n_instance, lower(r.reset) AS after, upper(r.reset) AS until
    FROM unnest(results) AS r JOIN app.workflows AS w ON w.id = (r.execution).workflow_id
    WHERE r.reset IS NOT NULL ORDER BY upper(r.reset), lower(r.reset)
  LOOP
    UPDATE app.n8n_resets AS r SET after = greatest(r.after, shown.after), until = least(r.until, shown.until)
    WHERE (r.tenant_id, r.number, r.until) = (
      SELECT k.tenant_id, k.number, k.until FROM app.n8n_resets AS k
      WHERE k.tenant_id = app.tenant() AND k.number = shown.n8n_instance
        AND k.after < shown.until AND shown.after < k.until
      ORDER BY k.until LIMIT 1
    );
    IF NOT FOUND THEN
      INSERT INTO app.n8n_resets (number, after, until)
      SELECT shown.n8n_instance, shown.after, shown.until
      WHERE NOT EXISTS (
        SELECT FROM app.n8n_resets AS k WHERE k.tenant_id = app.tenant() AND k.number = shown.n8n_instance OFFSET 99
      )
      ON CONFLICT DO NOTHING;
    END IF;
  END LOOP;
END
$$;

ALTER FUNCTION app.note_resets(results app.merged_delivery[]) OWNER TO flo_owner;

CREATE FUNCTION app.note_retention_class_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO app.retention_class_changes AS c (tenant_id, retention_class) VALUES (OLD.id, app.retention_class(OLD.hot_ttl_days))
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;

ALTER FUNCTION app.note_retention_class_change() OWNER TO flo_owner;

CREATE FUNCTION app.omitted(value jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN jsonb_build_object('omitted_bytes', COALESCE((value #> '{flomastr_object,bytes}'::text[]), to_jsonb(pg_column_size(value))));

ALTER FUNCTION app.omitted(value jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.on_platform() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN ((app.tenant() IS NULL) AND COALESCE((app.role() = 'super_admin'::text), false));

ALTER FUNCTION app.on_platform() OWNER TO flo_owner;

CREATE FUNCTION app.only_adds(stored jsonb, written jsonb) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
BEGIN
  RETURN CASE
    WHEN stored IS NULL OR stored IN ('null', '""', '[]', '{}') THEN true
    WHEN jsonb_typeof(stored) = 'object' AND jsonb_typeof(written) = 'object' THEN NOT EXISTS (
      SELECT FROM jsonb_each(stored) AS s WHERE NOT app.only_adds(s.value, written -> s.key)
    )
    WHEN jsonb_typeof(stored) = 'array' AND jsonb_typeof(written) = 'array' THEN NOT EXISTS (
      SELECT FROM jsonb_array_elements(stored) WITH ORDINALITY AS s (value, ordinal)
      WHERE s.value IS DISTINCT FROM written -> (s.ordinal - 1)::integer
    )
    ELSE stored IS NOT DISTINCT FROM written
  END;
END
$$;

ALTER FUNCTION app.only_adds(stored jsonb, written jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.only_adds_to(stored app.workflow_executions, written app.workflow_executions) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
DECLARE
  final text[] := '{crashed,canceled,error,success}';
  ignored text[] := '{retention_class,mode}';
BEGIN
  IF stored.status <> ALL (final) THEN
    ignored := ignored || '{status,started_at,finished_at}';
    IF written.status = ANY (final) THEN
      ignored := ignored || '{execution_data,error_message}';
    END IF;
  END IF;
  RETURN app.only_adds(to_jsonb(stored) - ignored, to_jsonb(written) - ignored)
    AND (coalesce(stored.execution_data, '{}') = '{}' OR coalesce(written.execution_data, '{}') <> '{}')
    AND (coalesce(stored.error_message, '') = '' OR coalesce(written.error_message, '') <> '');
END
$$;

ALTER FUNCTION app.only_adds_to(stored app.workflow_executions, written app.workflow_executions) OWNER TO flo_owner;

CREATE PROCEDURE app.open_to_jobs(IN opened regclass, IN verbs text)
    LANGUAGE plpgsql
    AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', opened);
  EXECUTE format('CREATE POLICY job ON %s TO flo_job USING (true) WITH CHECK (true)', opened);
  EXECUTE format('GRANT %s ON %s TO flo_job', verbs, opened);
END
$$;

ALTER PROCEDURE app.open_to_jobs(IN opened regclass, IN verbs text) OWNER TO flo_owner;

CREATE FUNCTION app.pairs_of(folded text, for_query boolean DEFAULT false) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT coalesce(string_agg(CASE l.next WHEN ' ' THEN l.letter ELSE l.letter || l.next END || ':' || l.place, ' ')
      FILTER (WHERE l.next <> ' ' OR l.previous = ' '), '')::tsvector
    || array_to_tsvector(coalesce(array_agg(l.letter) FILTER (WHERE NOT for_query), '{}'))
  FROM string_to_array(regexp_replace(folded, '[^' || app.unspaced() || ']+', ' ', 'g'), NULL) AS s (letters)
  CROSS JOIN LATERAL unnest(s.letters, s.letters[2:] || ' '::text, ' '::text || s.letters)
    WITH ORDINALITY AS l (letter, next, previous, place)
  WHERE l.letter <> ' '
$$;

ALTER FUNCTION app.pairs_of(folded text, for_query boolean) OWNER TO flo_owner;

CREATE FUNCTION app.whole_before(after jsonb, part jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (part ? 'first'::text) THEN jsonb_path_query_array(after, '$[0 to $"last"]'::jsonpath, jsonb_build_object('last', (((part -> 'first'::text))::integer - 1))) ELSE ((after - ARRAY(SELECT jsonb_array_elements_text((part -> 'added'::text)) AS jsonb_array_elements_text)) || (part -> 'members'::text)) END;

ALTER FUNCTION app.whole_before(after jsonb, part jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.part_before(after jsonb, part jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ((after IS NULL) OR (part ? 'first'::text)) THEN part ELSE jsonb_build_object('members', app.whole_before((after -> 'members'::text), part), 'added', ((after -> 'added'::text) || (part -> 'added'::text))) END;

ALTER FUNCTION app.part_before(after jsonb, part jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.partitions(OUT partition_name text, OUT retention_class integer, OUT starts timestamp with time zone, OUT ends timestamp with time zone) RETURNS SETOF record
    LANGUAGE sql STABLE
    SET "TimeZone" TO 'UTC'
    AS $_$
  SELECT
    c.relname, k.days, right(c.relname, 8)::timestamptz,
    right(c.relname, 8)::timestamptz + make_interval(days => k.width_days)
  FROM app.retention_classes() AS k
  JOIN pg_class AS c ON c.relname ~ format('^workflow_executions_c%s_[0-9]{8}$', k.days)
  WHERE c.relnamespace = 'app'::regnamespace AND c.relispartition AND c.relkind = 'r'
$_$;

ALTER FUNCTION app.partitions(OUT partition_name text, OUT retention_class integer, OUT starts timestamp with time zone, OUT ends timestamp with time zone) OWNER TO flo_owner;

CREATE FUNCTION app.partitions_end_before(class integer, moment timestamp with time zone) RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
  SELECT app.uuid7_floor(to_timestamp(
    floor((extract(EPOCH FROM moment) / 86400 - c.days) / c.width_days) * c.width_days * 86400
  ))
  FROM app.retention_classes() AS c WHERE c.days = class
$$;

ALTER FUNCTION app.partitions_end_before(class integer, moment timestamp with time zone) OWNER TO flo_owner;

CREATE FUNCTION app.passages_of(document app.documents) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
DECLARE
  content text := document.content || '';  -- read once
BEGIN
  RETURN coalesce((
    SELECT jsonb_agg(CASE WHEN p.passage ? 'text' THEN p.passage ELSE p.passage || jsonb_build_object(
      'text', substr(content, (p.passage -> 'start')::integer + 1,
        (p.passage -> 'end')::integer - (p.passage -> 'start')::integer)
    ) END ORDER BY p.ordinality)
    FROM jsonb_array_elements(document.passages) WITH ORDINALITY AS p (passage)
  ), '[]');
END
$$;

ALTER FUNCTION app.passages_of(document app.documents) OWNER TO flo_owner;

CREATE FUNCTION app.passages_to_keep(sent jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT jsonb_agg(CASE WHEN ((passages_to_keep.sent ->> 'content'::text) IS NULL) THEN p.passage ELSE (p.passage - 'text'::text) END ORDER BY p.ordinality) AS jsonb_agg FROM jsonb_array_elements((passages_to_keep.sent -> 'chunks'::text)) WITH ORDINALITY p(passage, ordinality));

ALTER FUNCTION app.passages_to_keep(sent jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.passes(wanted app.passage_filter, document text, metadata jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((((wanted).documents IS NULL) OR (document = ANY ((wanted).documents))) AND (((wanted).contained IS NULL) OR (metadata @> (wanted).contained)) AND (((wanted).condition IS NULL) OR (metadata @@ (wanted).condition)));

ALTER FUNCTION app.passes(wanted app.passage_filter, document text, metadata jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.pending_chunks(tenant uuid, document uuid, model text) RETURNS TABLE(id uuid, chunk_index integer, chunk_text text)
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
BEGIN
  PERFORM FROM app.embedding_tasks AS t  -- as writers of the document do: passages are copied as they are
  WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model FOR UPDATE;
  INSERT INTO app.embeddings AS e (
    id, knowledge_base_id, tenant_id, chunk_text, chunk_metadata, document_name, chunk_index, embedding_model
  )
  SELECT DISTINCT ON (c.id) c.id, c.knowledge_base_id, tenant, e.chunk_text, e.chunk_metadata, e.document_name,
    e.chunk_index, model
  FROM app.chunks AS c JOIN app.embeddings AS e ON e.tenant_id = tenant AND e.id = c.id
  WHERE c.tenant_id = tenant AND c.document_id = document AND NOT EXISTS (
    SELECT FROM app.embeddings AS o WHERE o.tenant_id = tenant AND o.id = c.id AND o.embedding_model = model
  )
  ON CONFLICT DO NOTHING;
  WITH pending AS MATERIALIZED (
    SELECT e.id, c.content_hash FROM app.chunks AS c JOIN app.embeddings AS e ON e.tenant_id = tenant AND e.id = c.id
    WHERE c.tenant_id = tenant AND c.document_id = document AND e.embedding_model = model AND e.embedding_vector IS NULL
  ),
  known AS MATERIALIZED (
    SELECT h.content_hash, app.known_vector(tenant, h.content_hash, model) AS vector
    FROM (SELECT DISTINCT p.content_hash FROM pending AS p) AS h
  )
  UPDATE app.embeddings AS e SET embedding_vector = k.vector
  FROM pending AS p JOIN known AS k ON k.content_hash = p.content_hash
  WHERE e.tenant_id = tenant AND e.id = p.id AND e.embedding_model = model AND k.vector IS NOT NULL;
  RETURN QUERY
  SELECT e.id, e.chunk_index, app.indexed_text(c.context, e.chunk_text)
  FROM app.chunks AS c JOIN app.embeddings AS e ON e.tenant_id = tenant AND e.id = c.id
  WHERE c.tenant_id = tenant AND c.document_id = document AND e.embedding_model = model AND e.embedding_vector IS NULL
  ORDER BY c.chunk_index;
  IF NOT FOUND THEN
    PERFORM app.end_embedding(tenant, document, model);
  END IF;
END
$$;

ALTER FUNCTION app.pending_chunks(tenant uuid, document uuid, model text) OWNER TO flo_owner;

CREATE FUNCTION app.percentile_keys(histograms app.histogram[], percents integer[]) RETURNS TABLE(keys smallint[])
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  WITH RECURSIVE between (place, runs, lowest, highest) AS (
    SELECT p.place, (sum(app.runs_of(h)) * p.percent + 99) / 100, min(k.key), max(k.key)
    FROM unnest(percents) WITH ORDINALITY AS p (percent, place)
    CROSS JOIN unnest(histograms) AS h
    CROSS JOIN LATERAL (
      SELECT app.key_of(h, ((app.runs_of(h)::bigint * p.percent + 99) / 100)::integer) AS key
    ) AS k
    GROUP BY p.place, p.percent
    UNION ALL
    SELECT b.place, b.runs, CASE WHEN r.suffice THEN b.lowest ELSE m.key + 1::smallint END,
      CASE WHEN r.suffice THEN m.key ELSE b.highest END
    FROM between AS b
    CROSS JOIN LATERAL (SELECT (b.lowest + b.highest) / 2::smallint AS key) AS m
    CROSS JOIN LATERAL (SELECT sum(app.runs_upto(h, m.key)) >= b.runs AS suffice FROM unnest(histograms) AS h) AS r
    WHERE b.lowest < b.highest
  )
  SELECT array_agg(b.lowest ORDER BY b.place) FROM between AS b WHERE (b.lowest < b.highest) IS NOT TRUE
$$;

ALTER FUNCTION app.percentile_keys(histograms app.histogram[], percents integer[]) OWNER TO flo_owner;

CREATE FUNCTION app.plain(folded text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(folded, '(?<![A-Za-z0-9])[vV](?=[0-9]+\.)'::text, ''::text, 'g'::text), '(?<![A-Za-z0-9])([A-Za-z]{1,2})\+\+(?![A-Za-z+])'::text, '\1plusplus '::text, 'g'::text), '(?<![A-Za-z0-9])([A-Za-z]{1,2})#(?![A-Za-z0-9#])'::text, '\1sharp '::text, 'g'::text), '[\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u007F]+'::text, ' '::text, 'g'::text), '(?<=[0-9])(?=[^0-9 ])|(?<=[^0-9 ])(?=[0-9])'::text, ' '::text, 'g'::text);

ALTER FUNCTION app.plain(folded text) OWNER TO flo_owner;

CREATE FUNCTION app.plan_counts(plan app.planned_row[]) RETURNS jsonb
    LANGUAGE sql STABLE
    RETURN (SELECT COALESCE(jsonb_object_agg(t.table_name, t.counts), '{}'::jsonb) AS "coalesce" FROM (SELECT c.table_name, jsonb_object_agg(c.action, c.rows) AS counts FROM (SELECT p.table_name, p.action, count(*) AS rows FROM unnest(plan_counts.plan) p(table_name, id, action, image, present, seqs) GROUP BY p.table_name, p.action) c GROUP BY c.table_name) t);

ALTER FUNCTION app.plan_counts(plan app.planned_row[]) OWNER TO flo_owner;

CREATE FUNCTION app.plan_embedding(document app.documents) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
BEGIN
  INSERT INTO app.embedding_tasks AS t (knowledge_base_id, document_id, embedding_model, status)
  SELECT document.knowledge_base_id, document.id, m.embedding_model,
    CASE WHEN EXISTS (
      SELECT FROM app.chunks AS c
      WHERE c.tenant_id = document.tenant_id AND c.document_id = document.id AND NOT EXISTS (
        SELECT FROM app.embeddings AS e
        WHERE e.tenant_id = document.tenant_id AND e.id = c.id AND e.embedding_model = m.embedding_model
          AND e.embedding_vector IS NOT NULL
      )
    ) THEN 'processing' ELSE 'embedded' END
  FROM app.knowledge_base_models AS m
  WHERE m.tenant_id = document.tenant_id AND m.knowledge_base_id = document.knowledge_base_id
  ON CONFLICT (tenant_id, document_id, embedding_model) DO UPDATE
  SET status = excluded.status, attempts = 0, reason = NULL, due_at = now(), queued_at = now(), updated_at = now();
END
$$;

ALTER FUNCTION app.plan_embedding(document app.documents) OWNER TO flo_owner;

CREATE FUNCTION app.plan_examples(plan app.planned_row[]) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
  SELECT coalesce(jsonb_agg(jsonb_build_object(
    'table', e.table_name, 'action', e.action, 'id', e.id, 'now', app.small_values(e.present, e.image), 'then',
    CASE e.action WHEN 'delete' THEN NULL ELSE app.small_values(e.image, e.present) END
  ) ORDER BY e.table_name, e.action, e.id), '[]')
  FROM (
    SELECT p.*, row_number() OVER (PARTITION BY p.table_name, p.action ORDER BY p.id) AS nth FROM unnest(plan) AS p
  ) AS e WHERE e.nth <= 3
$$;

ALTER FUNCTION app.plan_examples(plan app.planned_row[]) OWNER TO flo_owner;

CREATE PROCEDURE app.plan_for_large_tenants(IN tenant_table regclass)
    LANGUAGE plpgsql
    AS $$
BEGIN
  EXECUTE format(
    'ALTER TABLE %s ALTER COLUMN tenant_id SET (n_distinct = 100, n_distinct_inherited = 100)', tenant_table
  );
END
$$;

ALTER PROCEDURE app.plan_for_large_tenants(IN tenant_table regclass) OWNER TO flo_owner;

CREATE FUNCTION app.plan_hash(plan app.planned_row[]) RETURNS text
    LANGUAGE sql STABLE
    RETURN (SELECT md5(COALESCE(string_agg(((p.table_name || p.id) || p.action), ' '::text ORDER BY p.table_name, p.id), ''::text)) AS md5 FROM unnest(plan_hash.plan) p(table_name, id, action, image, present, seqs));

ALTER FUNCTION app.plan_hash(plan app.planned_row[]) OWNER TO flo_owner;

CREATE FUNCTION app.plan_history(moment timestamp with time zone, most integer, origin text, without uuid[]) RETURNS integer
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

ALTER FUNCTION app.plan_history(moment timestamp with time zone, most integer, origin text, without uuid[]) OWNER TO flo_owner;

CREATE FUNCTION app.plan_overflow(moment timestamp with time zone, most integer, origin text, without uuid[]) RETURNS integer
    LANGUAGE sql
    AS $$
  SELECT p.planned
  FROM app.plan_overflow_v2(moment, most, origin, without, '00000000-0000-0000-0000-000000000000') AS p
$$;

ALTER FUNCTION app.plan_overflow(moment timestamp with time zone, most integer, origin text, without uuid[]) OWNER TO flo_owner;

CREATE FUNCTION app.plan_overflow_v2(moment timestamp with time zone, most integer, origin text, without uuid[], after uuid, OUT planned integer, OUT reached uuid) RETURNS record
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

ALTER FUNCTION app.plan_overflow_v2(moment timestamp with time zone, most integer, origin text, without uuid[], after uuid, OUT planned integer, OUT reached uuid) OWNER TO flo_owner;

CREATE FUNCTION app.plan_partition(partition_name text, class integer, lower uuid, upper uuid) RETURNS integer
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_custom_plan'
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

ALTER FUNCTION app.plan_partition(partition_name text, class integer, lower uuid, upper uuid) OWNER TO flo_owner;

CREATE FUNCTION app.plan_recovery(r app.recoveries) RETURNS app.planned_row[]
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  plan app.planned_row[] := ARRAY(
    SELECT p FROM unnest(r.tables) AS t (name), app.planned_rows(r, t.name) AS p
  );
BEGIN
  IF app.has_holds(r.tenant_id) THEN
    plan := app.left_as_they_are(plan, ARRAY(
      SELECT p.id FROM unnest(plan) AS p
      WHERE (p.action = 'delete' OR p.action = 'update' AND p.table_name <> 'alerts') AND app.is_held(
        r.tenant_id, CASE p.table_name WHEN 'workflows' THEN p.id ELSE (p.present ->> 'workflow_id')::uuid END, p.id
      )
    ), 'held');
  END IF;
  RETURN app.with_models_of_bases(app.without_taken(app.without_orphans(plan)));
END
$$;

ALTER FUNCTION app.plan_recovery(r app.recoveries) OWNER TO flo_owner;

CREATE FUNCTION app.plan_rows(source text, origin text, measured app.measured_row[]) RETURNS integer
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

ALTER FUNCTION app.plan_rows(source text, origin text, measured app.measured_row[]) OWNER TO flo_owner;

CREATE FUNCTION app.plan_sessions(moment timestamp with time zone, most integer, origin text) RETURNS integer
    LANGUAGE sql
    AS $$ SELECT app.plan_sessions_v2(moment, most, origin, '{}') $$;

ALTER FUNCTION app.plan_sessions(moment timestamp with time zone, most integer, origin text) OWNER TO flo_owner;

CREATE FUNCTION app.plan_sessions_v2(moment timestamp with time zone, most integer, origin text, without uuid[]) RETURNS integer
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

ALTER FUNCTION app.plan_sessions_v2(moment timestamp with time zone, most integer, origin text, without uuid[]) OWNER TO flo_owner;

CREATE FUNCTION app.planned_rows(r app.recoveries, of_table text) RETURNS SETOF app.planned_row
    LANGUAGE plpgsql STABLE
    SET enable_memoize TO 'off'
    AS $_$
DECLARE
  first uuid;
  last uuid;
  planned record;
  bytes bigint := 0;
BEGIN
  SELECT (min(u.id::text))::uuid, (max(u.id::text))::uuid INTO first, last FROM app.undone_rows(r, of_table) AS u;
  FOR planned IN EXECUTE format(
    $q$
      SELECT ROW($2, p.id,
        CASE
          WHEN p.has_changed THEN 'changed_since'
          WHEN NOT p.existed THEN CASE WHEN c.id IS NOT NULL THEN 'delete' END
          WHEN c.id IS NOT NULL THEN CASE WHEN s.present || w.image <> s.present THEN 'update' END
          WHEN w.image ? 'tenant_id' THEN 'insert'
          ELSE 'archived'
        END,
        CASE WHEN pg_column_size(w.image) > 2000 THEN app.short_image(w.image) ELSE w.image END,
        CASE WHEN pg_column_size(s.present) > 2000 THEN app.short_row(s.present, w.image) ELSE s.present END, p.seqs
      )::app.planned_row AS row, pg_column_size(w.image) + coalesce(pg_column_size(s.present), 0) AS bytes
      FROM app.undone_rows($1, $2) AS p
      LEFT JOIN app.%1$I AS c ON c.id = p.id AND c.tenant_id = app.tenant() AND c.id BETWEEN $3 AND $4 %2$s
      CROSS JOIN LATERAL (
        SELECT CASE WHEN p.seqs IS NULL THEN p.image ELSE app.image_before(p.id, p.seqs) END AS image OFFSET 0
      ) AS o
      CROSS JOIN LATERAL (SELECT CASE WHEN c.id IS NOT NULL THEN %3$s END AS present OFFSET 0) AS s
      CROSS JOIN LATERAL (
        SELECT CASE WHEN o.image ? 'in_part' AND c.id IS NOT NULL THEN app.lay_over(s.present, o.image)
          ELSE o.image END AS image OFFSET 0
      ) AS w
    $q$, of_table, CASE of_table
      WHEN 'workflow_executions' THEN 'AND c.retention_class = ANY (app.classes_of_tenant())' ELSE ''
    END, app.row_without_long_values(of_table, 'o.image')
  ) USING r, of_table, first, last
  LOOP
    bytes := bytes + planned.bytes;
    IF bytes > app.most_bytes_of_recovery() THEN
      PERFORM app.refuse_plan(to_char(app.most_bytes_of_recovery() / 1000000, 'FM999 "MB"'));
    END IF;
    IF (planned.row).action IS NOT NULL THEN
      RETURN NEXT planned.row;
    END IF;
  END LOOP;
END
$_$;

ALTER FUNCTION app.planned_rows(r app.recoveries, of_table text) OWNER TO flo_owner;

CREATE FUNCTION app.policies_v2() RETURNS TABLE(tenant_id uuid, hot_ttl_days integer, cold_ttl_days integer, confidence_threshold double precision, rate_limit_per_minute integer, time_zone text)
    LANGUAGE sql STABLE
    AS $$
  SELECT
    t.id, t.hot_ttl_days, c.cold_ttl_days, t.confidence_threshold, app.rate_limit_per_minute(t.id),
    coalesce(s.time_zone, 'UTC')
  FROM app.tenants AS t
  LEFT JOIN app.cold_policies AS c ON c.tenant_id = t.id
  LEFT JOIN app.rollup_settings AS s ON s.tenant_id = t.id
  WHERE t.id = app.tenant()
$$;

ALTER FUNCTION app.policies_v2() OWNER TO flo_owner;

CREATE FUNCTION app.policies_v3() RETURNS TABLE(tenant_id uuid, hot_ttl_days integer, cold_ttl_days integer, confidence_threshold double precision, rate_limit_per_minute integer, time_zone text, keep jsonb)
    LANGUAGE sql STABLE
    AS $$
  SELECT p.*, k.keep FROM app.policies_v2() AS p LEFT JOIN app.keep_policies AS k ON k.tenant_id = p.tenant_id
$$;

ALTER FUNCTION app.policies_v3() OWNER TO flo_owner;

CREATE FUNCTION app.preview_recovery(at timestamp with time zone, of_transaction xid8, deleted uuid, tables text[], row_ids uuid[], reason text, undone uuid DEFAULT NULL::uuid) RETURNS TABLE(recovery app.recoveries, examples jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $_$
DECLARE
  r app.recoveries;
  point app.restore_points;
  plan app.planned_row[];
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended('app.preview_recovery ' || app.tenant(), 0)) THEN
    RAISE EXCEPTION USING errcode = 'FL429', constraint = 'too_many_at_once',
      message = 'A preview of the tenant is running. Repeat this one when it has been answered.';
  END IF;
  IF at IS NOT NULL THEN
    point := app.restore_point_before(at);
  ELSIF undone IS NULL THEN  -- a recovery that is undone may have written nothing
    of_transaction := app.recorded_transaction(of_transaction, deleted);
  END IF;
  IF 'knowledge_bases' = ANY (tables) AND 'knowledge_base_models' <> ALL (tables) THEN
    tables := tables || '{knowledge_base_models}';
  END IF;
  INSERT INTO app.recoveries AS new (at, of_transaction, tables, row_ids, since, is_exact, reason, undone_id) VALUES (
    preview_recovery.at, preview_recovery.of_transaction, coalesce(preview_recovery.tables, app.recoverable_tables()),
    preview_recovery.row_ids,
    coalesce(point.committed, format('%s:%s:%1$s', of_transaction, of_transaction::text::bigint + 1)::pg_snapshot),
    at IS NULL OR point.taken_at = at, preview_recovery.reason, undone
  ) RETURNING new.* INTO r;
  IF undone IS NULL THEN  -- what has been done can be undone
    PERFORM app.check_changes(r);
  END IF;
  plan := app.plan_recovery(r);
  UPDATE app.recoveries AS u SET
    counts = app.plan_counts(plan), plan_hash = app.plan_hash(plan), swept_along = app.swept_along(plan)
  WHERE u.id = r.id RETURNING u.* INTO r;
  RETURN QUERY SELECT r, app.plan_examples(plan);
END
$_$;

ALTER FUNCTION app.preview_recovery(at timestamp with time zone, of_transaction xid8, deleted uuid, tables text[], row_ids uuid[], reason text, undone uuid) OWNER TO flo_owner;

CREATE FUNCTION app.provision_tenant(slug text, name text, n8n_url text, owner_email text, owner_id text) RETURNS TABLE(tenant_id uuid, tenant_slug text, owner_user_id text, membership_id uuid)
    LANGUAGE plpgsql
    AS $$
DECLARE
  tenant uuid := app.uuid7();
BEGIN
  INSERT INTO app.tenants (id, slug, name, n8n_url)
  VALUES (tenant, provision_tenant.slug, provision_tenant.name, provision_tenant.n8n_url);
  INSERT INTO app.tenant_actions (tenant_id, slug, action) VALUES (tenant, provision_tenant.slug, 'provision');
  RETURN QUERY
  INSERT INTO app.tenant_memberships AS m (tenant_id, user_id, role, status)
  VALUES (
    tenant, coalesce(owner_id, app.invited(owner_email)), 'owner',
    CASE WHEN owner_id IS NULL THEN 'pending' ELSE 'active' END
  )
  RETURNING tenant, provision_tenant.slug, m.user_id, m.id;
END
$$;

ALTER FUNCTION app.provision_tenant(slug text, name text, n8n_url text, owner_email text, owner_id text) OWNER TO flo_owner;

CREATE FUNCTION app.query_words(tenant uuid, bases uuid[], spoken text[], query text, OUT languages text[], OUT lexemes text[], OUT terms integer[], OUT alternatives integer[], OUT rarities double precision[], OUT weights public.sparsevec) RETURNS record
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  all_chunks double precision := (
    SELECT coalesce(sum(b.total_chunks), 0) FROM app.knowledge_bases AS b
    WHERE b.tenant_id = tenant AND b.id = ANY (bases)
  );
BEGIN
  WITH words AS (
    SELECT s.language, l.lexeme, coalesce(cardinality(l.positions), 1) AS times, l.positions,
      l.lexeme LIKE '=%' AS is_stop_word, row_number() OVER (PARTITION BY s.language ORDER BY l.positions[1]) AS place,
      bool_and(l.lexeme LIKE '=%') OVER (PARTITION BY s.language) AS are_all_stop_words
    FROM unnest(spoken) AS s (language) CROSS JOIN LATERAL unnest(app.words_of(query, s.language, true)) AS l
  ),
  parts AS (
    SELECT s.language, part.lexeme, min(whole.lexeme) AS whole
    FROM app.compounds(regexp_replace(app.folded(query), '[' || app.unspaced() || ']+', ' ', 'g')) AS c
    CROSS JOIN (
      SELECT l.language, app.configuration(l.language) AS configuration FROM unnest(spoken) AS l (language)
    ) AS s
    CROSS JOIN LATERAL unnest(to_tsvector(s.configuration, c.joined)) AS whole
    CROSS JOIN LATERAL unnest(to_tsvector(s.configuration, lower(app.plain(c.written)))) AS part
    WHERE part.lexeme <> whole.lexeme GROUP BY 1, 2
  ),
  wanted AS MATERIALIZED (
    SELECT DISTINCT ON (app.term_in(w.language, w.lexeme))
      w.language, w.lexeme, w.times, w.positions, app.term_of(tenant, w.lexeme, w.language) AS term,
      CASE WHEN h.whole IS NULL
        THEN app.term_of(tenant, coalesce(p.whole, w.lexeme), w.language)
      END AS alternative
    FROM words AS w
    LEFT JOIN parts AS p ON p.language = w.language AND p.lexeme = w.lexeme
    LEFT JOIN (SELECT DISTINCT o.language, o.whole FROM parts AS o) AS h
      ON h.language = w.language AND h.whole = w.lexeme
    WHERE w.place <= 4000 / cardinality(spoken)
      AND (NOT w.is_stop_word OR w.are_all_stop_words OR (w.lexeme <> lower(w.lexeme) AND query <> upper(query)))
  ),
  counts AS MATERIALIZED (
    SELECT w.term, n.chunks
    FROM wanted AS w
    CROSS JOIN LATERAL (
      SELECT coalesce(sum(t.chunks), 0)::double precision AS chunks FROM app.term_counts AS t
      WHERE t.tenant_id = tenant AND t.knowledge_base_id = ANY (bases) AND t.term = w.term
    ) AS n
  ),
  places AS (
    SELECT w.term, unnest(w.positions)::text AS place FROM wanted AS w
    UNION ALL
    SELECT w.term, '=' || w.lexeme FROM wanted AS w
  ),
  forms AS (
    SELECT DISTINCT a.term, b.term AS form FROM places AS a JOIN places AS b ON b.place = a.place
  ),
  counted AS (
    SELECT w.language, w.lexeme, w.times, w.term, w.alternative,
      ln(1 + (all_chunks - n.chunks + 0.5) / (n.chunks + 0.5)) AS rarity
    FROM wanted AS w
    JOIN (
      SELECT f.term, least(all_chunks, sum(c.chunks)) AS chunks FROM forms AS f JOIN counts AS c ON c.term = f.form
      GROUP BY 1
    ) AS n ON n.term = w.term
  )
  SELECT array_agg(c.language), array_agg(c.lexeme), array_agg(c.term), array_agg(c.alternative), array_agg(c.rarity),
    ('{' || string_agg(
      format('%s:%s', app.term_in(c.language, c.lexeme) + 1, c.rarity * c.times), ','
      ORDER BY app.term_in(c.language, c.lexeme)
    ) || '}/536870912')::public.sparsevec
  INTO languages, lexemes, terms, alternatives, rarities, weights
  FROM counted AS c;
END
$$;

ALTER FUNCTION app.query_words(tenant uuid, bases uuid[], spoken text[], query text, OUT languages text[], OUT lexemes text[], OUT terms integer[], OUT alternatives integer[], OUT rarities double precision[], OUT weights public.sparsevec) OWNER TO flo_owner;

CREATE FUNCTION app.ranges_of(ids bigint[]) RETURNS int8multirange
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT COALESCE(range_agg(int8range(id.id, (id.id + 1))), '{}'::int8multirange) AS "coalesce" FROM unnest(ranges_of.ids) id(id));

ALTER FUNCTION app.ranges_of(ids bigint[]) OWNER TO flo_owner;

CREATE FUNCTION app.rank(role text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN COALESCE(array_position('{member,admin,owner,super_admin}'::text[], role), 0);

ALTER FUNCTION app.rank(role text) OWNER TO flo_owner;

CREATE TABLE app.rate_limits (
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    rate_limit_per_minute integer NOT NULL,
    CONSTRAINT rate_limits_rate_limit_per_minute_check CHECK (((rate_limit_per_minute >= 1) AND (rate_limit_per_minute <= 1000000)))
);
ALTER TABLE ONLY app.rate_limits ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.rate_limits FORCE ROW LEVEL SECURITY;

ALTER TABLE app.rate_limits OWNER TO flo_owner;

CREATE FUNCTION app.rate_limit_per_minute(tenant uuid) RETURNS integer
    LANGUAGE sql STABLE
    RETURN COALESCE((SELECT r.rate_limit_per_minute FROM app.rate_limits r WHERE (r.tenant_id = rate_limit_per_minute.tenant)), 6000);

ALTER FUNCTION app.rate_limit_per_minute(tenant uuid) OWNER TO flo_owner;

CREATE FUNCTION app.reading(text text, language text) RETURNS TABLE(folded text, has_pairs boolean, spaced text, written text, plain text, configuration regconfig, dictionary regdictionary)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT f.folded, u.is_there, s.folded, s.written, p.plain, app.configuration(language), app.dictionary(language)
  FROM (SELECT app.folded(text) AS folded OFFSET 0) AS f
  CROSS JOIN LATERAL (
    SELECT octet_length(f.folded) <> length(f.folded) AND f.folded ~ ('[' || app.unspaced() || ']') AS is_there OFFSET 0
  ) AS u
  CROSS JOIN LATERAL (SELECT app.written(text, f.folded, language) AS written OFFSET 0) AS w
  CROSS JOIN LATERAL (
    SELECT app.spaced(f.folded, u.is_there) AS folded, app.spaced(w.written, u.is_there) AS written OFFSET 0
  ) AS s
  CROSS JOIN LATERAL (SELECT app.plain(s.written) AS plain OFFSET 0) AS p
  OFFSET 0
$$;

ALTER FUNCTION app.reading(text text, language text) OWNER TO flo_owner;

CREATE FUNCTION app.reclassify(tenant uuid, left_class smallint, after uuid, most integer, OUT moved integer, OUT last uuid) RETURNS record
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
DECLARE
  class smallint := (SELECT h.class FROM app.hot_policies AS h WHERE h.tenant_id = tenant);
  ids uuid[];
BEGIN
  PERFORM set_config('app.tenant_id', tenant::text, true), set_config('app.moving', 'on', true);
  ids := ARRAY(
    SELECT e.id FROM app.workflow_executions AS e
    WHERE e.tenant_id = tenant AND e.retention_class = left_class AND e.retention_class <> class AND e.id > after
    ORDER BY e.id LIMIT most
  );
  last := ids[cardinality(ids)];
  PERFORM app.lock_executions(ids, left_class);
  UPDATE app.workflow_executions AS e SET retention_class = app.retention_class_for(e.id, class)
  WHERE e.retention_class = left_class AND e.id = ANY (ids) AND e.id BETWEEN ids[1] AND last;
  GET DIAGNOSTICS moved = ROW_COUNT;
END
$$;

ALTER FUNCTION app.reclassify(tenant uuid, left_class smallint, after uuid, most integer, OUT moved integer, OUT last uuid) OWNER TO flo_owner;

CREATE FUNCTION app.record_all_events(events jsonb, instance text DEFAULT NULL::text) RETURNS SETOF app.recorded_event
    LANGUAGE plpgsql
    AS $$
DECLARE
  index integer := 0;
  recorded app.recorded_event;
BEGIN
  FOR recorded IN SELECT * FROM app.record_events(events, instance) LOOP
    IF recorded.outcome = 'rejected' THEN
      RAISE EXCEPTION USING
        errcode = 'FL422', constraint = 'items_rejected', message = format('body.%s: %s', index, recorded.error);
    END IF;
    index := index + 1;
    RETURN NEXT recorded;
  END LOOP;
END
$$;

ALTER FUNCTION app.record_all_events(events jsonb, instance text) OWNER TO flo_owner;

CREATE FUNCTION app.record_changed_documents() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  ignored text[] := TG_ARGV[0];
BEGIN
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
      CROSS JOIN LATERAL (
        SELECT CASE WHEN b.key <> 'passages' THEN app.changed_part(b.value, i.after -> b.key) END AS part OFFSET 0
      ) AS p
      WHERE b.value <> i.after -> b.key
    ) AS d
    WHERE s.tenant_id IS NOT NULL AND i.before <> i.after
    RETURNING h.tenant_id, h.seq
  )
  INSERT INTO app.recorded_transactions (tenant_id, first_seq)
  SELECT r.tenant_id, min(r.seq) FROM recorded AS r GROUP BY r.tenant_id
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;

ALTER FUNCTION app.record_changed_documents() OWNER TO flo_owner;

CREATE FUNCTION app.record_deliveries(deliveries jsonb) RETURNS SETOF app.merged_delivery
    LANGUAGE plpgsql
    AS $_$
DECLARE
  instance text := app.delivering_instance(NULL);
  number smallint := CASE WHEN instance = 'default' THEN 0 ELSE app.n8n_instance(instance) END;
BEGIN
  IF deliveries @? '$[*].workflow_name ? (@ != null)' THEN
    PERFORM app.create_missing_workflows(jsonb_path_query_array(
      deliveries, '$[*] ? (@.workflow_name != null && @.workflow_id == null)'
    ), number);
  END IF;
  RETURN QUERY SELECT * FROM app.record_executions(deliveries, number);
END
$_$;

ALTER FUNCTION app.record_deliveries(deliveries jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.record_events(events jsonb, instance text DEFAULT NULL::text) RETURNS SETOF app.recorded_event
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $_$
DECLARE
  of_instance text := app.delivering_instance(instance);
  number smallint := app.n8n_instance(of_instance);
  results app.recorded_event[];
BEGIN
  PERFORM app.create_missing_workflows(events, number);
  PERFORM app.follow_workflows(events, number);
  results := ARRAY(
  WITH reported AS (
    SELECT e.*, count(*) FILTER (WHERE e.outcome IS NULL) OVER (ORDER BY e.ordinal) AS delivery_ordinal
    FROM ROWS FROM (
      jsonb_to_recordset(events) AS (n8n_execution_id text, n8n_workflow_id text, outcome text, error text)
    ) WITH ORDINALITY AS e (n8n_execution_id, n8n_workflow_id, outcome, error, ordinal)
  )
  SELECT ROW(
    t.n8n_execution_id, t.n8n_workflow_id, (r.execution).id,
    coalesce(t.outcome, r.outcome), coalesce(t.error, app.why_rejected(r.rejection)), r.reset IS NOT NULL
  )::app.recorded_event
  FROM reported AS t
  LEFT JOIN app.record_executions(jsonb_path_query_array(events, '$[*] ? (!exists(@.outcome))'), number) AS r
    ON r.ordinal = t.delivery_ordinal AND t.outcome IS NULL
  ORDER BY t.ordinal
  );
  IF EXISTS (SELECT FROM unnest(results) AS r WHERE r.outcome = 'rejected') THEN
    PERFORM app.keep_rejected(events, results, of_instance);
  END IF;
  RETURN QUERY SELECT * FROM unnest(results);
END
$_$;

ALTER FUNCTION app.record_events(events jsonb, instance text) OWNER TO flo_owner;

CREATE FUNCTION app.record_execution_update() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

ALTER FUNCTION app.record_execution_update() OWNER TO flo_owner;

CREATE FUNCTION app.record_executions(deliveries jsonb, instance smallint DEFAULT 0) RETURNS SETOF app.merged_delivery
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $_$
DECLARE
  n8n_ids text[] := ARRAY(
    SELECT DISTINCT d ->> 'n8n_execution_id' FROM jsonb_array_elements(deliveries) AS d
    WHERE d ->> 'n8n_execution_id' <> ''
  );
  archived uuid := (
    SELECT f.last_id FROM app.archive_files AS f
    WHERE f.tenant_id = app.tenant() AND f.source = 'workflow_executions' AND f.state = 'stored'
    ORDER BY f.last_id DESC LIMIT 1
  );
  results app.merged_delivery[];
  changed app.workflow_executions[];
  classes smallint[];
BEGIN
  -- two transactions that record one execution wait for each other, else both would find nothing
  PERFORM app.lock_n8n_ids(n8n_ids);

  results := ARRAY(SELECT m FROM app.merge_deliveries(deliveries, n8n_ids, instance) AS m);
  IF deliveries @? '$[*] ? (@.by_error_workflow == true)' THEN
    PERFORM app.note_reported_failures(deliveries, results);
  END IF;

  INSERT INTO app.workflow_executions (
    retention_class, id, workflow_id, n8n_execution_id, status, started_at, finished_at, execution_data, error_message
  )
  SELECT
    CASE WHEN (r.execution).id <= archived THEN 0
    ELSE app.retention_class_for((r.execution).id, (r.execution).retention_class) END,
    (r.execution).id, (r.execution).workflow_id, (r.execution).n8n_execution_id, (r.execution).status,
    (r.execution).started_at, (r.execution).finished_at, (r.execution).execution_data, (r.execution).error_message
  FROM unnest(results) AS r
  WHERE r.outcome = 'created';
  IF EXISTS (SELECT FROM unnest(results) AS r WHERE r.reset IS NOT NULL) THEN
    PERFORM app.note_resets(results);
  END IF;
  IF deliveries @? '$[*].execution_data.flomastr_object' THEN
    PERFORM app.refer_to_object((r.execution).id, (r.execution).execution_data)
    FROM unnest(results) AS r
    WHERE (r.execution).execution_data ? 'flomastr_object';
  END IF;

  -- checked first, since an UPDATE that finds nothing still locks every partition; it opens those in its bounds alone
  IF EXISTS (SELECT FROM unnest(results) AS r WHERE r.outcome = 'updated' AND r.known) THEN
    PERFORM pg_advisory_xact_lock_shared(app.lock_of_holds(app.tenant()));
    IF app.has_holds(app.tenant()) AND current_setting('app.moving', true) IS DISTINCT FROM 'on' THEN
      results := app.without_held(results);
    END IF;
    changed := ARRAY(
      SELECT r.execution FROM unnest(results) AS r
      WHERE r.outcome = 'updated' AND r.known AND (r.execution).tenant_id IS NOT NULL
      ORDER BY (r.execution).id
    );
  END IF;
  IF cardinality(changed) > 0 THEN
    classes := ARRAY(SELECT DISTINCT c.retention_class FROM unnest(changed) AS c);
    PERFORM set_config('app.merging', 'on', true);
    UPDATE app.workflow_executions AS e
    SET status = c.status, started_at = c.started_at, finished_at = c.finished_at, error_message = c.error_message,
      execution_data = coalesce(c.execution_data, e.execution_data)
    FROM unnest(changed) AS c
    WHERE e.retention_class = ANY (classes) AND e.id BETWEEN (changed[1]).id AND (changed[cardinality(changed)]).id
      AND e.retention_class = c.retention_class AND e.id = c.id;
    PERFORM set_config('app.merging', 'off', true);
  END IF;

  IF EXISTS (
    SELECT FROM app.reported_failures AS f
    WHERE f.tenant_id = app.tenant() AND f.execution_id IN (SELECT (r.execution).id FROM unnest(results) AS r)
  ) THEN
    PERFORM app.forget_reported_failures(deliveries, results, archived);
  END IF;

  IF cardinality(results) = 1 AND results[1].known THEN
    results[1].execution := (
      SELECT e FROM app.workflow_executions AS e
      WHERE e.retention_class = (results[1].execution).retention_class AND e.id = (results[1].execution).id
    );
  END IF;
  RETURN QUERY SELECT * FROM unnest(results);
END
$_$;

ALTER FUNCTION app.record_executions(deliveries jsonb, instance smallint) OWNER TO flo_owner;

CREATE FUNCTION app.record_history() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

ALTER FUNCTION app.record_history() OWNER TO flo_owner;

CREATE FUNCTION app.record_settings() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  columns text[] := TG_ARGV[0];
  before jsonb := coalesce(to_jsonb(OLD), TG_ARGV[1]::jsonb);
  after jsonb := coalesce(to_jsonb(NEW), TG_ARGV[1]::jsonb);
BEGIN
  IF current_setting('app.erasing', true) = 'on' THEN
    RETURN NULL;
  END IF;
  WITH recorded AS (
    INSERT INTO app.row_history AS h (tenant_id, table_name, action, row_id, old)
    SELECT t.id, 'tenant_settings', 'update', t.id, d.old
    FROM (
      SELECT jsonb_object_agg(c.name, before -> c.name) AS old FROM unnest(columns) AS c (name)
      WHERE before -> c.name IS DISTINCT FROM after -> c.name
    ) AS d
    CROSS JOIN (
      SELECT coalesce(before ->> 'tenant_id', after ->> 'tenant_id', after ->> 'id')::uuid AS id
    ) AS t
    WHERE d.old IS NOT NULL
    RETURNING h.tenant_id, h.seq
  )
  INSERT INTO app.recorded_transactions (tenant_id, first_seq)
  SELECT r.tenant_id, r.seq FROM recorded AS r
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;

ALTER FUNCTION app.record_settings() OWNER TO flo_owner;

CREATE FUNCTION app.recorded_transaction(named xid8, deleted uuid) RETURNS xid8
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  found xid8 := coalesce(named, (
    SELECT h.xid FROM app.row_history AS h
    WHERE h.tenant_id = app.tenant() AND h.row_id = deleted AND h.action = 'delete' ORDER BY h.seq DESC LIMIT 1
  ));
BEGIN
  IF NOT EXISTS (
    SELECT FROM app.recorded_transactions AS t
    WHERE t.tenant_id = app.tenant() AND t.xid = found AND NOT EXISTS (
      SELECT FROM app.archive_files AS f
      WHERE f.tenant_id = t.tenant_id AND f.source = 'row_history' AND f.state = 'stored'
        AND f.last_id >= app.change_id(t.first_seq)
    )
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found',
      message = 'The history has no such transaction or deleted row, or it is archived and can only be read.';
  END IF;
  RETURN found;
END
$$;

ALTER FUNCTION app.recorded_transaction(named xid8, deleted uuid) OWNER TO flo_owner;

CREATE FUNCTION app.recoverable_tables() RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN '{tenant_settings,workflows,workflow_executions,webchat_sessions,user_preferences,alerts,knowledge_bases,knowledge_base_models,documents}'::text[];

ALTER FUNCTION app.recoverable_tables() OWNER TO flo_owner;

CREATE TABLE app.retried_runs (
    tenant_id uuid NOT NULL,
    n8n_execution_id text NOT NULL,
    retries integer NOT NULL
);
ALTER TABLE ONLY app.retried_runs ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.retried_runs FORCE ROW LEVEL SECURITY;

ALTER TABLE app.retried_runs OWNER TO flo_owner;

CREATE FUNCTION app.recovered_of(failures app.retried_runs[], sign integer) RETURNS SETOF app.execution_deltas
    LANGUAGE sql STABLE
    AS $$
  SELECT f.tenant_id, f.workflow_id, f.quarter, f.status, f.mode_class, NULL::bigint, NULL::text, NULL::text,
    f.runs * sign
  FROM unnest(failures) AS k
  JOIN app.retried_runs AS r ON r.tenant_id = k.tenant_id AND r.n8n_execution_id = k.n8n_execution_id AND r.retries > 0
  JOIN app.failed_runs AS f ON f.tenant_id = k.tenant_id AND f.n8n_execution_id = k.n8n_execution_id
$$;

ALTER FUNCTION app.recovered_of(failures app.retried_runs[], sign integer) OWNER TO flo_owner;

CREATE FUNCTION app.recovered_runs(deltas app.execution_deltas[]) RETURNS app.execution_deltas[]
    LANGUAGE plpgsql
    AS $$
DECLARE
  known app.retried_runs[] := ARRAY(
    SELECT DISTINCT ROW(d.tenant_id, d.id, 0)::app.retried_runs
    FROM (
      SELECT tenant_id, n8n_execution_id AS id FROM unnest(deltas) WHERE n8n_execution_id IS NOT NULL
      UNION ALL SELECT tenant_id, retried FROM unnest(deltas) WHERE length(retried) <= 255
    ) AS d
  );
  before app.execution_deltas[];
BEGIN
  IF known = '{}' THEN
    RETURN '{}';
  END IF;
  before := ARRAY(SELECT app.recovered_of(known, -1));

  INSERT INTO app.failed_runs AS f (tenant_id, n8n_execution_id, workflow_id, quarter, status, mode_class, runs)
  SELECT d.tenant_id, d.n8n_execution_id, d.workflow_id, d.quarter, d.status, d.mode_class, sum(d.runs)
  FROM unnest(deltas) AS d WHERE d.n8n_execution_id IS NOT NULL
  GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(d.runs) <> 0
  ON CONFLICT (tenant_id, n8n_execution_id, workflow_id, quarter, status, mode_class)
  DO UPDATE SET runs = f.runs + excluded.runs;
  DELETE FROM app.failed_runs AS f USING unnest(known) AS k
  WHERE f.tenant_id = k.tenant_id AND f.n8n_execution_id = k.n8n_execution_id AND f.runs = 0;

  INSERT INTO app.retried_runs AS r (tenant_id, n8n_execution_id, retries)
  SELECT d.tenant_id, d.retried, sum(d.runs) FROM unnest(deltas) AS d WHERE length(d.retried) <= 255
  GROUP BY 1, 2 HAVING sum(d.runs) <> 0
  ON CONFLICT (tenant_id, n8n_execution_id) DO UPDATE SET retries = r.retries + excluded.retries;
  DELETE FROM app.retried_runs AS r USING unnest(known) AS k
  WHERE r.tenant_id = k.tenant_id AND r.n8n_execution_id = k.n8n_execution_id AND r.retries = 0;

  RETURN before || ARRAY(SELECT app.recovered_of(known, 1));
END
$$;

ALTER FUNCTION app.recovered_runs(deltas app.execution_deltas[]) OWNER TO flo_owner;

CREATE FUNCTION app.refer_to_object(execution uuid, execution_data jsonb) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF execution_data ? 'flomastr_object' IS NOT TRUE THEN
    RETURN true;
  END IF;
  INSERT INTO app.execution_object_references (sha256, execution_id)
  SELECT o.sha256, execution FROM app.execution_objects AS o
  WHERE o.tenant_id = app.tenant() AND o.sha256 = execution_data #>> '{flomastr_object,sha256}'
  ON CONFLICT DO NOTHING;
  RETURN true;
END
$$;

ALTER FUNCTION app.refer_to_object(execution uuid, execution_data jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.refuse_plan(most text) RETURNS void
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  RAISE EXCEPTION USING errcode = 'FL422', constraint = 'recovery_too_large', message = format(
    'The recovery is of more than %s. Name fewer tables, up to 1,000 row_ids, or a later moment.', most
  );
END
$$;

ALTER FUNCTION app.refuse_plan(most text) OWNER TO flo_owner;

CREATE FUNCTION app.refuse_reserved_slug() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF EXISTS (SELECT FROM app.reserved_slugs AS r WHERE r.slug = new.slug) THEN
    RAISE EXCEPTION USING errcode = 'FL422', constraint = 'invalid_value',
      message = 'body.slug: is a word of the API''s own paths';
  END IF;
  RETURN new;
END
$$;

ALTER FUNCTION app.refuse_reserved_slug() OWNER TO flo_owner;

CREATE FUNCTION app.rehydrate(rehydration uuid, archived jsonb, OUT copied bigint, OUT orphaned bigint) RETURNS record
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
DECLARE
  tenant uuid;
  ids uuid[] := ARRAY(SELECT (a ->> 'id')::uuid FROM jsonb_array_elements(archived) AS a ORDER BY 1);
  n8n_ids text[] := ARRAY(
    SELECT a ->> 'n8n_execution_id' FROM jsonb_array_elements(archived) AS a WHERE a ->> 'n8n_execution_id' IS NOT NULL
  );
  hot uuid[];
  anew uuid[];
BEGIN
  SELECT r.tenant_id INTO STRICT tenant
  FROM app.rehydrations AS r WHERE r.id = rehydration AND r.state = 'running' FOR UPDATE;
  PERFORM set_config('app.tenant_id', tenant::text, true), set_config('app.rehydrating', 'on', true);
  PERFORM app.lock_n8n_ids(n8n_ids);
  hot := ARRAY(
    SELECT e.id FROM app.workflow_executions AS e
    WHERE e.tenant_id = tenant AND e.id = ANY (ids) AND e.id BETWEEN ids[1] AND ids[cardinality(ids)]
  );
  anew := ARRAY(  -- delivered again without their time, and so recorded under other ids
    SELECT a.id FROM jsonb_to_recordset(archived) AS a (
      id uuid, workflow_id uuid, n8n_execution_id text, status text, started_at timestamptz, finished_at timestamptz
    )
    JOIN app.workflow_executions AS e ON e.n8n_execution_id = a.n8n_execution_id AND e.workflow_id = a.workflow_id
    WHERE e.tenant_id = tenant AND e.n8n_execution_id = ANY (n8n_ids) AND app.may_be_of(
      a.started_at, app.end_of(a.status, a.started_at, a.finished_at),
      e.started_at, app.end_of(e.status, e.started_at, e.finished_at), e.created_at
    )
  );

  WITH copies AS (
    INSERT INTO app.workflow_executions AS e (
      retention_class, id, tenant_id, workflow_id, n8n_execution_id, status, started_at, finished_at, created_at,
      error_message, execution_data
    )
    SELECT
      0, a.id, tenant, w.id, a.n8n_execution_id, a.status, a.started_at, a.finished_at, a.created_at,
      a.error_message, a.execution_data::jsonb
    FROM jsonb_to_recordset(archived) AS a (
      id uuid, workflow_id uuid, n8n_execution_id text, status text, started_at timestamptz, finished_at timestamptz,
      created_at timestamptz, error_message text, execution_data text
    )
    JOIN app.workflows AS w ON w.tenant_id = tenant AND w.id = a.workflow_id
    WHERE a.id <> ALL (hot) AND a.id <> ALL (anew)
      AND NOT EXISTS (  -- a deleted copy is not added again
        SELECT FROM app.rehydrated_rows AS r
        WHERE r.tenant_id = tenant AND r.id = a.id AND r.rehydration_id = rehydration
      )
    RETURNING e.id, app.execution_checksum(e) AS checksum
  )
  INSERT INTO app.rehydrated_rows (tenant_id, id, rehydration_id, checksum)
  SELECT tenant, c.id, rehydration, c.checksum FROM copies AS c
  UNION ALL
  (
    SELECT DISTINCT ON (r.id) tenant, r.id, rehydration, r.checksum FROM app.rehydrated_rows AS r
    WHERE r.tenant_id = tenant AND r.id = ANY (hot) AND r.rehydration_id <> rehydration
  )
  ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS copied = ROW_COUNT;
  UPDATE app.rehydrations AS r SET rows_done = r.rows_done + copied WHERE r.id = rehydration;

  SELECT count(*) INTO orphaned FROM jsonb_array_elements(archived) AS a
  WHERE NOT EXISTS (SELECT FROM app.workflows AS w WHERE w.tenant_id = tenant AND w.id = (a ->> 'workflow_id')::uuid);
END
$$;

ALTER FUNCTION app.rehydrate(rehydration uuid, archived jsonb, OUT copied bigint, OUT orphaned bigint) OWNER TO flo_owner;

CREATE FUNCTION app.release_embedding(tenant uuid, document uuid, model text, claim timestamp with time zone) RETURNS void
    LANGUAGE sql
    AS $$
  UPDATE app.embedding_tasks AS t
  SET attempts = greatest(0, t.attempts - 1), due_at = now(), queued_at = NULL, updated_at = now()
  WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model AND t.status = 'processing'
    AND t.due_at = claim
$$;

ALTER FUNCTION app.release_embedding(tenant uuid, document uuid, model text, claim timestamp with time zone) OWNER TO flo_owner;

CREATE FUNCTION app.release_hold(hold uuid, reason text) RETURNS SETOF app.legal_holds
    LANGUAGE plpgsql
    AS $$
BEGIN
  RETURN QUERY
  UPDATE app.legal_holds AS h
  SET released_by = current_setting('app.actor'), released_at = now(), release_reason = release_hold.reason
  WHERE h.id = hold AND h.released_at IS NULL RETURNING h.*;
  IF NOT FOUND AND EXISTS (SELECT FROM app.legal_holds AS h WHERE h.id = hold) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'hold_is_released', message = 'The hold has been released.';
  END IF;
END
$$;

ALTER FUNCTION app.release_hold(hold uuid, reason text) OWNER TO flo_owner;

CREATE FUNCTION app.release_upload(upload uuid, claim timestamp with time zone) RETURNS void
    LANGUAGE sql
    AS $$
  UPDATE app.uploads AS u
  SET claimed_until = NULL, due_at = now() + least(interval '15 minutes', interval '15 seconds' * 2 ^ u.attempts)
  WHERE u.id = upload AND u.claimed_until = claim
$$;

ALTER FUNCTION app.release_upload(upload uuid, claim timestamp with time zone) OWNER TO flo_owner;

CREATE FUNCTION app.replace_chunks(document app.documents, chunks jsonb, anew boolean) RETURNS integer
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  total integer;
BEGIN
  WITH wanted AS (
    SELECT c.*, row_number() OVER (PARTITION BY c.content_hash ORDER BY c.chunk_index) AS nth
    FROM (
      SELECT w.text, w.start, w."end", w.metadata, coalesce(w.context, '') AS context, i.indexed,
        sha256(convert_to(i.indexed, 'UTF8')) AS content_hash,
        CASE WHEN i.indexed <> w.text THEN sha256(convert_to(w.text, 'UTF8')) END AS text_hash,
        (row_number() OVER ())::integer - 1 AS chunk_index
      FROM jsonb_to_recordset(chunks) AS w (text text, start integer, "end" integer, metadata jsonb, context text)
      CROSS JOIN LATERAL app.indexed_text(coalesce(w.context, ''), w.text) AS i (indexed)
    ) AS c
  ),
  stored AS (
    SELECT c.id, c.content_hash, row_number() OVER (PARTITION BY c.content_hash ORDER BY c.chunk_index) AS nth
    FROM app.chunks AS c
    WHERE c.tenant_id = document.tenant_id AND c.document_id = document.id AND NOT anew
  ),
  matched AS MATERIALIZED (
    SELECT w.*, coalesce(s.id, app.uuid7()) AS id, s.id IS NULL AS is_new
    FROM wanted AS w LEFT JOIN stored AS s ON s.content_hash = w.content_hash AND s.nth = w.nth
  ),
  removed AS (
    DELETE FROM app.chunks AS c
    WHERE c.tenant_id = document.tenant_id AND c.document_id = document.id
      AND c.id NOT IN (SELECT p.id FROM matched AS p)
  ),
  moved AS (
    UPDATE app.chunks AS c SET chunk_index = p.chunk_index, chunk_start = p.start, chunk_end = p."end"
    FROM matched AS p
    WHERE c.tenant_id = document.tenant_id AND c.document_id = document.id AND c.id = p.id
      AND (c.chunk_index, c.chunk_start, c.chunk_end) <> (p.chunk_index, p.start, p."end")
  ),
  moved_vectors AS (
    UPDATE app.embeddings AS e SET chunk_index = p.chunk_index, chunk_metadata = document.metadata || p.metadata
    FROM matched AS p
    WHERE e.tenant_id = document.tenant_id AND e.id = ANY (ARRAY(SELECT s.id FROM stored AS s)) AND e.id = p.id
      AND (e.chunk_index, e.chunk_metadata) <> (p.chunk_index, document.metadata || p.metadata)
  ),
  added AS (
    INSERT INTO app.chunks (
      id, knowledge_base_id, document_id, chunk_index, chunk_start, chunk_end, content_hash, text_hash, context, terms,
      weights
    )
    SELECT p.id, document.knowledge_base_id, document.id, p.chunk_index, p.start, p."end", p.content_hash, p.text_hash,
      p.context,
      app.terms_of(document.tenant_id, l.lexemes, document.language), app.weights_of(l.lexemes, document.language)
    FROM matched AS p
    CROSS JOIN (SELECT strip(app.words_of(document.name, document.language)) AS lexemes OFFSET 0) AS of_name
    CROSS JOIN LATERAL (
      SELECT app.words_of(p.indexed, document.language) || of_name.lexemes AS lexemes OFFSET 0
    ) AS l
    WHERE p.is_new
  ),
  known AS MATERIALIZED (
    SELECT h.content_hash, m.embedding_model,
      app.known_vector(document.tenant_id, h.content_hash, m.embedding_model) AS vector
    FROM (SELECT DISTINCT p.content_hash FROM matched AS p WHERE p.is_new) AS h
    CROSS JOIN app.knowledge_base_models AS m
    WHERE m.tenant_id = document.tenant_id AND m.knowledge_base_id = document.knowledge_base_id
  ),
  embedded AS (
    INSERT INTO app.embeddings (
      id, knowledge_base_id, chunk_text, chunk_metadata, embedding_vector, document_name, chunk_index, embedding_model
    )
    SELECT p.id, document.knowledge_base_id, p.text, document.metadata || p.metadata,
      k.vector, document.name, p.chunk_index, k.embedding_model
    FROM matched AS p JOIN known AS k ON k.content_hash = p.content_hash WHERE p.is_new
  )
  SELECT count(*) INTO total FROM matched;
  RETURN total;
END
$$;

ALTER FUNCTION app.replace_chunks(document app.documents, chunks jsonb, anew boolean) OWNER TO flo_owner;

CREATE FUNCTION app.replaces(delivered jsonb, stored jsonb) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN ((delivered IS NOT NULL) AND CASE WHEN (stored IS NULL) THEN true WHEN ((pg_column_size(stored))::numeric > ((8)::numeric * (app.data_length(delivered) + (8)::numeric))) THEN false ELSE (ROW(app.data_length(delivered), ((delivered)::text COLLATE "C")) > ROW(app.data_length(stored), ((stored)::text COLLATE "C"))) END);

ALTER FUNCTION app.replaces(delivered jsonb, stored jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.replay_rejection(rejection uuid, event jsonb) RETURNS SETOF app.recorded_event
    LANGUAGE plpgsql
    AS $$
DECLARE
  of_instance text;
BEGIN
  IF app.has_holds(app.tenant()) THEN
    SELECT r.instance INTO of_instance FROM app.n8n_rejections AS r
    WHERE r.tenant_id = app.tenant() AND r.id = rejection;
  ELSE
    DELETE FROM app.n8n_rejections AS r WHERE r.tenant_id = app.tenant() AND r.id = rejection
    RETURNING r.instance INTO of_instance;
  END IF;
  IF FOUND THEN
    RETURN QUERY SELECT * FROM app.record_events(jsonb_build_array(event), of_instance);
  END IF;
END
$$;

ALTER FUNCTION app.replay_rejection(rejection uuid, event jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.require_alert_numbers(alert app.alerts) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  least_minutes integer := CASE alert.kind WHEN 'silence' THEN 60 ELSE 15 END;
  most_minutes integer := CASE alert.kind WHEN 'silence' THEN 129600 ELSE 1440 END;
BEGIN
  IF alert.minutes NOT BETWEEN least_minutes AND most_minutes THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'conflict', message = format(
      'body.minutes: must be from %s to %s for the kind %s.', least_minutes, most_minutes, alert.kind
    );
  ELSIF (alert.kind = 'silence') <> (alert.threshold IS NULL) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'conflict',
      message = 'body.threshold: an alert on silence has none, and any other has one.';
  ELSIF alert.kind = 'failure_rate' AND alert.threshold >= 100 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'conflict',
      message = 'body.threshold: must be below 100 per cent.';
  END IF;
END
$$;

ALTER FUNCTION app.require_alert_numbers(alert app.alerts) OWNER TO flo_owner;

CREATE FUNCTION app.require_found(was_found boolean) RETURNS void
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  IF NOT was_found THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found', message = 'There is nothing under that id.';
  END IF;
END
$$;

ALTER FUNCTION app.require_found(was_found boolean) OWNER TO flo_owner;

CREATE FUNCTION app.require_known(document app.documents, if_match text[]) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
  SELECT app.require_match(app.document_etag(document), CASE WHEN if_match IS NOT NULL THEN ARRAY(
    SELECT split_part(m.tag, '-', 1) FROM unnest(if_match) AS m (tag) WHERE m.tag <> '*' OR document.id IS NOT NULL
  ) END)
$$;

ALTER FUNCTION app.require_known(document app.documents, if_match text[]) OWNER TO flo_owner;

CREATE FUNCTION app.require_match(etag text, if_match text[]) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  IF if_match IS NOT NULL AND etag <> ALL (if_match) AND '*' <> ALL (if_match) THEN
    RAISE EXCEPTION USING errcode = 'FL412', constraint = 'changed_meanwhile',
      message = 'The resource has changed since you read it. Read it again, then repeat the change with its new ETag.';
  END IF;
  RETURN true;
END
$$;

ALTER FUNCTION app.require_match(etag text, if_match text[]) OWNER TO flo_owner;

CREATE FUNCTION app.require_not_held(tenant uuid, workflow uuid DEFAULT NULL::uuid, execution uuid DEFAULT NULL::uuid, wholly boolean DEFAULT false) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(app.lock_of_holds(tenant));
  IF app.is_held(tenant, workflow, execution) OR wholly AND app.has_holds(tenant) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'legal_hold',
      message = 'This is under a legal hold and stays. GET /routes/legal-holds tells which; release it first.';
  END IF;
  RETURN true;
END
$$;

ALTER FUNCTION app.require_not_held(tenant uuid, workflow uuid, execution uuid, wholly boolean) OWNER TO flo_owner;

CREATE FUNCTION app.require_not_reopened(old_status text, new_status text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    AS $$
BEGIN
  IF app.is_final(old_status) AND NOT app.is_final(new_status) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'execution_is_final',
      message = format(
        'body.status: the execution has ended with %s and does not go back to %s.', old_status, new_status
      );
  END IF;
  RETURN true;
END
$$;

ALTER FUNCTION app.require_not_reopened(old_status text, new_status text) OWNER TO flo_owner;

CREATE FUNCTION app.require_place(base uuid) RETURNS void
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  tenant app.tenants;
BEGIN
  SELECT * INTO tenant FROM app.tenants AS t WHERE t.id = app.tenant();
  IF tenant.deleted_at IS NOT NULL THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'tenant_not_found',
      message = 'The tenant was deleted before the file was read.';
  ELSIF tenant.status <> 'active' THEN
    RAISE EXCEPTION USING errcode = 'FL403', constraint = 'tenant_suspended',
      message = 'The tenant was suspended before the file was read.';
  ELSIF NOT EXISTS (SELECT FROM app.knowledge_bases AS b WHERE b.id = base) THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found',
      message = 'The knowledge base was deleted before the file was read.';
  END IF;
END
$$;

ALTER FUNCTION app.require_place(base uuid) OWNER TO flo_owner;

CREATE FUNCTION app.require_rank(needed text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  IF app.rank(app.role()) < greatest(app.rank(needed), app.rank('admin')) THEN
    RAISE EXCEPTION USING errcode = 'FL403', constraint = 'role_too_low',
      message = format('Only an %s may do this.', CASE needed WHEN 'owner' THEN 'owner' ELSE 'admin or an owner' END);
  END IF;
  RETURN true;
END
$$;

ALTER FUNCTION app.require_rank(needed text) OWNER TO flo_owner;

CREATE FUNCTION app.require_recorded(rejection text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE
    AS $$
BEGIN
  IF rejection IS NOT NULL THEN
    RAISE EXCEPTION USING
      errcode = CASE rejection WHEN 'workflow_not_found' THEN 'FL404' ELSE 'FL409' END,
      constraint = rejection, message = app.why_rejected(rejection);
  END IF;
  RETURN true;
END
$$;

ALTER FUNCTION app.require_recorded(rejection text) OWNER TO flo_owner;

CREATE FUNCTION app.require_time_zone(field text, zone text) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $_$
BEGIN
  IF zone !~ '^(UTC|GMT|Etc/GMT[+-][0-9]{1,2}|[A-Za-z_]+(/[A-Za-z_-]+)+)$' THEN
    RAISE EXCEPTION invalid_parameter_value;
  END IF;
  PERFORM now() AT TIME ZONE zone;
  RETURN zone;
EXCEPTION WHEN invalid_parameter_value THEN
  RAISE EXCEPTION USING errcode = 'FL422', constraint = 'invalid_value',
    message = format('%s: is no time zone of the IANA database, such as Europe/Berlin.', field);
END
$_$;

ALTER FUNCTION app.require_time_zone(field text, zone text) OWNER TO flo_owner;

CREATE FUNCTION app.reschedule_embedding(tenant uuid, document uuid, model text, claim timestamp with time zone, message text, wait interval, most_attempts integer) RETURNS text
    LANGUAGE sql
    AS $$
  UPDATE app.embedding_tasks AS t SET
    status = CASE WHEN wait IS NULL OR t.attempts >= most_attempts THEN 'failed' ELSE t.status END,
    reason = left(message, 1000), queued_at = NULL, updated_at = now(),
    due_at = now()
      + coalesce(greatest(wait, least(interval '15 minutes', interval '10 seconds' * 2 ^ (t.attempts - 1))), '0')
  WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model AND t.status = 'processing'
    AND t.due_at = claim
  RETURNING t.status
$$;

ALTER FUNCTION app.reschedule_embedding(tenant uuid, document uuid, model text, claim timestamp with time zone, message text, wait interval, most_attempts integer) OWNER TO flo_owner;

CREATE FUNCTION app.reserve_key(key_name text, request_fingerprint bytea) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO app.idempotency_keys (key, fingerprint) VALUES (key_name, request_fingerprint) ON CONFLICT DO NOTHING;
  IF FOUND THEN
    IF app.tenant() IS NULL AND 1000 < (
      SELECT count(*) FROM app.idempotency_keys AS k
      WHERE k.tenant_id IS NULL AND k.actor = current_setting('app.actor')
    ) THEN
      RAISE EXCEPTION USING errcode = 'FL409', constraint = 'too_many_open',
        message = 'You have sent 1,000 Idempotency-Keys in 24 hours: send none, or wait.';
    END IF;
    RETURN;
  END IF;
  IF EXISTS (
    SELECT FROM app.idempotency_keys AS k
    WHERE k.actor = current_setting('app.actor') AND k.key = key_name AND k.fingerprint = request_fingerprint
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL208', constraint = 'already_answered',
      message = 'This request has been answered.';
  END IF;
  RAISE EXCEPTION USING errcode = 'FL422', constraint = 'idempotency_key_reused',
    message = 'This Idempotency-Key was used for another request. Send a new key.';
END
$$;

ALTER FUNCTION app.reserve_key(key_name text, request_fingerprint bytea) OWNER TO flo_owner;

CREATE TABLE app.restore_points (
    id uuid DEFAULT app.uuid7() NOT NULL,
    tenant_id uuid,
    taken_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    committed pg_snapshot DEFAULT app.committed_snapshot() NOT NULL,
    reason text NOT NULL,
    CONSTRAINT restore_points_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 255)))
);
ALTER TABLE ONLY app.restore_points ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.restore_points FORCE ROW LEVEL SECURITY;

ALTER TABLE app.restore_points OWNER TO flo_owner;

CREATE FUNCTION app.restore_point_before(at timestamp with time zone) RETURNS app.restore_points
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  point app.restore_points;
  archived timestamptz := (
    SELECT max(f.last_at) FROM app.archive_files AS f
    WHERE f.tenant_id = app.tenant() AND f.source = 'row_history' AND f.state = 'stored'
  );
BEGIN
  SELECT p.* INTO point FROM app.restore_points AS p
  WHERE p.taken_at <= at AND (p.tenant_id IS NULL OR p.tenant_id = app.tenant())
  ORDER BY p.taken_at DESC LIMIT 1;
  IF at > now() OR point.id IS NULL OR point.taken_at <= archived THEN
    RAISE EXCEPTION USING errcode = 'FL422', constraint = 'invalid_range', message = format(
      'body.at: is in the future, or before what can be recovered begins, which is %s. The audit trail goes further.',
      to_char(
        (SELECT min(p.taken_at) FROM app.restore_points AS p WHERE p.taken_at > coalesce(archived, '-infinity'))
          AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
      )
    );
  END IF;
  RETURN point;
END
$$;

ALTER FUNCTION app.restore_point_before(at timestamp with time zone) OWNER TO flo_owner;

CREATE FUNCTION app.uuid7_floor(moment timestamp with time zone) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (rpad(encode(SUBSTRING(int8send((floor((EXTRACT(epoch FROM moment) * (1000)::numeric)))::bigint) FROM 3), 'hex'::text), 32, '0'::text))::uuid;

ALTER FUNCTION app.uuid7_floor(moment timestamp with time zone) OWNER TO flo_owner;

CREATE FUNCTION app.retention_class_for(id uuid, class smallint, moment timestamp with time zone DEFAULT now()) RETURNS smallint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN (id < app.uuid7_floor((moment - make_interval(days => (class)::integer)))) THEN 0 ELSE (class)::integer END;

ALTER FUNCTION app.retention_class_for(id uuid, class smallint, moment timestamp with time zone) OWNER TO flo_owner;

CREATE FUNCTION app.retention_classes(OUT days integer, OUT width_days integer) RETURNS SETOF record
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ VALUES (7, 1), (14, 1), (30, 7), (60, 7), (90, 7), (365, 30) $$;

ALTER FUNCTION app.retention_classes(OUT days integer, OUT width_days integer) OWNER TO flo_owner;

CREATE TABLE app.embedding_tasks (
    id uuid DEFAULT app.uuid7() NOT NULL,
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    knowledge_base_id uuid NOT NULL,
    document_id uuid NOT NULL,
    embedding_model text NOT NULL,
    status text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    reason text,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    queued_at timestamp with time zone DEFAULT now(),
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT embedding_tasks_reason_check CHECK ((length(reason) <= 1000)),
    CONSTRAINT embedding_tasks_status_check CHECK ((status = ANY (ARRAY['processing'::text, 'embedded'::text, 'failed'::text])))
);
ALTER TABLE ONLY app.embedding_tasks ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.embedding_tasks FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embedding_tasks OWNER TO flo_owner;

CREATE FUNCTION app.retry_embedding(task uuid) RETURNS SETOF app.embedding_tasks
    LANGUAGE plpgsql
    AS $$
BEGIN
  RETURN QUERY
  UPDATE app.embedding_tasks AS t
  SET status = 'processing', attempts = 0, due_at = now(), queued_at = now(), updated_at = now()
  WHERE t.id = task AND t.status = 'failed' RETURNING t.*;
  PERFORM app.require_found(FOUND);
END
$$;

ALTER FUNCTION app.retry_embedding(task uuid) OWNER TO flo_owner;

CREATE FUNCTION app.retry_embeddings(most integer) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
  retried bigint;
BEGIN
  UPDATE app.embedding_tasks AS t
  SET status = 'processing', attempts = 0, due_at = now(), queued_at = NULL, updated_at = now()
  WHERE t.id IN (
    SELECT f.id FROM app.embedding_tasks AS f WHERE f.status = 'failed' ORDER BY f.id
    LIMIT most - (
      SELECT count(*) FROM (SELECT FROM app.embedding_tasks AS o WHERE o.status = 'processing' LIMIT most) AS pending
    )
  );
  GET DIAGNOSTICS retried = ROW_COUNT;
  RETURN retried;
END
$$;

ALTER FUNCTION app.retry_embeddings(most integer) OWNER TO flo_owner;

CREATE FUNCTION app.revoke_key(key_id text, if_match text[]) RETURNS SETOF app.api_keys
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM app.require_match(app.key_etag(k), if_match) FROM app.api_keys AS k WHERE k.id = key_id FOR UPDATE;
  WITH RECURSIVE chain AS (
    SELECT key_id AS id UNION SELECT k.id FROM app.api_keys AS k JOIN chain AS c ON k.replaced_by = c.id
  )
  UPDATE app.api_keys AS k SET revoked_at = now() WHERE k.id IN (SELECT c.id FROM chain AS c) AND k.revoked_at IS NULL;
  RETURN QUERY SELECT * FROM app.api_keys AS k WHERE k.id = key_id;
END
$$;

ALTER FUNCTION app.revoke_key(key_id text, if_match text[]) OWNER TO flo_owner;

CREATE TABLE app.rollup_settings (
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    time_zone text DEFAULT 'UTC'::text NOT NULL,
    built_in text DEFAULT 'UTC'::text NOT NULL,
    rebuild_asked_at timestamp with time zone,
    kept_before timestamp with time zone,
    alerts_slow_at timestamp with time zone
);
ALTER TABLE ONLY app.rollup_settings ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.rollup_settings FORCE ROW LEVEL SECURITY;

ALTER TABLE app.rollup_settings OWNER TO flo_owner;

CREATE FUNCTION app.rollup_zone(tenant uuid) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN COALESCE((SELECT s.built_in FROM app.rollup_settings s WHERE (s.tenant_id = rollup_zone.tenant)), 'UTC'::text);

ALTER FUNCTION app.rollup_zone(tenant uuid) OWNER TO flo_owner;

CREATE TABLE app.execution_rollups (
    tenant_id uuid NOT NULL,
    grain text NOT NULL,
    workflow_id uuid NOT NULL,
    bucket_start timestamp with time zone NOT NULL,
    status text NOT NULL,
    mode_class text NOT NULL,
    runs integer NOT NULL,
    recovered integer NOT NULL,
    timed integer NOT NULL,
    microseconds numeric NOT NULL,
    min_microseconds bigint,
    max_microseconds bigint,
    duration_keys smallint[] NOT NULL,
    duration_counts integer[],
    duration_upto integer[],
    CONSTRAINT execution_rollups_grain_check CHECK ((grain = ANY (ARRAY['quarter'::text, 'hour'::text, 'day'::text])))
)
WITH (fillfactor='90');
ALTER TABLE ONLY app.execution_rollups ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.execution_rollups FORCE ROW LEVEL SECURITY;

ALTER TABLE app.execution_rollups OWNER TO flo_owner;

CREATE FUNCTION app.rollups_between(starts timestamp with time zone, ends timestamp with time zone, days_from timestamp with time zone, days_until timestamp with time zone, of_workflow uuid, by_workflow boolean) RETURNS SETOF app.execution_rollups
    LANGUAGE sql STABLE
    AS $$
  SELECT (c.rollup).*
  FROM app.rollups_between_v2(starts, ends, days_from, days_until, of_workflow, by_workflow) AS r
  CROSS JOIN LATERAL (
    SELECT CASE WHEN r.duration_counts IS NOT NULL THEN r ELSE jsonb_populate_record(r, jsonb_build_object(
      'duration_counts', app.histogram_counts(r.duration_keys, r.duration_upto)
    )) END AS rollup
    OFFSET 0  -- once
  ) AS c
$$;

ALTER FUNCTION app.rollups_between(starts timestamp with time zone, ends timestamp with time zone, days_from timestamp with time zone, days_until timestamp with time zone, of_workflow uuid, by_workflow boolean) OWNER TO flo_owner;

CREATE FUNCTION app.rollups_between_v2(starts timestamp with time zone, ends timestamp with time zone, days_from timestamp with time zone, days_until timestamp with time zone, of_workflow uuid, by_workflow boolean) RETURNS SETOF app.execution_rollups
    LANGUAGE sql STABLE
    AS $$
  SELECT r.*
  FROM (
    VALUES
    ('day', days_from, least(days_until, ends)),
    (CASE WHEN of_workflow IS NULL AND NOT by_workflow THEN 'quarter' ELSE 'hour' END, starts, least(days_from, ends)),
    (CASE WHEN of_workflow IS NULL AND NOT by_workflow THEN 'quarter' ELSE 'hour' END, days_until, ends)
  ) AS p (grain, first, until)
  CROSS JOIN LATERAL (
    SELECT * FROM app.execution_rollups AS r
    WHERE r.tenant_id = app.tenant() AND r.grain = p.grain
      AND r.workflow_id >= CASE WHEN of_workflow IS NOT NULL THEN of_workflow WHEN by_workflow
        THEN '00000000-0000-0000-0000-000000000001'::uuid ELSE '00000000-0000-0000-0000-000000000000'::uuid END
      AND r.workflow_id <= CASE WHEN of_workflow IS NOT NULL THEN of_workflow WHEN by_workflow
        THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid ELSE '00000000-0000-0000-0000-000000000000'::uuid END
      AND r.bucket_start >= p.first AND r.bucket_start < p.until
    OFFSET 0  -- by the primary key, whatever it is joined with
  ) AS r
  WHERE p.first < p.until
$$;

ALTER FUNCTION app.rollups_between_v2(starts timestamp with time zone, ends timestamp with time zone, days_from timestamp with time zone, days_until timestamp with time zone, of_workflow uuid, by_workflow boolean) OWNER TO flo_owner;

CREATE FUNCTION app.rotate_key(old_id text, new_id text, new_hash bytea, new_signing_hash bytea, grace interval) RETURNS SETOF app.api_keys
    LANGUAGE plpgsql
    AS $$
DECLARE
  old app.api_keys;
BEGIN
  SELECT * INTO old FROM app.api_keys AS k WHERE k.id = old_id FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF old.replaced_by IS NOT NULL THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'key_is_rotated',
      message = format('The key has been rotated. Rotate its successor, %s.', old.replaced_by);
  ELSIF old.revoked_at IS NOT NULL OR old.expires_at <= now() THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'key_has_ended',
      message = 'The key is revoked or expired. Create a new one.';
  END IF;
  UPDATE app.api_keys AS k SET expires_at = least(k.expires_at, now() + grace), replaced_by = new_id
  WHERE k.id = old_id;
  RETURN QUERY
  INSERT INTO app.api_keys (
    id, tenant_id, name, secret_hash, signing_hash, scopes, created_by, expires_at, rate_limit_per_minute, instance
  )
  VALUES (new_id, old.tenant_id, old.name, new_hash, new_signing_hash, old.scopes, current_setting('app.actor'),
    old.expires_at, old.rate_limit_per_minute, old.instance)
  RETURNING *;
END
$$;

ALTER FUNCTION app.rotate_key(old_id text, new_id text, new_hash bytea, new_signing_hash bytea, grace interval) OWNER TO flo_owner;

CREATE FUNCTION app.row_without_long_values(of_table text, image text) RETURNS text
    LANGUAGE sql STABLE
    RETURN (SELECT format('to_jsonb((SELECT s FROM (SELECT %s) AS s)) - array_remove(ARRAY[%s]::text[], NULL)'::text, string_agg(CASE WHEN (t.is_long IS NULL) THEN format('c.%I'::text, a.attname) ELSE format('CASE WHEN %s THEN NULL ELSE c.%I END AS %2$I'::text, t.is_long, a.attname) END, ', '::text ORDER BY a.attnum), string_agg(format('CASE WHEN %s THEN %L END'::text, t.is_long, a.attname), ', '::text) FILTER (WHERE (t.is_long IS NOT NULL))) AS format FROM (pg_attribute a CROSS JOIN LATERAL (SELECT CASE WHEN (a.atttypid = ANY (ARRAY[('text'::regtype)::oid, ('jsonb'::regtype)::oid])) THEN format('pg_column_size(c.%I) > 1000 AND NOT coalesce(%s ? %L OR %2$s -> ''in_part'' ? %3$L, false)'::text, a.attname, row_without_long_values.image, a.attname) ELSE NULL::text END AS is_long) t) WHERE ((a.attrelid = ((('app.'::text || row_without_long_values.of_table))::regclass)::oid) AND (a.attnum > 0) AND (NOT a.attisdropped)));

ALTER FUNCTION app.row_without_long_values(of_table text, image text) OWNER TO flo_owner;

CREATE FUNCTION app.rows_of_group() RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN 8192;

ALTER FUNCTION app.rows_of_group() OWNER TO flo_owner;

CREATE FUNCTION app.rows_to_write(counts jsonb) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT COALESCE(sum((a.value)::bigint), (0)::numeric) AS "coalesce" FROM jsonb_each(rows_to_write.counts) t(key, value), LATERAL jsonb_each_text(t.value) a(key, value) WHERE (a.key = ANY (ARRAY['insert'::text, 'update'::text, 'delete'::text])));

ALTER FUNCTION app.rows_to_write(counts jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.running_totals(counts integer[]) RETURNS integer[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
BEGIN
  FOR place IN 2 .. cardinality(counts) LOOP
    counts[place] := counts[place - 1] + counts[place];
  END LOOP;
  RETURN counts;
END
$$;

ALTER FUNCTION app.running_totals(counts integer[]) OWNER TO flo_owner;

CREATE FUNCTION app.runs_of(histogram app.histogram) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN COALESCE((histogram).upto[cardinality((histogram).upto)], cardinality((histogram).keys));

ALTER FUNCTION app.runs_of(histogram app.histogram) OWNER TO flo_owner;

CREATE FUNCTION app.runs_upto(histogram app.histogram, key smallint) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN COALESCE((histogram).upto[width_bucket(key, (histogram).keys)], width_bucket(key, (histogram).keys));

ALTER FUNCTION app.runs_upto(histogram app.histogram, key smallint) OWNER TO flo_owner;

CREATE FUNCTION app.seal_partition(partition_name text, patience interval DEFAULT '00:00:00.02'::interval) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  PERFORM app.wait_for_locks(patience);
  IF NOT EXISTS (SELECT FROM app.partitions() AS l WHERE l.partition_name = seal_partition.partition_name) THEN
    RAISE EXCEPTION USING errcode = 'FL404', message = 'There is no such partition.';
  END IF;
  EXECUTE format('LOCK TABLE app.%I IN SHARE ROW EXCLUSIVE MODE', partition_name);
  IF NOT EXISTS (
    SELECT FROM pg_trigger WHERE tgname = 'break_seal' AND tgrelid = to_regclass('app.' || partition_name)
  ) THEN
    EXECUTE format('CREATE TRIGGER break_seal AFTER INSERT OR UPDATE OR DELETE ON app.%I'
      ' FOR EACH ROW EXECUTE FUNCTION app.break_seal()', partition_name);
  END IF;
  INSERT INTO app.sealed_partitions AS s (partition_name) VALUES (seal_partition.partition_name)
  ON CONFLICT ON CONSTRAINT sealed_partitions_pkey DO UPDATE SET sealed_at = now(), broken_at = NULL;
END
$$;

ALTER FUNCTION app.seal_partition(partition_name text, patience interval) OWNER TO flo_owner;

CREATE FUNCTION app.session_checksum(s app.webchat_sessions) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN app.checksum(concat_ws('|'::text, (s).id, (s).tenant_id, (s).workflow_id, (s).user_id, (s).session_key, app.microseconds((s).created_at), app.microseconds((s).updated_at), (s).message_count, ((s).messages)::text));

ALTER FUNCTION app.session_checksum(s app.webchat_sessions) OWNER TO flo_owner;

CREATE FUNCTION app.short_image(image jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT jsonb_object_agg(v.key, CASE WHEN (pg_column_size(v.value) > 2000) THEN app.omitted(v.value) ELSE v.value END) AS jsonb_object_agg FROM jsonb_each(short_image.image) v(key, value));

ALTER FUNCTION app.short_image(image jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.short_row(present jsonb, image jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT COALESCE(jsonb_object_agg(v.key, CASE WHEN (pg_column_size(v.value) > 2000) THEN app.omitted(v.value) ELSE v.value END), '{}'::jsonb) AS "coalesce" FROM jsonb_each(short_row.present) v(key, value) WHERE ((v.key = ANY (ARRAY['workflow_id'::text, 'knowledge_base_id'::text, 'n8n_execution_id'::text])) OR ((short_row.image ? v.key) AND ((short_row.image -> v.key) <> v.value))));

ALTER FUNCTION app.short_row(present jsonb, image jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.size_of(ranges int8multirange) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT (COALESCE(sum((upper(r.r) - lower(r.r))), (0)::numeric))::bigint AS "coalesce" FROM unnest(size_of.ranges) r(r));

ALTER FUNCTION app.size_of(ranges int8multirange) OWNER TO flo_owner;

CREATE FUNCTION app.small_values(shown jsonb, other jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (shown IS NOT NULL) THEN (SELECT COALESCE(jsonb_object_agg(v.key, CASE WHEN (pg_column_size(v.value) > 1000) THEN app.omitted(v.value) ELSE v.value END), '{}'::jsonb) AS "coalesce" FROM jsonb_each(small_values.shown) v(key, value) WHERE ((small_values.other IS NULL) OR ((small_values.other ? v.key) AND (((small_values.other -> v.key) <> v.value) OR (v.value ? 'omitted_bytes'::text))))) ELSE NULL::jsonb END;

ALTER FUNCTION app.small_values(shown jsonb, other jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.unspaced() RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN '\u0E01-\u0E3A\u0E40-\u0E4E\u0E50-\u0E59\u0E81-\u0EDF\u1000-\u1049\u1050-\u109F\u1100-\u11FF\u1780-\u17D3\u3005-\u3007\u3041-\u3096\u3099-\u309F\u30A1-\u30FA\u30FC-\u30FF\u3105-\u312F\u31A0-\u31BF\u31F0-\u31FF\u3400-\u4DBF\u4E00-\u9FFF\uAC00-\uD7A3\uF900-\uFAFF\U00020000-\U000323AF'::text;

ALTER FUNCTION app.unspaced() OWNER TO flo_owner;

CREATE FUNCTION app.spaced(text text, has_unspaced boolean) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN has_unspaced THEN regexp_replace(text, (('['::text || app.unspaced()) || ']+'::text), ' '::text, 'g'::text) ELSE text END;

ALTER FUNCTION app.spaced(text text, has_unspaced boolean) OWNER TO flo_owner;

CREATE FUNCTION app.spend(person text, email text, key_id text, key_hash bytea, named_tenant text, scope text, weight integer DEFAULT 1) RETURNS TABLE(name text, q integer, r integer, t integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '1s'
    AS $$
DECLARE
  caller record;
  of_key integer;
BEGIN
  SELECT * INTO caller FROM app.identify(person, email, key_id, key_hash, named_tenant, scope);
  IF caller.role = 'super_admin' THEN
    RETURN;  -- super admins can help a tenant that is at its limit
  END IF;
  IF caller.tenant_id IS NULL
    OR scope LIKE ANY ('{keys:%,invitation:%,members:write,tenant:write,tenant:delete}'::text[]) THEN
    RETURN QUERY SELECT * FROM app.take_from_bucket(caller.actor, 'person', 600, weight);
    RETURN;
  END IF;
  RETURN QUERY SELECT * FROM app.take_from_bucket(
    caller.tenant_id::text, 'tenant', app.rate_limit_per_minute(caller.tenant_id), weight);
  IF key_id IS NULL THEN
    RETURN;
  END IF;
  SELECT k.rate_limit_per_minute INTO of_key FROM app.api_keys AS k WHERE k.id = key_id;
  IF of_key IS NOT NULL THEN
    RETURN QUERY SELECT * FROM app.take_from_bucket(key_id, 'key', of_key, weight);
  END IF;
  UPDATE app.api_keys AS k SET last_used_at = now()
  WHERE k.id = key_id AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute');
END
$$;

ALTER FUNCTION app.spend(person text, email text, key_id text, key_hash bytea, named_tenant text, scope text, weight integer) OWNER TO flo_owner;

CREATE FUNCTION app.start_recovery(recovery uuid) RETURNS SETOF app.recoveries
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  r app.recoveries;
BEGIN
  SELECT * INTO r FROM app.recoveries AS f WHERE f.id = recovery FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  ELSIF r.state <> 'previewed' THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'wrong_state',
      message = format('The recovery is %s: preview another one.', r.state);
  ELSIF r.swept_along > 0 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'changed_meanwhile',
      message = format('%s further rows hang on what it deletes, and would go along.', r.swept_along);
  ELSIF app.rows_to_write(r.counts) <= 1000 THEN
    RETURN QUERY SELECT * FROM app.apply_recovery(recovery);
  ELSE
    PERFORM app.wait_for_turn('recoveries');
    IF (SELECT count(*) FROM app.recoveries AS p WHERE p.tenant_id = app.tenant() AND p.state = 'pending') >= 3 THEN
      RAISE EXCEPTION USING errcode = 'FL409', constraint = 'too_many_open',
        message = 'The tenant has 3 recoveries that wait for their turn: wait until one is done.';
    END IF;
    RETURN QUERY
    UPDATE app.recoveries AS u SET state = 'pending', applied_by = current_setting('app.actor')
    WHERE u.id = recovery RETURNING u.*;
  END IF;
END
$$;

ALTER FUNCTION app.start_recovery(recovery uuid) OWNER TO flo_owner;

CREATE FUNCTION app.store_document(base uuid, sent jsonb, if_match text[]) RETURNS app.documents
    LANGUAGE plpgsql
    AS $$
DECLARE
  old app.documents;
  stored app.documents;
  wanted text := (SELECT b.language FROM app.knowledge_bases AS b WHERE b.id = base);
BEGIN
  SELECT * INTO old FROM app.documents AS d WHERE d.knowledge_base_id = base AND d.name = sent ->> 'name';
  PERFORM app.require_known(old, if_match);
  INSERT INTO app.documents AS d (
    knowledge_base_id, name, title, content_type, content, metadata, content_hash, chunker, passages, language,
    indexed_as
  )
  VALUES (
    base, sent ->> 'name', sent ->> 'title', sent ->> 'content_type', sent ->> 'content', sent -> 'metadata',
    decode(sent ->> 'content_hash', 'hex'), sent ->> 'chunker', app.passages_to_keep(sent),
    CASE wanted WHEN 'auto' THEN coalesce(sent ->> 'language', 'simple') ELSE wanted END, app.indexed_as(wanted)
  )
  ON CONFLICT ON CONSTRAINT documents_name_key DO UPDATE SET
    title = excluded.title, content_type = excluded.content_type, content = excluded.content,
    metadata = excluded.metadata, content_hash = excluded.content_hash, chunker = excluded.chunker,
    passages = excluded.passages, updated_at = now(), language = excluded.language, indexed_as = excluded.indexed_as
  WHERE (d.title, d.content_hash, d.chunker, d.metadata) IS DISTINCT FROM
    (excluded.title, excluded.content_hash, excluded.chunker, excluded.metadata)
  RETURNING d.* INTO stored;
  IF stored.id IS NULL THEN
    stored := old;
  END IF;
  IF (old.content_hash, old.chunker, old.title, old.metadata)
    IS DISTINCT FROM (stored.content_hash, stored.chunker, stored.title, stored.metadata) THEN
    PERFORM FROM app.embedding_tasks AS t
    WHERE t.document_id = stored.id FOR UPDATE;  -- first, in the worker's lock order
    UPDATE app.documents AS d
    SET chunk_count = app.replace_chunks(
      stored, sent -> 'chunks',
      (old.chunker, old.language, old.indexed_as) IS DISTINCT FROM (stored.chunker, stored.language, stored.indexed_as)
    )
    WHERE d.id = stored.id RETURNING d.* INTO stored;
    UPDATE app.knowledge_bases AS b SET languages = b.languages || stored.language
    WHERE b.id = base AND stored.language <> ALL (b.languages);
    PERFORM app.plan_embedding(stored);
  ELSE
    UPDATE app.embedding_tasks AS t
    SET status = 'processing', attempts = 0, due_at = now(), queued_at = now(), updated_at = now()
    WHERE t.document_id = stored.id AND t.status = 'failed';
  END IF;
  RETURN stored;
END
$$;

ALTER FUNCTION app.store_document(base uuid, sent jsonb, if_match text[]) OWNER TO flo_owner;

CREATE FUNCTION app.store_documents(base uuid, sent jsonb, if_match text[] DEFAULT NULL::text[]) RETURNS TABLE(document app.documents, state app.document_state, pending_models text[])
    LANGUAGE plpgsql
    AS $$
DECLARE
  one jsonb;
BEGIN
  PERFORM app.lock_knowledge_base(base);
  FOR one IN SELECT * FROM jsonb_array_elements(sent) LOOP
    document := app.store_document(base, one, if_match);
    state := app.document_state_of(document);
    pending_models := ARRAY(
      SELECT t.embedding_model FROM app.embedding_tasks AS t
      WHERE t.document_id = document.id AND t.status = 'processing'
    );
    RETURN NEXT;
  END LOOP;
END
$$;

ALTER FUNCTION app.store_documents(base uuid, sent jsonb, if_match text[]) OWNER TO flo_owner;

CREATE FUNCTION app.store_entry(title text, content text, metadata jsonb, model text, sent jsonb) RETURNS TABLE(id uuid, tenant_id uuid, document_id uuid, pending_models text[])
    LANGUAGE plpgsql
    AS $$
DECLARE
  base uuid;
BEGIN
  LOOP
    UPDATE app.knowledge_bases AS b
    SET description = content, source_metadata = coalesce(metadata, b.source_metadata), updated_at = now()
    WHERE b.name = title RETURNING b.id INTO base;
    EXIT WHEN FOUND;
    BEGIN
      base := (app.create_knowledge_base(title, content, 'index', coalesce(metadata, '{}'), model)).id;
      EXIT;
    EXCEPTION WHEN unique_violation THEN
      CONTINUE;  -- another request created it at this moment
    END;
  END LOOP;
  RETURN QUERY
  SELECT base, (s.document).tenant_id, (s.document).id, s.pending_models
  FROM app.store_documents(base, jsonb_build_array(sent)) AS s;
END
$$;

ALTER FUNCTION app.store_entry(title text, content text, metadata jsonb, model text, sent jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.store_sizes(moment timestamp with time zone, sizes jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
  today date := (moment AT TIME ZONE 'UTC')::date;
BEGIN
  DELETE FROM app.storage_sizes AS s WHERE s.day = today OR s.day < today - 31;
  DELETE FROM app.storage_measurements AS m WHERE m.day = today OR m.day < today - 31;
  INSERT INTO app.storage_measurements (day, measured_at) VALUES (today, moment);
  INSERT INTO app.storage_sizes (tenant_id, day, kind, hot_rows, hot_bytes, cold_rows, cold_bytes, vectors)
  SELECT s.tenant_id, today, s.kind, s.hot_rows, s.hot_bytes, s.cold_rows, s.cold_bytes, s.vectors
  FROM jsonb_to_recordset(sizes) AS s (
    tenant_id uuid, kind text, hot_rows bigint, hot_bytes bigint, cold_rows bigint, cold_bytes bigint, vectors bigint
  )
  JOIN app.tenants AS t ON t.id = s.tenant_id;  -- one may have been erased meanwhile
END
$$;

ALTER FUNCTION app.store_sizes(moment timestamp with time zone, sizes jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.store_vectors(tenant uuid, document uuid, model text, ids uuid[], vectors public.halfvec[]) RETURNS bigint
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  stored bigint;
BEGIN
  PERFORM FROM app.embedding_tasks AS t
  WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model FOR UPDATE;
  UPDATE app.embeddings AS e SET embedding_vector = public.l2_normalize(v.vector)
  FROM unnest(ids, vectors) AS v (id, vector)
  WHERE e.tenant_id = tenant AND e.id = v.id AND e.embedding_model = model AND e.embedding_vector IS NULL;
  GET DIAGNOSTICS stored = ROW_COUNT;
  UPDATE app.embedding_tasks AS t SET attempts = 0, reason = NULL, updated_at = now()  -- there is progress
  WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model AND t.status = 'processing';
  PERFORM app.end_embedding(tenant, document, model);
  RETURN stored;
END
$$;

ALTER FUNCTION app.store_vectors(tenant uuid, document uuid, model text, ids uuid[], vectors public.halfvec[]) OWNER TO flo_owner;

CREATE FUNCTION app.supersede(version app.workflow_executions) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  version.tenant_id := app.tenant();
  version.mode := app.execution_mode(version.execution_data);
  WITH superseded AS (
    INSERT INTO app.superseded_versions (tenant_id, id, delta)
    SELECT e.tenant_id, e.id, app.execution_delta(version, 1) FROM app.workflow_executions AS e
    WHERE e.retention_class = 0 AND e.tenant_id = version.tenant_id AND e.id = version.id
    ON CONFLICT DO NOTHING RETURNING id
  )
  INSERT INTO app.execution_deltas SELECT (app.execution_delta(version, -1)).* FROM superseded;
END
$$;

ALTER FUNCTION app.supersede(version app.workflow_executions) OWNER TO flo_owner;

CREATE FUNCTION app.swept_along(plan app.planned_row[]) RETURNS bigint
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  parents uuid[] := ARRAY(
    SELECT p.id FROM unnest(plan) AS p
    WHERE p.table_name IN ('workflows', 'knowledge_bases') AND p.action = 'delete'
  );
BEGIN
  RETURN CASE WHEN cardinality(parents) > 0 THEN (
    SELECT count(*) FROM (
      SELECT e.id FROM app.workflow_executions AS e
      WHERE e.tenant_id = app.tenant() AND e.workflow_id = ANY (parents)
        AND e.retention_class = ANY (app.classes_of_tenant())
      UNION ALL SELECT s.id FROM app.webchat_sessions AS s
      WHERE s.tenant_id = app.tenant() AND s.workflow_id = ANY (parents)
      UNION ALL SELECT d.id FROM app.documents AS d
      WHERE d.tenant_id = app.tenant() AND d.knowledge_base_id = ANY (parents)
      EXCEPT ALL SELECT p.id FROM unnest(plan) AS p WHERE p.action = 'delete'
    ) AS swept
  ) ELSE 0 END;
END
$$;

ALTER FUNCTION app.swept_along(plan app.planned_row[]) OWNER TO flo_owner;

CREATE FUNCTION app.take_from_bucket(bucket text, kind text, quota integer, weight integer, OUT name text, OUT q integer, OUT r integer, OUT t integer) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE
  one interval := interval '1 minute' / quota;
  step interval := one * least(weight, quota);
  moment timestamptz := clock_timestamp();
  filled timestamptz;
BEGIN
  INSERT INTO app.rate_buckets AS b VALUES (bucket, moment + step)
  ON CONFLICT ON CONSTRAINT rate_buckets_pkey DO UPDATE SET full_at = greatest(b.full_at, moment) + step
  WHERE greatest(b.full_at, moment) + step <= moment + interval '1 minute'
  RETURNING full_at INTO filled;
  name := kind;
  q := quota;
  IF filled IS NULL THEN
    SELECT ceil(extract(EPOCH FROM b.full_at + step - moment) - 60) INTO t
    FROM app.rate_buckets AS b WHERE b.name = bucket;
    RAISE EXCEPTION USING errcode = 'FL429', constraint = 'too_many_requests',
      message = format('The %s may make %s requests a minute, and this one weighs %s. Wait %s seconds.',
        kind, quota, least(weight, quota), greatest(t, 1)),
      detail = json_build_object('name', kind, 'q', quota, 'r', 0, 't', greatest(t, 1))::text;
  END IF;
  -- `one` is rounded
  r := floor(round(extract(EPOCH FROM moment + interval '1 minute' - filled) / extract(EPOCH FROM one), 3));
  t := ceil(extract(EPOCH FROM filled - moment));
END
$$;

ALTER FUNCTION app.take_from_bucket(bucket text, kind text, quota integer, weight integer, OUT name text, OUT q integer, OUT r integer, OUT t integer) OWNER TO flo_owner;

CREATE FUNCTION app.take_restore_point() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF app.tenant() IS NOT NULL AND session_user <> 'flo_job' AND EXISTS (SELECT FROM stored) THEN
    INSERT INTO app.restore_points (tenant_id, reason) VALUES (app.tenant(), TG_ARGV[0]);
  END IF;
  RETURN NULL;
END
$$;

ALTER FUNCTION app.take_restore_point() OWNER TO flo_owner;

CREATE FUNCTION app.take_search_place(tenant uuid) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  FOR place IN 1..3 LOOP
    IF pg_try_advisory_xact_lock(hashtextextended('app.search:' || tenant, place)) THEN
      RETURN;
    END IF;
  END LOOP;
  RAISE EXCEPTION USING errcode = 'FL429', constraint = 'too_many_at_once',
    message = 'Three searches of the tenant are running. Repeat this one when one of them has been answered.';
END
$$;

ALTER FUNCTION app.take_search_place(tenant uuid) OWNER TO flo_owner;

CREATE FUNCTION app.tenant_of_person(person text, email text, super_admin boolean, named text, scope text) RETURNS TABLE(tenant_id uuid, tenant_status text, role text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  named_id uuid := app.id_in(named);
  found integer;
BEGIN
  IF scope = 'invitation:write' THEN
    RETURN QUERY
    SELECT t.id, t.status, m.role
    FROM app.tenants AS t
    JOIN app.tenant_memberships AS m ON m.tenant_id = t.id AND m.status <> 'inactive'
      AND m.user_id IN (person, app.invited(email))
    WHERE (t.slug = lower(named) OR t.id = named_id) AND t.deleted_at IS NULL
    ORDER BY m.status = 'pending' DESC LIMIT 1;
  ELSIF named IS NULL THEN
    RETURN QUERY
    SELECT t.id, t.status, m.role
    FROM app.tenant_memberships AS m
    JOIN app.tenants AS t ON t.id = m.tenant_id
    WHERE m.user_id = person AND m.status = 'active' AND t.deleted_at IS NULL
    LIMIT 2;
  ELSE
    RETURN QUERY
    SELECT t.id, t.status, m.role
    FROM app.tenants AS t
    LEFT JOIN app.tenant_memberships AS m ON m.tenant_id = t.id AND m.user_id = person AND m.status = 'active'
    WHERE (t.slug = lower(named) OR t.id = named_id) AND t.deleted_at IS NULL AND (m.role IS NOT NULL OR super_admin);
  END IF;
  GET DIAGNOSTICS found = ROW_COUNT;
  IF found = 0 THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'tenant_not_found',
      message = CASE
        WHEN named IS NULL AND super_admin THEN 'Name a tenant, in tenant_id or in the X-Tenant header.'
        WHEN named IS NULL THEN 'You belong to no tenant.'
        ELSE 'There is no such tenant, or you do not belong to it.'
      END;
  ELSIF found > 1 THEN
    RAISE EXCEPTION USING errcode = 'FL400', constraint = 'tenant_required',
      message = 'You belong to several tenants. Name one in tenant_id or in the X-Tenant header.';
  END IF;
END
$$;

ALTER FUNCTION app.tenant_of_person(person text, email text, super_admin boolean, named text, scope text) OWNER TO flo_owner;

CREATE FUNCTION app.tenant_state(tenant app.tenants) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ((tenant).deleted_at IS NULL) THEN (tenant).status ELSE 'deleted'::text END;

ALTER FUNCTION app.tenant_state(tenant app.tenants) OWNER TO flo_owner;

CREATE FUNCTION app.tenants_to_keep(class integer, lower uuid, upper uuid) RETURNS TABLE(tenant_id uuid)
    LANGUAGE sql STABLE
    AS $$
  SELECT e.tenant_id FROM app.workflow_executions AS e
  WHERE e.retention_class = class AND e.id >= lower AND e.id < upper AND NOT app.is_final(e.status)
  UNION
  SELECT e.tenant_id FROM app.touched_executions AS t
  JOIN app.workflow_executions AS e ON e.id = t.id
  WHERE e.retention_class = class AND e.id >= lower AND e.id < upper
  UNION
  SELECT l.tenant_id
  FROM (
    SELECT h.tenant_id FROM app.legal_holds AS h WHERE h.released_at IS NULL
    UNION SELECT k.tenant_id FROM app.keep_policies AS k
    UNION SELECT c.tenant_id FROM app.retention_class_changes AS c WHERE c.retention_class = class
  ) AS l
  WHERE EXISTS (
    SELECT FROM app.workflow_executions AS e
    WHERE e.retention_class = class AND e.id >= lower AND e.id < upper AND e.tenant_id = l.tenant_id
  )
$$;

ALTER FUNCTION app.tenants_to_keep(class integer, lower uuid, upper uuid) OWNER TO flo_owner;

CREATE FUNCTION app.term(lexeme text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (((('x'::text || "left"(md5(lexeme), 8)))::bit(32))::integer & 536870911);

ALTER FUNCTION app.term(lexeme text) OWNER TO flo_owner;

CREATE FUNCTION app.term_in(language text, lexeme text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN app.term(CASE language WHEN 'english'::text THEN lexeme ELSE ((language || ':'::text) || lexeme) END);

ALTER FUNCTION app.term_in(language text, lexeme text) OWNER TO flo_owner;

CREATE FUNCTION app.term_of(tenant uuid, lexeme text, language text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (app.term_in(language, lexeme) # ((('x'::text || "left"(md5((tenant)::text), 8)))::bit(32))::integer);

ALTER FUNCTION app.term_of(tenant uuid, lexeme text, language text) OWNER TO flo_owner;

CREATE FUNCTION app.terms_of(tenant uuid, lexemes tsvector, language text DEFAULT 'english'::text) RETURNS integer[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT coalesce(array_agg(app.term_of(tenant, l.lexeme, language)), '{}') FROM unnest(lexemes) AS l
$$;

ALTER FUNCTION app.terms_of(tenant uuid, lexemes tsvector, language text) OWNER TO flo_owner;

CREATE FUNCTION app.text_bytes(e app.workflow_executions) RETURNS integer
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN ((200 + COALESCE(octet_length((e).error_message), 0)) + COALESCE(octet_length(((e).execution_data)::text), 0));

ALTER FUNCTION app.text_bytes(e app.workflow_executions) OWNER TO flo_owner;

CREATE FUNCTION app.text_bytes_of_file() RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN 64000000;

ALTER FUNCTION app.text_bytes_of_file() OWNER TO flo_owner;

CREATE FUNCTION app.texts_in(texts jsonb) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (texts IS NOT NULL) THEN ARRAY(SELECT jsonb_array_elements_text(texts) AS jsonb_array_elements_text) ELSE NULL::text[] END;

ALTER FUNCTION app.texts_in(texts jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.undo_recovery(recovery uuid) RETURNS SETOF app.recoveries
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
  r app.recoveries;
  undo app.recoveries;
BEGIN
  SELECT * INTO r FROM app.recoveries AS f WHERE f.id = recovery FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  ELSIF r.state <> 'done' THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'wrong_state',
      message = format('The recovery is %s: there is nothing to undo.', r.state);
  END IF;
  SELECT (p.recovery).* INTO undo FROM app.preview_recovery(NULL, r.applied_xid, NULL, r.tables, NULL, NULL, r.id) AS p;
  IF app.rows_to_write(undo.counts) <> app.rows_to_write(r.counts) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'changed_meanwhile',
      message = 'Rows of the recovery have changed since. Preview it by its transaction to undo the others.';
  END IF;
  RETURN QUERY SELECT * FROM app.start_recovery(undo.id);
END
$$;

ALTER FUNCTION app.undo_recovery(recovery uuid) OWNER TO flo_owner;

CREATE FUNCTION app.undone_rows(r app.recoveries, of_table text, OUT id uuid, OUT existed boolean, OUT image jsonb, OUT seqs bigint[], OUT has_changed boolean) RETURNS SETOF record
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$
DECLARE
  first bigint := app.first_undone(r);
BEGIN
  RETURN QUERY
  WITH transactions AS MATERIALIZED (
    SELECT
      t.xid,
      (r.is_exact OR t.committed_at > r.at) AND (r.of_transaction IS NULL OR t.xid = r.of_transaction)
        AND pg_visible_in_snapshot(t.xid, r.seen) AS is_undone,
      r.of_transaction IS NOT NULL AND t.xid <> r.of_transaction
        OR NOT pg_visible_in_snapshot(t.xid, r.seen) AS is_later
    FROM app.recorded_transactions AS t
    WHERE t.tenant_id = r.tenant_id AND (r.of_transaction IS NOT NULL OR NOT pg_visible_in_snapshot(t.xid, r.since))
  ),
  changes AS (
    SELECT c.id, h.seq, h.action, h.old, app.is_long_image(h.old) AS is_long, t.is_undone, t.is_later
    FROM app.row_history AS h
    JOIN transactions AS t ON t.xid = h.xid
    CROSS JOIN LATERAL unnest(coalesce(h.row_ids, ARRAY[h.row_id])) AS c (id)
    WHERE h.tenant_id = r.tenant_id AND h.seq >= first AND h.table_name = of_table
      AND (r.row_ids IS NULL OR c.id = ANY (r.row_ids)) AND (t.is_undone OR t.is_later)
  )
  SELECT
    c.id, (array_agg(c.action ORDER BY c.seq) FILTER (WHERE c.is_undone))[1] <> 'insert',
    app.laid_over(CASE WHEN NOT c.is_long THEN c.old END ORDER BY c.seq DESC) FILTER (WHERE c.is_undone),
    CASE WHEN bool_or(c.is_long) FILTER (WHERE c.is_undone) THEN array_agg(c.seq) FILTER (WHERE c.is_undone) END,
    coalesce(max(c.seq) FILTER (WHERE c.is_later) > min(c.seq) FILTER (WHERE c.is_undone), false)
  FROM changes AS c
  GROUP BY c.id HAVING bool_or(c.is_undone);
END
$$;

ALTER FUNCTION app.undone_rows(r app.recoveries, of_table text, OUT id uuid, OUT existed boolean, OUT image jsonb, OUT seqs bigint[], OUT has_changed boolean) OWNER TO flo_owner;

CREATE FUNCTION app.values_after(of_table text, of_row uuid, since bigint, old jsonb) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$ SELECT app.values_after_archived(of_table, of_row, since, old, '[]', true) $$;

ALTER FUNCTION app.values_after(of_table text, of_row uuid, since bigint, old jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.values_after_archived(of_table text, of_row uuid, since bigint, old jsonb, archived jsonb, are_all boolean) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_custom_plan'
    AS $_$
DECLARE
  found jsonb := '{}';
  later jsonb;
  changes integer := 0;
  narrowed text := CASE of_table
    WHEN 'workflow_executions' THEN 'AND c.retention_class = ANY (app.classes_of_tenant())' ELSE ''
  END;
BEGIN
  FOR later IN
    SELECT i.old
    FROM (
      SELECT 0 AS tier, a.place, a.old FROM jsonb_array_elements(archived) WITH ORDINALITY AS a (old, place)
      UNION ALL
      (
        SELECT 1, n.seq, n.old FROM app.row_history AS n
        WHERE are_all AND n.tenant_id = app.tenant() AND n.row_id = of_row AND n.seq > since AND n.old IS NOT NULL
        ORDER BY n.seq LIMIT 20
      )
    ) AS i ORDER BY i.tier, i.place LIMIT 20
  LOOP
    changes := changes + 1;
    found := app.lay_over(later, found);
    IF old IS NOT NULL AND app.has_values(found, old) THEN
      RETURN app.values_of(found, old);
    END IF;
  END LOOP;
  IF changes < 20 AND are_all AND to_regclass('app.' || of_table) IS NOT NULL THEN  -- files know tables that are gone
    EXECUTE format(
      'SELECT %s FROM app.%I AS c WHERE c.tenant_id = app.tenant() AND c.id = $1 %s',
      app.row_without_long_values(of_table, '$2'), of_table, narrowed
    ) INTO later USING of_row, old;
    found := CASE WHEN later IS NULL THEN found ELSE app.lay_over(later, found) END;
  END IF;
  RETURN CASE WHEN old IS NULL THEN nullif(found, '{}') ELSE app.values_of(found, old) END;
END
$_$;

ALTER FUNCTION app.values_after_archived(of_table text, of_row uuid, since bigint, old jsonb, archived jsonb, are_all boolean) OWNER TO flo_owner;

CREATE FUNCTION app.values_of(image jsonb, wanted jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((SELECT COALESCE(jsonb_object_agg(w.key, (values_of.image -> w.key)) FILTER (WHERE (values_of.image ? w.key)), '{}'::jsonb) AS "coalesce" FROM jsonb_object_keys((values_of.wanted - 'in_part'::text)) w(key)) || CASE WHEN (wanted ? 'in_part'::text) THEN jsonb_build_object('in_part', (SELECT jsonb_object_agg(w.key, CASE WHEN (w.value ? 'first'::text) THEN COALESCE((values_of.image #> ARRAY['in_part'::text, w.key]), jsonb_build_object('first', jsonb_array_length((values_of.image -> w.key)))) ELSE jsonb_build_object('members', (SELECT COALESCE(jsonb_object_agg(m.key, m.value), '{}'::jsonb) AS "coalesce" FROM jsonb_each(COALESCE((values_of.image -> w.key), (values_of.image #> ARRAY['in_part'::text, w.key, 'members'::text]))) m(key, value) WHERE (((w.value -> 'members'::text) ? m.key) OR ((w.value -> 'added'::text) ? m.key)))) END) AS jsonb_object_agg FROM jsonb_each((values_of.wanted -> 'in_part'::text)) w(key, value))) ELSE '{}'::jsonb END);

ALTER FUNCTION app.values_of(image jsonb, wanted jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.verified_key(key_id text, key_hash bytea) RETURNS TABLE(tenant_id uuid, scopes text[])
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  RETURN QUERY
  SELECT k.tenant_id, k.scopes
  FROM app.api_keys AS k
  WHERE k.id = key_id
    AND key_hash IN (k.secret_hash, k.signing_hash)
    AND k.revoked_at IS NULL
    AND (k.expires_at IS NULL OR k.expires_at > now());
  IF NOT FOUND THEN
    RAISE EXCEPTION USING errcode = 'FL401', constraint = 'invalid_api_key',
      message = 'The API key is unknown, expired or revoked.';
  END IF;
END
$$;

ALTER FUNCTION app.verified_key(key_id text, key_hash bytea) OWNER TO flo_owner;

CREATE FUNCTION app.wait_for_locks(patience interval) RETURNS void
    LANGUAGE sql
    AS $$ SELECT set_config('lock_timeout', (extract(EPOCH FROM patience) * 1000)::integer::text, true) $$;

ALTER FUNCTION app.wait_for_locks(patience interval) OWNER TO flo_owner;

CREATE FUNCTION app.wait_for_turn(wanted text) RETURNS void
    LANGUAGE sql
    AS $$ SELECT pg_advisory_xact_lock(hashtextextended(wanted || app.tenant(), 0)) $$;

ALTER FUNCTION app.wait_for_turn(wanted text) OWNER TO flo_owner;

CREATE FUNCTION app.weights_of(lexemes tsvector, language text DEFAULT 'english'::text) RETURNS public.sparsevec
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  WITH counted AS (
    SELECT app.term_in(language, l.lexeme) + 1 AS dimension, sum(coalesce(cardinality(l.positions), 1)) AS times,
      coalesce(sum(sum(cardinality(l.positions))) OVER (), 0) AS words
    FROM unnest(lexemes) AS l GROUP BY 1
  )
  SELECT (
    '{' || coalesce(string_agg(format('%s:%s', dimension,
      round((times * 2.6 / (times + 1.6 * (0.25 + 0.75 * words / 100)))::numeric, 4)), ',' ORDER BY dimension), '')
    || '}/536870912'
  )::public.sparsevec
  FROM counted
$$;

ALTER FUNCTION app.weights_of(lexemes tsvector, language text) OWNER TO flo_owner;

CREATE FUNCTION app.why_rejected(rejection text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE rejection WHEN 'workflow_not_found'::text THEN 'workflow_id: there is no such workflow.'::text WHEN 'other_workflows_execution'::text THEN 'n8n_execution_id: this n8n execution belongs to another workflow.'::text WHEN 'legal_hold'::text THEN 'This is under a legal hold and stays. GET /routes/legal-holds tells which; release it first.'::text ELSE NULL::text END;

ALTER FUNCTION app.why_rejected(rejection text) OWNER TO flo_owner;

CREATE FUNCTION app.with_models_of_bases(plan app.planned_row[]) RETURNS app.planned_row[]
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM unnest(plan) AS p WHERE p.table_name = 'knowledge_base_models') THEN
    RETURN plan;
  END IF;
  RETURN ARRAY(
    SELECT p::app.planned_row FROM unnest(plan) AS p
    WHERE p.table_name <> 'knowledge_base_models'
      OR p.action IN ('insert', 'delete')
      AND (p.action, (coalesce(p.present, p.image) ->> 'knowledge_base_id')::uuid) IN (
        SELECT b.action, b.id FROM unnest(plan) AS b WHERE b.table_name = 'knowledge_bases'
      )
  );
END
$$;

ALTER FUNCTION app.with_models_of_bases(plan app.planned_row[]) OWNER TO flo_owner;

CREATE FUNCTION app.with_workflows(deliveries jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $_$
BEGIN
  IF deliveries @? '$[*].workflow_name ? (@ != null)' THEN
    PERFORM app.create_missing_workflows(jsonb_path_query_array(
      deliveries, '$[*] ? (@.workflow_name != null && @.workflow_id == null)'
    ));
  END IF;
  RETURN deliveries;
END
$_$;

ALTER FUNCTION app.with_workflows(deliveries jsonb) OWNER TO flo_owner;

CREATE FUNCTION app.without_held(results app.merged_delivery[]) RETURNS app.merged_delivery[]
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
  kept uuid[] := ARRAY(
    SELECT e.id
    FROM unnest(results) AS r
    JOIN app.workflow_executions AS e
      ON e.retention_class = (r.execution).retention_class AND e.id = (r.execution).id
    WHERE r.outcome = 'updated' AND r.known AND (r.execution).tenant_id IS NOT NULL
      AND app.is_held(e.tenant_id, e.workflow_id, e.id)
      AND NOT app.only_adds_to(  -- where an execution has no data, what is stored stays
        app.execution_row(
          e.retention_class, e.id, e.tenant_id, e.workflow_id, e.n8n_execution_id, e.status, e.started_at,
          e.finished_at, CASE WHEN (r.execution).execution_data IS NOT NULL THEN e.execution_data END,
          e.error_message, e.created_at, e.mode
        ),
        r.execution
      )
  );
BEGIN
  RETURN ARRAY(
    SELECT CASE
      WHEN r.outcome = 'updated' AND (r.execution).id = ANY (kept)
      THEN ROW(r.ordinal, r.n8n_execution_id, 'held', 'legal_hold', r.known, r.execution, NULL)::app.merged_delivery
      ELSE r::app.merged_delivery
    END
    FROM unnest(results) AS r ORDER BY r.ordinal
  );
END
$$;

ALTER FUNCTION app.without_held(results app.merged_delivery[]) OWNER TO flo_owner;

CREATE FUNCTION app.without_orphans(plan app.planned_row[]) RETURNS app.planned_row[]
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  parents uuid[] := ARRAY(
    (
      SELECT w.id FROM app.workflows AS w WHERE w.tenant_id = app.tenant()
      UNION ALL SELECT b.id FROM app.knowledge_bases AS b WHERE b.tenant_id = app.tenant()
    )
    EXCEPT SELECT p.id FROM unnest(plan) AS p
    WHERE p.table_name IN ('workflows', 'knowledge_bases') AND p.action = 'delete'
    UNION SELECT p.id FROM unnest(plan) AS p
    WHERE p.table_name IN ('workflows', 'knowledge_bases') AND p.action = 'insert'
  );
BEGIN
  RETURN app.left_as_they_are(plan, ARRAY(
    SELECT p.id FROM unnest(plan) AS p
    WHERE p.action = 'insert' AND (
      p.table_name <> 'alerts'  -- which outlive their workflow
      AND coalesce(p.image ->> 'workflow_id', p.image ->> 'knowledge_base_id')::uuid NOT IN (SELECT unnest(parents))
      OR p.table_name = 'user_preferences' AND NOT EXISTS (
        SELECT FROM app.tenant_memberships AS m
        WHERE m.tenant_id = app.tenant() AND m.user_id = p.image ->> 'user_id'
      )
    )
  ), 'orphaned');
END
$$;

ALTER FUNCTION app.without_orphans(plan app.planned_row[]) OWNER TO flo_owner;

CREATE FUNCTION app.without_taken(plan app.planned_row[]) RETURNS app.planned_row[]
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_nestloop TO 'off'
    AS $$
DECLARE
  gone uuid[] := ARRAY(SELECT p.id FROM unnest(plan) AS p WHERE p.action = 'delete');
  n8n_ids text[] := ARRAY(
    SELECT p.image ->> 'n8n_execution_id' FROM unnest(plan) AS p
    WHERE p.table_name = 'workflow_executions' AND p.action = 'insert' AND p.image ->> 'n8n_execution_id' <> ''
  );
  written uuid[] := ARRAY(SELECT p.id FROM unnest(plan) AS p WHERE p.action IN ('update', 'delete'));
  taken uuid[];
BEGIN
  WITH p AS MATERIALIZED (
    SELECT u.id, u.table_name, u.action, i.* FROM unnest(plan) AS u
    CROSS JOIN LATERAL jsonb_to_record(u.image) AS i (
      n8n_workflow_id text, n8n_instance smallint, user_id text, workflow_id uuid, name text, knowledge_base_id uuid
    )
    WHERE u.action IN ('insert', 'update') AND u.table_name <> 'workflow_executions'
  )
  SELECT coalesce(array_agg(t.id), '{}') INTO taken FROM (
    SELECT p.id FROM p
    JOIN app.workflows AS w ON w.n8n_workflow_id = p.n8n_workflow_id AND w.n8n_instance = coalesce(p.n8n_instance, 0)
    WHERE p.table_name = 'workflows' AND w.tenant_id = app.tenant()
      AND w.id <> p.id AND w.id NOT IN (SELECT unnest(written))
    UNION
    SELECT p.id FROM p
    JOIN app.webchat_sessions AS s ON s.user_id = p.user_id AND s.workflow_id = p.workflow_id
    WHERE p.table_name = 'webchat_sessions' AND p.action = 'insert'
      AND s.tenant_id = app.tenant() AND s.id NOT IN (SELECT unnest(gone))
    UNION
    SELECT p.id FROM p
    JOIN app.user_preferences AS u ON u.user_id = p.user_id
    WHERE p.table_name = 'user_preferences' AND p.action = 'insert'
      AND u.tenant_id = app.tenant() AND u.id NOT IN (SELECT unnest(gone))
    UNION
    SELECT p.id FROM p
    JOIN app.knowledge_bases AS b ON b.name = p.name
    WHERE p.table_name = 'knowledge_bases' AND b.tenant_id = app.tenant()
      AND b.id <> p.id AND b.id NOT IN (SELECT unnest(written))
    UNION
    SELECT p.id FROM p
    JOIN app.documents AS d ON d.name = p.name AND d.knowledge_base_id = p.knowledge_base_id
    WHERE p.table_name = 'documents' AND p.action = 'insert'
      AND d.tenant_id = app.tenant() AND d.id NOT IN (SELECT unnest(gone))
  ) AS t;
  IF cardinality(n8n_ids) > 0 THEN
    taken := taken || ARRAY(
      WITH p AS MATERIALIZED (
        SELECT u.id, i.* FROM unnest(plan) AS u
        CROSS JOIN LATERAL jsonb_to_record(u.image) AS i (
          n8n_execution_id text, workflow_id uuid, status text, started_at timestamptz, finished_at timestamptz
        )
        WHERE u.table_name = 'workflow_executions' AND u.action = 'insert'
      )
      SELECT p.id FROM p
      JOIN (
        SELECT e.id, e.n8n_execution_id, e.workflow_id, e.status, e.started_at, e.finished_at, e.created_at
        FROM app.workflow_executions AS e
        WHERE e.tenant_id = app.tenant() AND e.retention_class = ANY (app.classes_of_tenant())
          AND e.n8n_execution_id = ANY (n8n_ids)
      ) AS e ON e.n8n_execution_id = p.n8n_execution_id AND e.workflow_id = p.workflow_id AND app.may_be_of(
        p.started_at, app.end_of(p.status, p.started_at, p.finished_at),
        e.started_at, app.end_of(e.status, e.started_at, e.finished_at), e.created_at
      )
      WHERE e.id NOT IN (SELECT unnest(gone))
    );
  END IF;
  RETURN CASE WHEN cardinality(taken) = 0 THEN plan
    ELSE app.without_orphans(app.left_as_they_are(plan, taken, 'taken')) END;
END
$$;

ALTER FUNCTION app.without_taken(plan app.planned_row[]) OWNER TO flo_owner;

CREATE FUNCTION app.words_of(text text, language text DEFAULT 'english'::text, for_query boolean DEFAULT false) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT CASE WHEN r.has_pairs THEN app.pairs_of(r.folded, for_query) ELSE '' END
    || CASE WHEN r.written = r.spaced THEN to_tsvector(r.configuration, lower(r.plain))
      ELSE app.folded_lexemes(to_tsvector(r.configuration, lower(r.plain))) END
    || CASE WHEN r.written = r.spaced OR for_query THEN ''
      ELSE strip(to_tsvector(r.configuration, lower(app.plain(r.spaced)))) END
    || strip(to_tsvector(
      r.configuration, coalesce((SELECT string_agg(o.joined, ' ') FROM app.compounds(r.spaced) AS o), '')
    ))
    || array_to_tsvector(ARRAY(
      SELECT DISTINCT s.lexeme
      FROM (SELECT DISTINCT unnest(string_to_array(r.plain, ' ')) AS word) AS w
      CROSS JOIN LATERAL (VALUES
        ('=' || lower(app.folded(w.word))),
        (CASE WHEN length(w.word) > 1 AND w.word = upper(w.word) THEN '=' || app.folded(w.word) END)
      ) AS s (lexeme)
      WHERE w.word <> '' AND s.lexeme IS NOT NULL AND length(w.word) < 20
        AND ts_lexize(r.dictionary, lower(w.word)) = '{}'
    ))
  FROM app.reading(text, language) AS r
$$;

ALTER FUNCTION app.words_of(text text, language text, for_query boolean) OWNER TO flo_owner;

CREATE FUNCTION app.words_to_index(base app.knowledge_bases, language text, OUT languages text[], OUT words_pending integer, OUT indexed_as text) RETURNS record
    LANGUAGE sql STABLE
    AS $$
  SELECT
    base.languages || ARRAY(SELECT n.language WHERE n.language <> 'auto' AND n.language <> ALL (base.languages)),
    CASE n.language WHEN base.language THEN base.words_pending ELSE base.document_count END,
    CASE n.language WHEN base.language THEN base.indexed_as ELSE '' END
  FROM (SELECT words_to_index.language) AS n
$$;

ALTER FUNCTION app.words_to_index(base app.knowledge_bases, language text, OUT languages text[], OUT words_pending integer, OUT indexed_as text) OWNER TO flo_owner;

CREATE FUNCTION app.workflows_of_instance(wanted text) RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN ARRAY(SELECT w.id FROM app.workflows w WHERE ((w.tenant_id = app.tenant()) AND (w.n8n_instance = (SELECT app.known_n8n_instance(workflows_of_instance.wanted) AS known_n8n_instance))));

ALTER FUNCTION app.workflows_of_instance(wanted text) OWNER TO flo_owner;

CREATE FUNCTION app.write_keep() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF new.keep IS NULL THEN
    DELETE FROM app.keep_policies AS k WHERE k.tenant_id = old.id;
  ELSIF new.keep IS DISTINCT FROM old.keep THEN
    INSERT INTO app.keep_policies (tenant_id, keep) VALUES (old.id, new.keep)
    ON CONFLICT ON CONSTRAINT keep_policies_pkey DO UPDATE SET keep = excluded.keep;
  END IF;
  RETURN new;
END
$$;

ALTER FUNCTION app.write_keep() OWNER TO flo_owner;

CREATE FUNCTION app.write_planned(plan app.planned_row[], of_table text, wanted text) RETURNS void
    LANGUAGE plpgsql
    AS $_$
DECLARE
  writes app.planned_row[] := ARRAY(
    SELECT p::app.planned_row FROM unnest(plan) AS p
    WHERE p.table_name = of_table AND p.action = wanted ORDER BY p.id
  );
  first uuid := writes[1].id;
  last uuid := writes[cardinality(writes)].id;
  is_execution boolean := of_table = 'workflow_executions';
  narrowed text := CASE WHEN is_execution THEN 'AND t.retention_class = ANY (app.classes_of_tenant())' ELSE '' END;
  class smallint := (SELECT h.class FROM app.hot_policies AS h WHERE h.tenant_id = app.tenant());
BEGIN
  CASE
    WHEN first IS NULL THEN
      RETURN;
    WHEN wanted = 'delete' THEN
      EXECUTE format('DELETE FROM app.%I AS t WHERE t.tenant_id = app.tenant() AND t.id = ANY ($1)'
        ' AND t.id BETWEEN $2 AND $3 %s', of_table, narrowed)
      USING ARRAY(SELECT p.id FROM unnest(writes) AS p), first, last;
    WHEN wanted = 'update' THEN
      IF of_table = 'workflows' THEN  -- which may have exchanged their ids
        UPDATE app.workflows AS w SET n8n_workflow_id = NULL FROM unnest(writes) AS i
        WHERE w.tenant_id = app.tenant() AND w.id = i.id AND w.n8n_workflow_id <> i.image ->> 'n8n_workflow_id';
      ELSIF of_table = 'knowledge_bases' THEN  -- or names
        UPDATE app.knowledge_bases AS b SET name = b.id::text FROM unnest(writes) AS i
        WHERE b.tenant_id = app.tenant() AND b.id = i.id AND b.name <> i.image ->> 'name';
      END IF;
      EXECUTE format('UPDATE app.%I AS t SET (%s) = (SELECT %s FROM jsonb_populate_record(t, CASE'
        ' WHEN i.seqs IS NULL THEN i.image ELSE app.lay_over(to_jsonb(t), app.image_before(i.id, i.seqs)) END) AS n)'
        ' FROM unnest($1) AS i WHERE t.tenant_id = app.tenant() AND t.id = i.id AND t.id BETWEEN $2 AND $3 %s',
        of_table, app.written_columns(of_table, ''), app.written_columns(of_table, 'n.'), narrowed)
      USING writes, first, last;
    WHEN wanted = 'insert' THEN
      EXECUTE format('INSERT INTO app.%1$I (%2$s) SELECT %3$s FROM unnest($1) AS i, jsonb_populate_record('
        'NULL::app.%1$I, $2 || CASE WHEN i.seqs IS NULL THEN i.image ELSE app.image_before(i.id, i.seqs) END %4$s'
        ') AS n', of_table, app.written_columns(of_table, ''), app.written_columns(of_table, 'n.'),
        CASE WHEN is_execution
          THEN $q$|| jsonb_build_object('retention_class', app.retention_class_for(i.id, $3))$q$ ELSE '' END)
      USING writes, app.defaults_of(of_table), class;
  END CASE;
END
$_$;

ALTER FUNCTION app.write_planned(plan app.planned_row[], of_table text, wanted text) OWNER TO flo_owner;

CREATE FUNCTION app.write_settings() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  UPDATE app.tenants AS t SET
    name = new.name, n8n_url = new.n8n_url, branding_settings = new.branding_settings,
    confidence_threshold = new.confidence_threshold, hot_ttl_days = new.hot_ttl_days, updated_at = now()
  WHERE t.id = old.id;
  IF new.cold_ttl_days IS NULL THEN
    DELETE FROM app.cold_policies AS c WHERE c.tenant_id = old.id;
  ELSIF new.cold_ttl_days IS DISTINCT FROM old.cold_ttl_days THEN
    INSERT INTO app.cold_policies (tenant_id, cold_ttl_days) VALUES (old.id, new.cold_ttl_days)
    ON CONFLICT ON CONSTRAINT cold_policies_pkey DO UPDATE SET cold_ttl_days = excluded.cold_ttl_days;
  END IF;
  IF new.time_zone <> old.time_zone THEN  -- rollups by hour and day are cut anew by the job
    INSERT INTO app.rollup_settings AS s (tenant_id, time_zone, rebuild_asked_at)
    VALUES (old.id, new.time_zone, now())
    ON CONFLICT ON CONSTRAINT rollup_settings_pkey DO UPDATE
    SET time_zone = excluded.time_zone, rebuild_asked_at = greatest(s.rebuild_asked_at, excluded.rebuild_asked_at);
  END IF;
  RETURN new;
END
$$;

ALTER FUNCTION app.write_settings() OWNER TO flo_owner;

CREATE FUNCTION app.written(text text, folded text, language text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ((language = 'english'::text) OR (octet_length(text) = length(text))) THEN folded ELSE NORMALIZE(app.parted(text), NFKC) END;

ALTER FUNCTION app.written(text text, folded text, language text) OWNER TO flo_owner;

CREATE FUNCTION app.written_columns(of_table text, prefix text) RETURNS text
    LANGUAGE sql STABLE
    RETURN (SELECT string_agg((written_columns.prefix || quote_ident((a.attname)::text)), ', '::text ORDER BY a.attnum) AS string_agg FROM pg_attribute a WHERE ((a.attrelid = ((('app.'::text || written_columns.of_table))::regclass)::oid) AND (a.attnum > 0) AND (NOT a.attisdropped) AND (a.attgenerated = ''::"char")));

ALTER FUNCTION app.written_columns(of_table text, prefix text) OWNER TO flo_owner;

CREATE AGGREGATE app.bytes_of(jsonb, integer) (
    SFUNC = app.add_bytes,
    STYPE = bigint,
    INITCOND = '0'
);

ALTER AGGREGATE app.bytes_of(jsonb, integer) OWNER TO flo_owner;

CREATE AGGREGATE app.data_bytes_of(jsonb, integer) (
    SFUNC = app.add_data_bytes,
    STYPE = bigint,
    INITCOND = '0'
);

ALTER AGGREGATE app.data_bytes_of(jsonb, integer) OWNER TO flo_owner;

CREATE TABLE app.backups (
    id text NOT NULL,
    taken_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone DEFAULT now() NOT NULL,
    snapshot pg_snapshot NOT NULL,
    manifest_key text NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    text_bytes bigint NOT NULL,
    copied_text_bytes bigint NOT NULL,
    seconds double precision NOT NULL
);

ALTER TABLE ONLY app.backups FORCE ROW LEVEL SECURITY;

ALTER TABLE app.backups OWNER TO flo_owner;

CREATE TABLE app.chunks (
    id uuid DEFAULT app.uuid7() NOT NULL,
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    knowledge_base_id uuid NOT NULL,
    document_id uuid NOT NULL,
    chunk_index integer NOT NULL,
    chunk_start integer NOT NULL,
    chunk_end integer NOT NULL,
    content_hash bytea NOT NULL,
    terms integer[] NOT NULL,
    weights public.sparsevec NOT NULL,
    context text DEFAULT ''::text NOT NULL,
    text_hash bytea,
    CONSTRAINT chunks_check CHECK ((chunk_end >= chunk_start)),
    CONSTRAINT chunks_chunk_index_check CHECK ((chunk_index >= 0)),
    CONSTRAINT chunks_chunk_start_check CHECK ((chunk_start >= 0)),
    CONSTRAINT chunks_content_hash_check CHECK ((length(content_hash) = 32)),
    CONSTRAINT chunks_text_hash_check CHECK ((length(text_hash) = 32))
)
WITH (toast_tuple_target='8160');
ALTER TABLE ONLY app.chunks ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.chunks ALTER COLUMN terms SET STORAGE MAIN;
ALTER TABLE ONLY app.chunks ALTER COLUMN weights SET STORAGE MAIN;

ALTER TABLE ONLY app.chunks FORCE ROW LEVEL SECURITY;

ALTER TABLE app.chunks OWNER TO flo_owner;

CREATE TABLE app.cold_policies (
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    cold_ttl_days integer NOT NULL,
    CONSTRAINT cold_policies_cold_ttl_days_check CHECK (((cold_ttl_days >= 30) AND (cold_ttl_days <= 36500)))
);
ALTER TABLE ONLY app.cold_policies ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.cold_policies FORCE ROW LEVEL SECURITY;

ALTER TABLE app.cold_policies OWNER TO flo_owner;

CREATE TABLE app.drills (
    id uuid DEFAULT app.uuid7() NOT NULL,
    name text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    restored_to timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    verdict text,
    problems text[] DEFAULT '{}'::text[] NOT NULL,
    backup_id text,
    fork_seconds double precision,
    fork_lost_seconds double precision,
    restore_seconds double precision,
    backup_lost_seconds double precision,
    CONSTRAINT drills_check CHECK (((finished_at IS NULL) = (verdict IS NULL))),
    CONSTRAINT drills_verdict_check CHECK ((verdict = ANY (ARRAY['good'::text, 'backup bad'::text, 'fork bad'::text, 'drill bad'::text])))
);

ALTER TABLE ONLY app.drills FORCE ROW LEVEL SECURITY;

ALTER TABLE app.drills OWNER TO flo_owner;

CREATE TABLE app.embedding_usage (
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    day date NOT NULL,
    embedding_model text NOT NULL,
    requests bigint NOT NULL,
    chunks bigint NOT NULL,
    tokens bigint NOT NULL
);
ALTER TABLE ONLY app.embedding_usage ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.embedding_usage FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embedding_usage OWNER TO flo_owner;

CREATE TABLE app.embeddings (
    id uuid NOT NULL,
    knowledge_base_id uuid NOT NULL,
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    chunk_text text NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text NOT NULL,
    chunk_index integer NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    embedding_model text NOT NULL
)
PARTITION BY HASH (tenant_id);
ALTER TABLE ONLY app.embeddings ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings OWNER TO flo_owner;

CREATE TABLE app.embeddings_0 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_0 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_0 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_0 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_0 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_0 OWNER TO flo_owner;

CREATE TABLE app.embeddings_1 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_1 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_1 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_1 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_1 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_1 OWNER TO flo_owner;

CREATE TABLE app.embeddings_10 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_10 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_10 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_10 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_10 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_10 OWNER TO flo_owner;

CREATE TABLE app.embeddings_11 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_11 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_11 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_11 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_11 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_11 OWNER TO flo_owner;

CREATE TABLE app.embeddings_12 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_12 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_12 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_12 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_12 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_12 OWNER TO flo_owner;

CREATE TABLE app.embeddings_13 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_13 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_13 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_13 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_13 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_13 OWNER TO flo_owner;

CREATE TABLE app.embeddings_14 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_14 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_14 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_14 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_14 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_14 OWNER TO flo_owner;

CREATE TABLE app.embeddings_15 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_15 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_15 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_15 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_15 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_15 OWNER TO flo_owner;

CREATE TABLE app.embeddings_16 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_16 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_16 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_16 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_16 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_16 OWNER TO flo_owner;

CREATE TABLE app.embeddings_17 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_17 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_17 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_17 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_17 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_17 OWNER TO flo_owner;

CREATE TABLE app.embeddings_18 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_18 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_18 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_18 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_18 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_18 OWNER TO flo_owner;

CREATE TABLE app.embeddings_19 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_19 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_19 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_19 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_19 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_19 OWNER TO flo_owner;

CREATE TABLE app.embeddings_2 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_2 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_2 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_2 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_2 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_2 OWNER TO flo_owner;

CREATE TABLE app.embeddings_20 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_20 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_20 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_20 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_20 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_20 OWNER TO flo_owner;

CREATE TABLE app.embeddings_21 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_21 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_21 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_21 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_21 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_21 OWNER TO flo_owner;

CREATE TABLE app.embeddings_22 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_22 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_22 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_22 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_22 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_22 OWNER TO flo_owner;

CREATE TABLE app.embeddings_23 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_23 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_23 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_23 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_23 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_23 OWNER TO flo_owner;

CREATE TABLE app.embeddings_24 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_24 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_24 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_24 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_24 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_24 OWNER TO flo_owner;

CREATE TABLE app.embeddings_25 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_25 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_25 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_25 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_25 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_25 OWNER TO flo_owner;

CREATE TABLE app.embeddings_26 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_26 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_26 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_26 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_26 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_26 OWNER TO flo_owner;

CREATE TABLE app.embeddings_27 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_27 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_27 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_27 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_27 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_27 OWNER TO flo_owner;

CREATE TABLE app.embeddings_28 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_28 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_28 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_28 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_28 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_28 OWNER TO flo_owner;

CREATE TABLE app.embeddings_29 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_29 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_29 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_29 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_29 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_29 OWNER TO flo_owner;

CREATE TABLE app.embeddings_3 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_3 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_3 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_3 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_3 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_3 OWNER TO flo_owner;

CREATE TABLE app.embeddings_30 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_30 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_30 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_30 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_30 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_30 OWNER TO flo_owner;

CREATE TABLE app.embeddings_31 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_31 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_31 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_31 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_31 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_31 OWNER TO flo_owner;

CREATE TABLE app.embeddings_4 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_4 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_4 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_4 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_4 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_4 OWNER TO flo_owner;

CREATE TABLE app.embeddings_5 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_5 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_5 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_5 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_5 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_5 OWNER TO flo_owner;

CREATE TABLE app.embeddings_6 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_6 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_6 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_6 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_6 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_6 OWNER TO flo_owner;

CREATE TABLE app.embeddings_7 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_7 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_7 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_7 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_7 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_7 OWNER TO flo_owner;

CREATE TABLE app.embeddings_8 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_8 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_8 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_8 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_8 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_8 OWNER TO flo_owner;

CREATE TABLE app.embeddings_9 (
    id uuid CONSTRAINT embeddings_id_not_null NOT NULL,
    knowledge_base_id uuid CONSTRAINT embeddings_knowledge_base_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT embeddings_tenant_id_not_null NOT NULL,
    chunk_text text CONSTRAINT embeddings_chunk_text_not_null NOT NULL,
    chunk_metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT embeddings_chunk_metadata_not_null NOT NULL,
    embedding_vector public.halfvec(1536),
    document_name text CONSTRAINT embeddings_document_name_not_null NOT NULL,
    chunk_index integer CONSTRAINT embeddings_chunk_index_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT embeddings_created_at_not_null NOT NULL,
    embedding_model text CONSTRAINT embeddings_embedding_model_not_null NOT NULL
);
ALTER TABLE ONLY app.embeddings_9 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);
ALTER TABLE ONLY app.embeddings_9 ALTER COLUMN chunk_metadata SET STORAGE MAIN;
ALTER TABLE ONLY app.embeddings_9 ALTER COLUMN embedding_vector SET STORAGE PLAIN;

ALTER TABLE ONLY app.embeddings_9 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_9 OWNER TO flo_owner;

CREATE TABLE app.execution_object_references (
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    sha256 text NOT NULL,
    execution_id uuid NOT NULL
);
ALTER TABLE ONLY app.execution_object_references ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.execution_object_references FORCE ROW LEVEL SECURITY;

ALTER TABLE app.execution_object_references OWNER TO flo_owner;

CREATE TABLE app.execution_objects (
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    sha256 text NOT NULL,
    check_at timestamp with time zone DEFAULT (now() + '1 day'::interval) NOT NULL,
    CONSTRAINT execution_objects_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);
ALTER TABLE ONLY app.execution_objects ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.execution_objects FORCE ROW LEVEL SECURITY;

ALTER TABLE app.execution_objects OWNER TO flo_owner;

CREATE TABLE app.failed_runs (
    tenant_id uuid NOT NULL,
    n8n_execution_id text NOT NULL,
    workflow_id uuid NOT NULL,
    quarter timestamp with time zone NOT NULL,
    status text NOT NULL,
    mode_class text NOT NULL,
    runs integer NOT NULL
);
ALTER TABLE ONLY app.failed_runs ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.failed_runs FORCE ROW LEVEL SECURITY;

ALTER TABLE app.failed_runs OWNER TO flo_owner;

CREATE TABLE app.invitations (
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    user_id text NOT NULL,
    invited_by text DEFAULT 
CASE app.role()
    WHEN 'super_admin'::text THEN NULL::text
    ELSE app.person()
END
);
ALTER TABLE ONLY app.invitations ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.invitations FORCE ROW LEVEL SECURITY;

ALTER TABLE app.invitations OWNER TO flo_owner;

CREATE TABLE app.job_runs (
    id uuid DEFAULT app.uuid7() NOT NULL,
    job text NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    counts jsonb DEFAULT '{}'::jsonb NOT NULL,
    error text,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT job_runs_job_check CHECK (((length(job) >= 1) AND (length(job) <= 63))),
    CONSTRAINT job_runs_state_check CHECK ((state = ANY (ARRAY['running'::text, 'done'::text, 'unfinished'::text, 'failed'::text, 'killed'::text])))
);

ALTER TABLE ONLY app.job_runs FORCE ROW LEVEL SECURITY;

ALTER TABLE app.job_runs OWNER TO flo_owner;

CREATE TABLE app.leaving_rows (
    tenant_id uuid NOT NULL,
    file_id uuid NOT NULL,
    id uuid NOT NULL,
    checksum bigint NOT NULL
);
ALTER TABLE ONLY app.leaving_rows ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.leaving_rows FORCE ROW LEVEL SECURITY;

ALTER TABLE app.leaving_rows OWNER TO flo_owner;

CREATE TABLE app.n8n_names (
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    workflow_id uuid NOT NULL,
    name text,
    told_at timestamp with time zone,
    is_active boolean,
    active_told_at timestamp with time zone,
    tags text[],
    tags_told_at timestamp with time zone,
    CONSTRAINT n8n_names_name_check CHECK (((length(name) >= 1) AND (length(name) <= 255)))
);
ALTER TABLE ONLY app.n8n_names ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.n8n_names FORCE ROW LEVEL SECURITY;

ALTER TABLE app.n8n_names OWNER TO flo_owner;

CREATE TABLE app.n8n_rejections (
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    id uuid DEFAULT app.uuid7() NOT NULL,
    instance text NOT NULL,
    n8n_execution_id text,
    n8n_workflow_id text,
    error text NOT NULL,
    item jsonb,
    delivery jsonb
);
ALTER TABLE ONLY app.n8n_rejections ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.n8n_rejections FORCE ROW LEVEL SECURITY;

ALTER TABLE app.n8n_rejections OWNER TO flo_owner;

CREATE TABLE app.n8n_resets (
    tenant_id uuid DEFAULT app.tenant() NOT NULL,
    number smallint NOT NULL,
    after timestamp with time zone NOT NULL,
    until timestamp with time zone NOT NULL,
    CONSTRAINT n8n_resets_check CHECK ((until > after))
);
ALTER TABLE ONLY app.n8n_resets ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.n8n_resets FORCE ROW LEVEL SECURITY;

ALTER TABLE app.n8n_resets OWNER TO flo_owner;

CREATE UNLOGGED TABLE app.rate_buckets (
    name text NOT NULL,
    full_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50');

ALTER TABLE app.rate_buckets OWNER TO flo_owner;

CREATE TABLE app.recovery_check (
    one boolean DEFAULT true NOT NULL,
    checked_at timestamp with time zone,
    backups integer DEFAULT 0 NOT NULL,
    newest_backup text,
    oldest_backup_at timestamp with time zone,
    restorable_from timestamp with time zone,
    problems text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT recovery_check_one_check CHECK (one)
);

ALTER TABLE ONLY app.recovery_check FORCE ROW LEVEL SECURITY;

ALTER TABLE app.recovery_check OWNER TO flo_owner;

CREATE TABLE app.rehydrated_rows (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    rehydration_id uuid NOT NULL,
    checksum bigint NOT NULL
);
ALTER TABLE ONLY app.rehydrated_rows ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.rehydrated_rows FORCE ROW LEVEL SECURITY;

ALTER TABLE app.rehydrated_rows OWNER TO flo_owner;

CREATE TABLE app.reserved_slugs (
    slug text NOT NULL
);

ALTER TABLE app.reserved_slugs OWNER TO flo_owner;

CREATE TABLE app.rollup_progress (
    one boolean DEFAULT true NOT NULL,
    folded_at timestamp with time zone NOT NULL,
    reconciled_at timestamp with time zone,
    alerted_at timestamp with time zone,
    CONSTRAINT rollup_progress_one_check CHECK (one)
);

ALTER TABLE ONLY app.rollup_progress FORCE ROW LEVEL SECURITY;

ALTER TABLE app.rollup_progress OWNER TO flo_owner;

CREATE SEQUENCE app.row_history_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE app.row_history_seq OWNER TO flo_owner;

ALTER SEQUENCE app.row_history_seq OWNED BY app.row_history.seq;

CREATE TABLE app.row_history_20261123 (
    seq bigint DEFAULT nextval('app.row_history_seq'::regclass) CONSTRAINT row_history_seq_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT row_history_recorded_at_not_null NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() CONSTRAINT row_history_xid_not_null NOT NULL,
    tenant_id uuid CONSTRAINT row_history_tenant_id_not_null NOT NULL,
    table_name text CONSTRAINT row_history_table_name_not_null NOT NULL,
    action text CONSTRAINT row_history_action_not_null NOT NULL,
    row_id uuid,
    row_ids uuid[],
    old jsonb,
    CONSTRAINT row_history_action_check CHECK ((action = ANY (ARRAY['insert'::text, 'update'::text, 'delete'::text]))),
    CONSTRAINT row_history_check CHECK (((row_id IS NULL) <> (row_ids IS NULL)))
);
ALTER TABLE ONLY app.row_history_20261123 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.row_history_20261123 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.row_history_20261123 OWNER TO flo_owner;

CREATE TABLE app.row_history_20261130 (
    seq bigint DEFAULT nextval('app.row_history_seq'::regclass) CONSTRAINT row_history_seq_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT row_history_recorded_at_not_null NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() CONSTRAINT row_history_xid_not_null NOT NULL,
    tenant_id uuid CONSTRAINT row_history_tenant_id_not_null NOT NULL,
    table_name text CONSTRAINT row_history_table_name_not_null NOT NULL,
    action text CONSTRAINT row_history_action_not_null NOT NULL,
    row_id uuid,
    row_ids uuid[],
    old jsonb,
    CONSTRAINT row_history_action_check CHECK ((action = ANY (ARRAY['insert'::text, 'update'::text, 'delete'::text]))),
    CONSTRAINT row_history_check CHECK (((row_id IS NULL) <> (row_ids IS NULL)))
);
ALTER TABLE ONLY app.row_history_20261130 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.row_history_20261130 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.row_history_20261130 OWNER TO flo_owner;

CREATE TABLE app.row_history_20261207 (
    seq bigint DEFAULT nextval('app.row_history_seq'::regclass) CONSTRAINT row_history_seq_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT row_history_recorded_at_not_null NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() CONSTRAINT row_history_xid_not_null NOT NULL,
    tenant_id uuid CONSTRAINT row_history_tenant_id_not_null NOT NULL,
    table_name text CONSTRAINT row_history_table_name_not_null NOT NULL,
    action text CONSTRAINT row_history_action_not_null NOT NULL,
    row_id uuid,
    row_ids uuid[],
    old jsonb,
    CONSTRAINT row_history_action_check CHECK ((action = ANY (ARRAY['insert'::text, 'update'::text, 'delete'::text]))),
    CONSTRAINT row_history_check CHECK (((row_id IS NULL) <> (row_ids IS NULL)))
);
ALTER TABLE ONLY app.row_history_20261207 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.row_history_20261207 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.row_history_20261207 OWNER TO flo_owner;

CREATE TABLE app.row_history_overflow (
    seq bigint DEFAULT nextval('app.row_history_seq'::regclass) CONSTRAINT row_history_seq_not_null NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT row_history_recorded_at_not_null NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() CONSTRAINT row_history_xid_not_null NOT NULL,
    tenant_id uuid CONSTRAINT row_history_tenant_id_not_null NOT NULL,
    table_name text CONSTRAINT row_history_table_name_not_null NOT NULL,
    action text CONSTRAINT row_history_action_not_null NOT NULL,
    row_id uuid,
    row_ids uuid[],
    old jsonb,
    CONSTRAINT row_history_action_check CHECK ((action = ANY (ARRAY['insert'::text, 'update'::text, 'delete'::text]))),
    CONSTRAINT row_history_check CHECK (((row_id IS NULL) <> (row_ids IS NULL)))
);
ALTER TABLE ONLY app.row_history_overflow ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.row_history_overflow FORCE ROW LEVEL SECURITY;

ALTER TABLE app.row_history_overflow OWNER TO flo_owner;

CREATE TABLE app.schema_functions (
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE app.schema_functions OWNER TO flomastr_admin;

CREATE TABLE app.schema_migrations (
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE app.schema_migrations OWNER TO flomastr_admin;

CREATE TABLE app.sealed_partitions (
    partition_name text NOT NULL,
    sealed_at timestamp with time zone DEFAULT now() NOT NULL,
    broken_at timestamp with time zone
);

ALTER TABLE ONLY app.sealed_partitions FORCE ROW LEVEL SECURITY;

ALTER TABLE app.sealed_partitions OWNER TO flo_owner;

CREATE TABLE app.storage_measurements (
    day date NOT NULL,
    measured_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY app.storage_measurements FORCE ROW LEVEL SECURITY;

ALTER TABLE app.storage_measurements OWNER TO flo_owner;

CREATE TABLE app.storage_sizes (
    tenant_id uuid NOT NULL,
    day date NOT NULL,
    kind text NOT NULL,
    hot_rows bigint NOT NULL,
    hot_bytes bigint NOT NULL,
    cold_rows bigint NOT NULL,
    cold_bytes bigint NOT NULL,
    vectors bigint NOT NULL,
    CONSTRAINT storage_sizes_kind_check CHECK (((length(kind) >= 1) AND (length(kind) <= 63)))
);
ALTER TABLE ONLY app.storage_sizes ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.storage_sizes FORCE ROW LEVEL SECURITY;

ALTER TABLE app.storage_sizes OWNER TO flo_owner;

CREATE TABLE app.superseded_versions (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    delta app.execution_deltas NOT NULL
);
ALTER TABLE ONLY app.superseded_versions ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.superseded_versions FORCE ROW LEVEL SECURITY;

ALTER TABLE app.superseded_versions OWNER TO flo_owner;

CREATE TABLE app.tenant_actions (
    id uuid DEFAULT app.uuid7() NOT NULL,
    tenant_id uuid NOT NULL,
    slug text NOT NULL,
    action text NOT NULL,
    reason text,
    actor text DEFAULT current_setting('app.actor'::text) NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT tenant_actions_action_check CHECK ((action = ANY (ARRAY['provision'::text, 'suspend'::text, 'reactivate'::text, 'soft_delete'::text, 'restore'::text, 'hard_delete'::text]))),
    CONSTRAINT tenant_actions_reason_check CHECK ((length(reason) <= 1000))
);
ALTER TABLE ONLY app.tenant_actions ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.tenant_actions FORCE ROW LEVEL SECURITY;

ALTER TABLE app.tenant_actions OWNER TO flo_owner;

CREATE VIEW app.tenant_settings WITH (security_invoker='true') AS
 SELECT id,
    id AS tenant_id,
    name,
    n8n_url,
    branding_settings,
    confidence_threshold,
    hot_ttl_days,
    ( SELECT c.cold_ttl_days
           FROM app.cold_policies c
          WHERE (c.tenant_id = t.id)) AS cold_ttl_days,
    COALESCE(( SELECT s.time_zone
           FROM app.rollup_settings s
          WHERE (s.tenant_id = t.id)), 'UTC'::text) AS time_zone,
    ( SELECT k.keep
           FROM app.keep_policies k
          WHERE (k.tenant_id = t.id)) AS keep
   FROM app.tenants t;

ALTER VIEW app.tenant_settings OWNER TO flo_owner;

CREATE TABLE app.term_counts (
    tenant_id uuid NOT NULL,
    knowledge_base_id uuid NOT NULL,
    term integer NOT NULL,
    chunks integer NOT NULL,
    CONSTRAINT term_counts_chunks_check CHECK ((chunks > 0))
)
WITH (fillfactor='70');
ALTER TABLE ONLY app.term_counts ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.term_counts FORCE ROW LEVEL SECURITY;

ALTER TABLE app.term_counts OWNER TO flo_owner;

CREATE TABLE app.touched_executions (
    id uuid NOT NULL,
    partition_name text NOT NULL
);

ALTER TABLE ONLY app.touched_executions FORCE ROW LEVEL SECURITY;

ALTER TABLE app.touched_executions OWNER TO flo_owner;

CREATE TABLE app.user_preferences (
    id uuid DEFAULT app.uuid7() NOT NULL,
    user_id text NOT NULL,
    tenant_id uuid DEFAULT app.tenant(),
    preferences jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone,
    CONSTRAINT user_preferences_preferences_check CHECK ((jsonb_typeof(preferences) = 'object'::text)),
    CONSTRAINT user_preferences_user_id_check CHECK (((length(user_id) >= 1) AND (length(user_id) <= 255)))
);
ALTER TABLE ONLY app.user_preferences ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.user_preferences FORCE ROW LEVEL SECURITY;

ALTER TABLE app.user_preferences OWNER TO flo_owner;

CREATE TABLE app.user_roles (
    id uuid DEFAULT app.uuid7() NOT NULL,
    email text NOT NULL,
    role text DEFAULT 'user'::text NOT NULL,
    assigned_by text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone,
    CONSTRAINT user_roles_assigned_by_check CHECK ((length(assigned_by) <= 255)),
    CONSTRAINT user_roles_email_check CHECK (((email = lower(email)) AND ((length(email) >= 3) AND (length(email) <= 255)))),
    CONSTRAINT user_roles_role_check CHECK ((role = ANY (ARRAY['user'::text, 'admin'::text, 'super_admin'::text])))
);

ALTER TABLE ONLY app.user_roles FORCE ROW LEVEL SECURITY;

ALTER TABLE app.user_roles OWNER TO flo_owner;

CREATE TABLE app.workflow_executions_c14 (
    retention_class smallint CONSTRAINT workflow_executions_retention_class_not_null NOT NULL,
    id uuid CONSTRAINT workflow_executions_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT workflow_executions_tenant_id_not_null NOT NULL,
    workflow_id uuid CONSTRAINT workflow_executions_workflow_id_not_null NOT NULL,
    n8n_execution_id text,
    status text DEFAULT 'running'::text CONSTRAINT workflow_executions_status_not_null NOT NULL,
    started_at timestamp with time zone DEFAULT now() CONSTRAINT workflow_executions_started_at_not_null NOT NULL,
    finished_at timestamp with time zone,
    execution_data jsonb,
    error_message text,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT workflow_executions_created_at_not_null NOT NULL,
    mode text GENERATED ALWAYS AS (app.execution_mode(execution_data)) STORED,
    CONSTRAINT workflow_executions_n8n_execution_id_check CHECK (((length(n8n_execution_id) >= 1) AND (length(n8n_execution_id) <= 255))),
    CONSTRAINT workflow_executions_status_check CHECK ((app.execution_rank(status) IS NOT NULL))
)
PARTITION BY RANGE (id);
ALTER TABLE ONLY app.workflow_executions_c14 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.workflow_executions_c14 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.workflow_executions_c14 OWNER TO flo_owner;

CREATE TABLE app.workflow_executions_c30 (
    retention_class smallint CONSTRAINT workflow_executions_retention_class_not_null NOT NULL,
    id uuid CONSTRAINT workflow_executions_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT workflow_executions_tenant_id_not_null NOT NULL,
    workflow_id uuid CONSTRAINT workflow_executions_workflow_id_not_null NOT NULL,
    n8n_execution_id text,
    status text DEFAULT 'running'::text CONSTRAINT workflow_executions_status_not_null NOT NULL,
    started_at timestamp with time zone DEFAULT now() CONSTRAINT workflow_executions_started_at_not_null NOT NULL,
    finished_at timestamp with time zone,
    execution_data jsonb,
    error_message text,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT workflow_executions_created_at_not_null NOT NULL,
    mode text GENERATED ALWAYS AS (app.execution_mode(execution_data)) STORED,
    CONSTRAINT workflow_executions_n8n_execution_id_check CHECK (((length(n8n_execution_id) >= 1) AND (length(n8n_execution_id) <= 255))),
    CONSTRAINT workflow_executions_status_check CHECK ((app.execution_rank(status) IS NOT NULL))
)
PARTITION BY RANGE (id);
ALTER TABLE ONLY app.workflow_executions_c30 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.workflow_executions_c30 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.workflow_executions_c30 OWNER TO flo_owner;

CREATE TABLE app.workflow_executions_c365 (
    retention_class smallint CONSTRAINT workflow_executions_retention_class_not_null NOT NULL,
    id uuid CONSTRAINT workflow_executions_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT workflow_executions_tenant_id_not_null NOT NULL,
    workflow_id uuid CONSTRAINT workflow_executions_workflow_id_not_null NOT NULL,
    n8n_execution_id text,
    status text DEFAULT 'running'::text CONSTRAINT workflow_executions_status_not_null NOT NULL,
    started_at timestamp with time zone DEFAULT now() CONSTRAINT workflow_executions_started_at_not_null NOT NULL,
    finished_at timestamp with time zone,
    execution_data jsonb,
    error_message text,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT workflow_executions_created_at_not_null NOT NULL,
    mode text GENERATED ALWAYS AS (app.execution_mode(execution_data)) STORED,
    CONSTRAINT workflow_executions_n8n_execution_id_check CHECK (((length(n8n_execution_id) >= 1) AND (length(n8n_execution_id) <= 255))),
    CONSTRAINT workflow_executions_status_check CHECK ((app.execution_rank(status) IS NOT NULL))
)
PARTITION BY RANGE (id);
ALTER TABLE ONLY app.workflow_executions_c365 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.workflow_executions_c365 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.workflow_executions_c365 OWNER TO flo_owner;

CREATE TABLE app.workflow_executions_c60 (
    retention_class smallint CONSTRAINT workflow_executions_retention_class_not_null NOT NULL,
    id uuid CONSTRAINT workflow_executions_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT workflow_executions_tenant_id_not_null NOT NULL,
    workflow_id uuid CONSTRAINT workflow_executions_workflow_id_not_null NOT NULL,
    n8n_execution_id text,
    status text DEFAULT 'running'::text CONSTRAINT workflow_executions_status_not_null NOT NULL,
    started_at timestamp with time zone DEFAULT now() CONSTRAINT workflow_executions_started_at_not_null NOT NULL,
    finished_at timestamp with time zone,
    execution_data jsonb,
    error_message text,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT workflow_executions_created_at_not_null NOT NULL,
    mode text GENERATED ALWAYS AS (app.execution_mode(execution_data)) STORED,
    CONSTRAINT workflow_executions_n8n_execution_id_check CHECK (((length(n8n_execution_id) >= 1) AND (length(n8n_execution_id) <= 255))),
    CONSTRAINT workflow_executions_status_check CHECK ((app.execution_rank(status) IS NOT NULL))
)
PARTITION BY RANGE (id);
ALTER TABLE ONLY app.workflow_executions_c60 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.workflow_executions_c60 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.workflow_executions_c60 OWNER TO flo_owner;

CREATE TABLE app.workflow_executions_c7 (
    retention_class smallint CONSTRAINT workflow_executions_retention_class_not_null NOT NULL,
    id uuid CONSTRAINT workflow_executions_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT workflow_executions_tenant_id_not_null NOT NULL,
    workflow_id uuid CONSTRAINT workflow_executions_workflow_id_not_null NOT NULL,
    n8n_execution_id text,
    status text DEFAULT 'running'::text CONSTRAINT workflow_executions_status_not_null NOT NULL,
    started_at timestamp with time zone DEFAULT now() CONSTRAINT workflow_executions_started_at_not_null NOT NULL,
    finished_at timestamp with time zone,
    execution_data jsonb,
    error_message text,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT workflow_executions_created_at_not_null NOT NULL,
    mode text GENERATED ALWAYS AS (app.execution_mode(execution_data)) STORED,
    CONSTRAINT workflow_executions_n8n_execution_id_check CHECK (((length(n8n_execution_id) >= 1) AND (length(n8n_execution_id) <= 255))),
    CONSTRAINT workflow_executions_status_check CHECK ((app.execution_rank(status) IS NOT NULL))
)
PARTITION BY RANGE (id);
ALTER TABLE ONLY app.workflow_executions_c7 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.workflow_executions_c7 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.workflow_executions_c7 OWNER TO flo_owner;

CREATE TABLE app.workflow_executions_c90 (
    retention_class smallint CONSTRAINT workflow_executions_retention_class_not_null NOT NULL,
    id uuid CONSTRAINT workflow_executions_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT workflow_executions_tenant_id_not_null NOT NULL,
    workflow_id uuid CONSTRAINT workflow_executions_workflow_id_not_null NOT NULL,
    n8n_execution_id text,
    status text DEFAULT 'running'::text CONSTRAINT workflow_executions_status_not_null NOT NULL,
    started_at timestamp with time zone DEFAULT now() CONSTRAINT workflow_executions_started_at_not_null NOT NULL,
    finished_at timestamp with time zone,
    execution_data jsonb,
    error_message text,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT workflow_executions_created_at_not_null NOT NULL,
    mode text GENERATED ALWAYS AS (app.execution_mode(execution_data)) STORED,
    CONSTRAINT workflow_executions_n8n_execution_id_check CHECK (((length(n8n_execution_id) >= 1) AND (length(n8n_execution_id) <= 255))),
    CONSTRAINT workflow_executions_status_check CHECK ((app.execution_rank(status) IS NOT NULL))
)
PARTITION BY RANGE (id);
ALTER TABLE ONLY app.workflow_executions_c90 ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.workflow_executions_c90 FORCE ROW LEVEL SECURITY;

ALTER TABLE app.workflow_executions_c90 OWNER TO flo_owner;

CREATE TABLE app.workflow_executions_overflow (
    retention_class smallint CONSTRAINT workflow_executions_retention_class_not_null NOT NULL,
    id uuid CONSTRAINT workflow_executions_id_not_null NOT NULL,
    tenant_id uuid DEFAULT app.tenant() CONSTRAINT workflow_executions_tenant_id_not_null NOT NULL,
    workflow_id uuid CONSTRAINT workflow_executions_workflow_id_not_null NOT NULL,
    n8n_execution_id text,
    status text DEFAULT 'running'::text CONSTRAINT workflow_executions_status_not_null NOT NULL,
    started_at timestamp with time zone DEFAULT now() CONSTRAINT workflow_executions_started_at_not_null NOT NULL,
    finished_at timestamp with time zone,
    execution_data jsonb,
    error_message text,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT workflow_executions_created_at_not_null NOT NULL,
    mode text GENERATED ALWAYS AS (app.execution_mode(execution_data)) STORED,
    CONSTRAINT workflow_executions_n8n_execution_id_check CHECK (((length(n8n_execution_id) >= 1) AND (length(n8n_execution_id) <= 255))),
    CONSTRAINT workflow_executions_status_check CHECK ((app.execution_rank(status) IS NOT NULL))
);
ALTER TABLE ONLY app.workflow_executions_overflow ALTER COLUMN tenant_id SET (n_distinct=100, n_distinct_inherited=100);

ALTER TABLE ONLY app.workflow_executions_overflow FORCE ROW LEVEL SECURITY;

ALTER TABLE app.workflow_executions_overflow OWNER TO flo_owner;

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_0 FOR VALUES WITH (modulus 32, remainder 0);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_1 FOR VALUES WITH (modulus 32, remainder 1);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_10 FOR VALUES WITH (modulus 32, remainder 10);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_11 FOR VALUES WITH (modulus 32, remainder 11);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_12 FOR VALUES WITH (modulus 32, remainder 12);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_13 FOR VALUES WITH (modulus 32, remainder 13);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_14 FOR VALUES WITH (modulus 32, remainder 14);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_15 FOR VALUES WITH (modulus 32, remainder 15);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_16 FOR VALUES WITH (modulus 32, remainder 16);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_17 FOR VALUES WITH (modulus 32, remainder 17);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_18 FOR VALUES WITH (modulus 32, remainder 18);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_19 FOR VALUES WITH (modulus 32, remainder 19);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_2 FOR VALUES WITH (modulus 32, remainder 2);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_20 FOR VALUES WITH (modulus 32, remainder 20);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_21 FOR VALUES WITH (modulus 32, remainder 21);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_22 FOR VALUES WITH (modulus 32, remainder 22);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_23 FOR VALUES WITH (modulus 32, remainder 23);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_24 FOR VALUES WITH (modulus 32, remainder 24);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_25 FOR VALUES WITH (modulus 32, remainder 25);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_26 FOR VALUES WITH (modulus 32, remainder 26);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_27 FOR VALUES WITH (modulus 32, remainder 27);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_28 FOR VALUES WITH (modulus 32, remainder 28);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_29 FOR VALUES WITH (modulus 32, remainder 29);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_3 FOR VALUES WITH (modulus 32, remainder 3);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_30 FOR VALUES WITH (modulus 32, remainder 30);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_31 FOR VALUES WITH (modulus 32, remainder 31);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_4 FOR VALUES WITH (modulus 32, remainder 4);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_5 FOR VALUES WITH (modulus 32, remainder 5);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_6 FOR VALUES WITH (modulus 32, remainder 6);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_7 FOR VALUES WITH (modulus 32, remainder 7);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_8 FOR VALUES WITH (modulus 32, remainder 8);

ALTER TABLE ONLY app.embeddings ATTACH PARTITION app.embeddings_9 FOR VALUES WITH (modulus 32, remainder 9);

ALTER TABLE ONLY app.row_history ATTACH PARTITION app.row_history_20261123 FOR VALUES FROM ('2026-11-23 00:00:00+00') TO ('2026-11-30 00:00:00+00');

ALTER TABLE ONLY app.row_history ATTACH PARTITION app.row_history_20261130 FOR VALUES FROM ('2026-11-30 00:00:00+00') TO ('2026-12-07 00:00:00+00');

ALTER TABLE ONLY app.row_history ATTACH PARTITION app.row_history_20261207 FOR VALUES FROM ('2026-12-07 00:00:00+00') TO ('2026-12-14 00:00:00+00');

ALTER TABLE ONLY app.row_history ATTACH PARTITION app.row_history_overflow DEFAULT;

ALTER TABLE ONLY app.workflow_executions ATTACH PARTITION app.workflow_executions_c14 FOR VALUES IN ('14');

ALTER TABLE ONLY app.workflow_executions ATTACH PARTITION app.workflow_executions_c30 FOR VALUES IN ('30');

ALTER TABLE ONLY app.workflow_executions ATTACH PARTITION app.workflow_executions_c365 FOR VALUES IN ('365');

ALTER TABLE ONLY app.workflow_executions ATTACH PARTITION app.workflow_executions_c60 FOR VALUES IN ('60');

ALTER TABLE ONLY app.workflow_executions ATTACH PARTITION app.workflow_executions_c7 FOR VALUES IN ('7');

ALTER TABLE ONLY app.workflow_executions ATTACH PARTITION app.workflow_executions_c90 FOR VALUES IN ('90');

ALTER TABLE ONLY app.workflow_executions ATTACH PARTITION app.workflow_executions_overflow FOR VALUES IN ('0');

ALTER TABLE ONLY app.row_history ALTER COLUMN seq SET DEFAULT nextval('app.row_history_seq'::regclass);

ALTER TABLE ONLY app.alert_events
    ADD CONSTRAINT alert_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.alerts
    ADD CONSTRAINT alerts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.alerts
    ADD CONSTRAINT alerts_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY app.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.archive_files
    ADD CONSTRAINT archive_files_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.backups
    ADD CONSTRAINT backups_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.chunks
    ADD CONSTRAINT chunks_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY app.chunks
    ADD CONSTRAINT chunks_tenant_id_document_id_chunk_index_key UNIQUE (tenant_id, document_id, chunk_index) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY app.cold_policies
    ADD CONSTRAINT cold_policies_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY app.documents
    ADD CONSTRAINT documents_name_key UNIQUE (tenant_id, knowledge_base_id, name);

ALTER TABLE ONLY app.documents
    ADD CONSTRAINT documents_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.documents
    ADD CONSTRAINT documents_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY app.drills
    ADD CONSTRAINT drills_name_key UNIQUE (name);

ALTER TABLE ONLY app.drills
    ADD CONSTRAINT drills_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.embedding_tasks
    ADD CONSTRAINT embedding_tasks_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY app.embedding_tasks
    ADD CONSTRAINT embedding_tasks_tenant_id_document_id_embedding_model_key UNIQUE (tenant_id, document_id, embedding_model);

ALTER TABLE ONLY app.embedding_usage
    ADD CONSTRAINT embedding_usage_pkey PRIMARY KEY (tenant_id, day, embedding_model);

ALTER TABLE ONLY app.embeddings
    ADD CONSTRAINT embeddings_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_0
    ADD CONSTRAINT embeddings_0_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_10
    ADD CONSTRAINT embeddings_10_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_11
    ADD CONSTRAINT embeddings_11_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_12
    ADD CONSTRAINT embeddings_12_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_13
    ADD CONSTRAINT embeddings_13_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_14
    ADD CONSTRAINT embeddings_14_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_15
    ADD CONSTRAINT embeddings_15_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_16
    ADD CONSTRAINT embeddings_16_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_17
    ADD CONSTRAINT embeddings_17_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_18
    ADD CONSTRAINT embeddings_18_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_19
    ADD CONSTRAINT embeddings_19_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_1
    ADD CONSTRAINT embeddings_1_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_20
    ADD CONSTRAINT embeddings_20_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_21
    ADD CONSTRAINT embeddings_21_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_22
    ADD CONSTRAINT embeddings_22_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_23
    ADD CONSTRAINT embeddings_23_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_24
    ADD CONSTRAINT embeddings_24_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_25
    ADD CONSTRAINT embeddings_25_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_26
    ADD CONSTRAINT embeddings_26_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_27
    ADD CONSTRAINT embeddings_27_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_28
    ADD CONSTRAINT embeddings_28_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_29
    ADD CONSTRAINT embeddings_29_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_2
    ADD CONSTRAINT embeddings_2_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_30
    ADD CONSTRAINT embeddings_30_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_31
    ADD CONSTRAINT embeddings_31_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_3
    ADD CONSTRAINT embeddings_3_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_4
    ADD CONSTRAINT embeddings_4_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_5
    ADD CONSTRAINT embeddings_5_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_6
    ADD CONSTRAINT embeddings_6_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_7
    ADD CONSTRAINT embeddings_7_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_8
    ADD CONSTRAINT embeddings_8_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.embeddings_9
    ADD CONSTRAINT embeddings_9_pkey PRIMARY KEY (tenant_id, id, embedding_model);

ALTER TABLE ONLY app.erasures
    ADD CONSTRAINT erasures_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.execution_object_references
    ADD CONSTRAINT execution_object_references_pkey PRIMARY KEY (tenant_id, sha256, execution_id);

ALTER TABLE ONLY app.execution_objects
    ADD CONSTRAINT execution_objects_pkey PRIMARY KEY (tenant_id, sha256);

ALTER TABLE ONLY app.execution_rollups
    ADD CONSTRAINT execution_rollups_pkey PRIMARY KEY (tenant_id, grain, workflow_id, bucket_start, status, mode_class);

ALTER TABLE ONLY app.failed_runs
    ADD CONSTRAINT failed_runs_pkey PRIMARY KEY (tenant_id, n8n_execution_id, workflow_id, quarter, status, mode_class);

ALTER TABLE ONLY app.invitations
    ADD CONSTRAINT invitations_pkey PRIMARY KEY (tenant_id, user_id);

ALTER TABLE ONLY app.job_runs
    ADD CONSTRAINT job_runs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.keep_policies
    ADD CONSTRAINT keep_policies_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY app.knowledge_base_models
    ADD CONSTRAINT knowledge_base_models_pkey PRIMARY KEY (tenant_id, knowledge_base_id, embedding_model);

ALTER TABLE ONLY app.knowledge_bases
    ADD CONSTRAINT knowledge_bases_name_key UNIQUE (tenant_id, name);

ALTER TABLE ONLY app.knowledge_bases
    ADD CONSTRAINT knowledge_bases_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.knowledge_bases
    ADD CONSTRAINT knowledge_bases_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY app.leaving_rows
    ADD CONSTRAINT leaving_rows_pkey PRIMARY KEY (file_id, id);

ALTER TABLE ONLY app.legal_holds
    ADD CONSTRAINT legal_holds_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.n8n_connections
    ADD CONSTRAINT n8n_connections_pkey PRIMARY KEY (tenant_id, number);

ALTER TABLE ONLY app.n8n_instances
    ADD CONSTRAINT n8n_instances_pkey PRIMARY KEY (tenant_id, number);

ALTER TABLE ONLY app.n8n_instances
    ADD CONSTRAINT n8n_instances_tenant_id_name_key UNIQUE (tenant_id, name);

ALTER TABLE ONLY app.n8n_names
    ADD CONSTRAINT n8n_names_pkey PRIMARY KEY (tenant_id, workflow_id);

ALTER TABLE ONLY app.n8n_rejections
    ADD CONSTRAINT n8n_rejections_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY app.n8n_resets
    ADD CONSTRAINT n8n_resets_pkey PRIMARY KEY (tenant_id, number, until);

ALTER TABLE ONLY app.rate_buckets
    ADD CONSTRAINT rate_buckets_pkey PRIMARY KEY (name);

ALTER TABLE ONLY app.rate_limits
    ADD CONSTRAINT rate_limits_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY app.recorded_transactions
    ADD CONSTRAINT recorded_transactions_pkey PRIMARY KEY (tenant_id, xid);

ALTER TABLE ONLY app.recoveries
    ADD CONSTRAINT recoveries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.recovery_check
    ADD CONSTRAINT recovery_check_pkey PRIMARY KEY (one);

ALTER TABLE ONLY app.rehydrated_rows
    ADD CONSTRAINT rehydrated_rows_pkey PRIMARY KEY (tenant_id, id, rehydration_id);

ALTER TABLE ONLY app.rehydrations
    ADD CONSTRAINT rehydrations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.reported_failures
    ADD CONSTRAINT reported_failures_pkey PRIMARY KEY (tenant_id, execution_id);

ALTER TABLE ONLY app.reserved_slugs
    ADD CONSTRAINT reserved_slugs_pkey PRIMARY KEY (slug);

ALTER TABLE ONLY app.restore_points
    ADD CONSTRAINT restore_points_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.retention_class_changes
    ADD CONSTRAINT retention_class_changes_pkey PRIMARY KEY (tenant_id, retention_class);

ALTER TABLE ONLY app.retried_runs
    ADD CONSTRAINT retried_runs_pkey PRIMARY KEY (tenant_id, n8n_execution_id);

ALTER TABLE ONLY app.rollup_progress
    ADD CONSTRAINT rollup_progress_pkey PRIMARY KEY (one);

ALTER TABLE ONLY app.rollup_settings
    ADD CONSTRAINT rollup_settings_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY app.schema_functions
    ADD CONSTRAINT schema_functions_pkey PRIMARY KEY (name);

ALTER TABLE ONLY app.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (name);

ALTER TABLE ONLY app.sealed_partitions
    ADD CONSTRAINT sealed_partitions_pkey PRIMARY KEY (partition_name);

ALTER TABLE ONLY app.storage_measurements
    ADD CONSTRAINT storage_measurements_pkey PRIMARY KEY (day);

ALTER TABLE ONLY app.storage_sizes
    ADD CONSTRAINT storage_sizes_pkey PRIMARY KEY (tenant_id, day, kind);

ALTER TABLE ONLY app.superseded_versions
    ADD CONSTRAINT superseded_versions_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY app.tenant_actions
    ADD CONSTRAINT tenant_actions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.tenant_memberships
    ADD CONSTRAINT tenant_memberships_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.tenant_memberships
    ADD CONSTRAINT tenant_memberships_tenant_id_user_id_key UNIQUE (tenant_id, user_id);

ALTER TABLE ONLY app.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.tenants
    ADD CONSTRAINT tenants_slug_key UNIQUE (slug);

ALTER TABLE ONLY app.term_counts
    ADD CONSTRAINT term_counts_pkey PRIMARY KEY (tenant_id, term, knowledge_base_id);

ALTER TABLE ONLY app.touched_executions
    ADD CONSTRAINT touched_executions_pkey PRIMARY KEY (id, partition_name);

ALTER TABLE ONLY app.uploads
    ADD CONSTRAINT uploads_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.user_preferences
    ADD CONSTRAINT user_preferences_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.user_preferences
    ADD CONSTRAINT user_preferences_tenant_id_user_id_key UNIQUE NULLS NOT DISTINCT (tenant_id, user_id);

ALTER TABLE ONLY app.user_roles
    ADD CONSTRAINT user_roles_email_key UNIQUE (email);

ALTER TABLE ONLY app.user_roles
    ADD CONSTRAINT user_roles_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.webchat_sessions
    ADD CONSTRAINT webchat_sessions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.webchat_sessions
    ADD CONSTRAINT webchat_sessions_tenant_id_session_key_key UNIQUE (tenant_id, session_key);

ALTER TABLE ONLY app.webchat_sessions
    ADD CONSTRAINT webchat_sessions_tenant_id_user_id_workflow_id_key UNIQUE (tenant_id, user_id, workflow_id);

ALTER TABLE ONLY app.workflow_executions
    ADD CONSTRAINT workflow_executions_pkey PRIMARY KEY (retention_class, id);

ALTER TABLE ONLY app.workflow_executions_c14
    ADD CONSTRAINT workflow_executions_c14_pkey PRIMARY KEY (retention_class, id);

ALTER TABLE ONLY app.workflow_executions_c30
    ADD CONSTRAINT workflow_executions_c30_pkey PRIMARY KEY (retention_class, id);

ALTER TABLE ONLY app.workflow_executions_c365
    ADD CONSTRAINT workflow_executions_c365_pkey PRIMARY KEY (retention_class, id);

ALTER TABLE ONLY app.workflow_executions_c60
    ADD CONSTRAINT workflow_executions_c60_pkey PRIMARY KEY (retention_class, id);

ALTER TABLE ONLY app.workflow_executions_c7
    ADD CONSTRAINT workflow_executions_c7_pkey PRIMARY KEY (retention_class, id);

ALTER TABLE ONLY app.workflow_executions_c90
    ADD CONSTRAINT workflow_executions_c90_pkey PRIMARY KEY (retention_class, id);

ALTER TABLE ONLY app.workflow_executions_overflow
    ADD CONSTRAINT workflow_executions_overflow_pkey PRIMARY KEY (retention_class, id);

ALTER TABLE ONLY app.workflows
    ADD CONSTRAINT workflows_n8n_workflow_id_key UNIQUE (tenant_id, n8n_workflow_id, n8n_instance);

ALTER TABLE ONLY app.workflows
    ADD CONSTRAINT workflows_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.workflows
    ADD CONSTRAINT workflows_tenant_id_id_key UNIQUE (tenant_id, id);

CREATE INDEX alert_events_alert_id ON app.alert_events USING btree (tenant_id, alert_id, id);

CREATE INDEX alert_events_pending ON app.alert_events USING btree (next_attempt_at) WHERE (delivery = 'pending'::text);

CREATE INDEX api_keys_tenant_id ON app.api_keys USING btree (tenant_id);

CREATE INDEX archive_files_newest ON app.archive_files USING btree (tenant_id, source, last_id DESC) WHERE (state = 'stored'::text);

CREATE UNIQUE INDEX archive_files_of_tenant ON app.archive_files USING btree (tenant_id, id);

CREATE INDEX archive_files_origin ON app.archive_files USING btree (origin) WHERE (state = ANY (ARRAY['writing'::text, 'verified'::text]));

CREATE INDEX archive_files_replaced ON app.archive_files USING btree (replaced_at) WHERE (state = 'replaced'::text);

CREATE INDEX archive_files_tenant_id ON app.archive_files USING btree (tenant_id, id DESC);

CREATE INDEX chunks_content_hash ON app.chunks USING btree (tenant_id, content_hash, id);

CREATE INDEX chunks_newest ON app.chunks USING btree (tenant_id, knowledge_base_id, id DESC);

CREATE INDEX chunks_terms ON app.chunks USING gin (terms) WITH (fastupdate=off);

CREATE INDEX documents_indexed_as ON app.documents USING btree (tenant_id, knowledge_base_id, indexed_as);

CREATE INDEX documents_newest ON app.documents USING btree (tenant_id, knowledge_base_id, id);

CREATE INDEX embedding_tasks_due ON app.embedding_tasks USING btree (tenant_id, due_at) WHERE (status = 'processing'::text);

CREATE INDEX embedding_tasks_failed ON app.embedding_tasks USING btree (tenant_id, id) WHERE (status = 'failed'::text);

CREATE INDEX embedding_tasks_of_model ON app.embedding_tasks USING btree (tenant_id, knowledge_base_id, embedding_model, status);

CREATE INDEX embeddings_nearest ON ONLY app.embeddings USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_0_embedding_vector_idx ON app.embeddings_0 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_of_document ON ONLY app.embeddings USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_0_tenant_id_knowledge_base_id_document_name_chun_idx ON app.embeddings_0 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_10_embedding_vector_idx ON app.embeddings_10 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_10_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_10 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_11_embedding_vector_idx ON app.embeddings_11 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_11_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_11 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_12_embedding_vector_idx ON app.embeddings_12 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_12_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_12 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_13_embedding_vector_idx ON app.embeddings_13 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_13_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_13 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_14_embedding_vector_idx ON app.embeddings_14 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_14_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_14 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_15_embedding_vector_idx ON app.embeddings_15 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_15_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_15 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_16_embedding_vector_idx ON app.embeddings_16 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_16_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_16 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_17_embedding_vector_idx ON app.embeddings_17 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_17_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_17 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_18_embedding_vector_idx ON app.embeddings_18 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_18_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_18 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_19_embedding_vector_idx ON app.embeddings_19 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_19_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_19 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_1_embedding_vector_idx ON app.embeddings_1 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_1_tenant_id_knowledge_base_id_document_name_chun_idx ON app.embeddings_1 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_20_embedding_vector_idx ON app.embeddings_20 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_20_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_20 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_21_embedding_vector_idx ON app.embeddings_21 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_21_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_21 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_22_embedding_vector_idx ON app.embeddings_22 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_22_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_22 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_23_embedding_vector_idx ON app.embeddings_23 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_23_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_23 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_24_embedding_vector_idx ON app.embeddings_24 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_24_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_24 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_25_embedding_vector_idx ON app.embeddings_25 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_25_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_25 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_26_embedding_vector_idx ON app.embeddings_26 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_26_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_26 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_27_embedding_vector_idx ON app.embeddings_27 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_27_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_27 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_28_embedding_vector_idx ON app.embeddings_28 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_28_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_28 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_29_embedding_vector_idx ON app.embeddings_29 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_29_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_29 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_2_embedding_vector_idx ON app.embeddings_2 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_2_tenant_id_knowledge_base_id_document_name_chun_idx ON app.embeddings_2 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_30_embedding_vector_idx ON app.embeddings_30 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_30_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_30 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_31_embedding_vector_idx ON app.embeddings_31 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_31_tenant_id_knowledge_base_id_document_name_chu_idx ON app.embeddings_31 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_3_embedding_vector_idx ON app.embeddings_3 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_3_tenant_id_knowledge_base_id_document_name_chun_idx ON app.embeddings_3 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_4_embedding_vector_idx ON app.embeddings_4 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_4_tenant_id_knowledge_base_id_document_name_chun_idx ON app.embeddings_4 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_5_embedding_vector_idx ON app.embeddings_5 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_5_tenant_id_knowledge_base_id_document_name_chun_idx ON app.embeddings_5 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_6_embedding_vector_idx ON app.embeddings_6 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_6_tenant_id_knowledge_base_id_document_name_chun_idx ON app.embeddings_6 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_7_embedding_vector_idx ON app.embeddings_7 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_7_tenant_id_knowledge_base_id_document_name_chun_idx ON app.embeddings_7 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_8_embedding_vector_idx ON app.embeddings_8 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_8_tenant_id_knowledge_base_id_document_name_chun_idx ON app.embeddings_8 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE INDEX embeddings_9_embedding_vector_idx ON app.embeddings_9 USING hnsw (embedding_vector public.halfvec_ip_ops) WITH (m='16', ef_construction='200');

CREATE INDEX embeddings_9_tenant_id_knowledge_base_id_document_name_chun_idx ON app.embeddings_9 USING btree (tenant_id, knowledge_base_id, document_name, chunk_index);

CREATE UNIQUE INDEX erasures_of_person ON app.erasures USING btree (tenant_id, user_id) WHERE (state <> 'done'::text);

CREATE UNIQUE INDEX erasures_of_tenant ON app.erasures USING btree (tenant_id) WHERE (user_id IS NULL);

CREATE INDEX erasures_open ON app.erasures USING btree (id) WHERE (state <> 'done'::text);

CREATE INDEX erasures_tenant_id ON app.erasures USING btree (tenant_id, id DESC);

CREATE INDEX execution_deltas_tenant_id ON app.execution_deltas USING brin (tenant_id);

CREATE INDEX execution_objects_check_at ON app.execution_objects USING btree (check_at);

CREATE UNIQUE INDEX idempotency_keys_key ON app.idempotency_keys USING btree (tenant_id, actor, key) NULLS NOT DISTINCT;

CREATE INDEX job_runs_job ON app.job_runs USING btree (job, id DESC);

CREATE UNIQUE INDEX knowledge_base_models_active ON app.knowledge_base_models USING btree (tenant_id, knowledge_base_id) WHERE is_active;

CREATE INDEX leaving_rows_tenant_id ON app.leaving_rows USING btree (tenant_id);

CREATE INDEX legal_holds_active ON app.legal_holds USING btree (tenant_id) WHERE (released_at IS NULL);

CREATE INDEX legal_holds_held ON app.legal_holds USING btree (tenant_id, (
CASE scope
    WHEN 'tenant'::text THEN tenant_id
    WHEN 'workflow'::text THEN workflow_id
    ELSE execution_id
END)) WHERE (released_at IS NULL);

CREATE INDEX legal_holds_tenant_id ON app.legal_holds USING btree (tenant_id, id);

CREATE INDEX recorded_transactions_committed_at ON app.recorded_transactions USING brin (committed_at);

CREATE INDEX recoveries_pending ON app.recoveries USING btree (id) WHERE (state = 'pending'::text);

CREATE INDEX recoveries_tenant_id ON app.recoveries USING btree (tenant_id, id DESC);

CREATE INDEX rehydrated_rows_rehydration_id ON app.rehydrated_rows USING btree (tenant_id, rehydration_id);

CREATE UNIQUE INDEX rehydrations_of_tenant ON app.rehydrations USING btree (tenant_id, id);

CREATE INDEX rehydrations_open ON app.rehydrations USING btree (state) WHERE (state = ANY (ARRAY['pending'::text, 'running'::text, 'done'::text]));

CREATE INDEX rehydrations_tenant_id ON app.rehydrations USING btree (tenant_id, id DESC);

CREATE INDEX restore_points_taken_at ON app.restore_points USING btree (taken_at);

CREATE INDEX restore_points_tenant_id ON app.restore_points USING btree (tenant_id, taken_at);

CREATE INDEX row_history_row_id ON ONLY app.row_history USING btree (tenant_id, row_id, seq) WHERE (row_id IS NOT NULL);

CREATE INDEX row_history_20261123_tenant_id_row_id_seq_idx ON app.row_history_20261123 USING btree (tenant_id, row_id, seq) WHERE (row_id IS NOT NULL);

CREATE INDEX row_history_tenant_id ON ONLY app.row_history USING btree (tenant_id, seq);

CREATE INDEX row_history_20261123_tenant_id_seq_idx ON app.row_history_20261123 USING btree (tenant_id, seq);

CREATE INDEX row_history_20261130_tenant_id_row_id_seq_idx ON app.row_history_20261130 USING btree (tenant_id, row_id, seq) WHERE (row_id IS NOT NULL);

CREATE INDEX row_history_20261130_tenant_id_seq_idx ON app.row_history_20261130 USING btree (tenant_id, seq);

CREATE INDEX row_history_20261207_tenant_id_row_id_seq_idx ON app.row_history_20261207 USING btree (tenant_id, row_id, seq) WHERE (row_id IS NOT NULL);

CREATE INDEX row_history_20261207_tenant_id_seq_idx ON app.row_history_20261207 USING btree (tenant_id, seq);

CREATE INDEX row_history_overflow_tenant_id_row_id_seq_idx ON app.row_history_overflow USING btree (tenant_id, row_id, seq) WHERE (row_id IS NOT NULL);

CREATE INDEX row_history_overflow_tenant_id_seq_idx ON app.row_history_overflow USING btree (tenant_id, seq);

CREATE INDEX storage_sizes_day ON app.storage_sizes USING btree (day);

CREATE INDEX tenant_actions_tenant_id ON app.tenant_actions USING btree (tenant_id, id);

CREATE INDEX tenant_memberships_newest ON app.tenant_memberships USING btree (tenant_id, id DESC);

CREATE INDEX tenant_memberships_user_id ON app.tenant_memberships USING btree (user_id);

CREATE INDEX touched_executions_partition_name ON app.touched_executions USING btree (partition_name);

CREATE INDEX uploads_due ON app.uploads USING btree (due_at) WHERE (due_at IS NOT NULL);

CREATE INDEX uploads_newest ON app.uploads USING btree (tenant_id, knowledge_base_id, id);

CREATE INDEX uploads_open ON app.uploads USING btree (tenant_id) WHERE (status = ANY (ARRAY['waiting'::text, 'processing'::text]));

CREATE INDEX user_preferences_user_id ON app.user_preferences USING btree (user_id);

CREATE INDEX webchat_sessions_newest ON app.webchat_sessions USING btree (tenant_id, id);

CREATE INDEX webchat_sessions_newest_of_workflow ON app.webchat_sessions USING btree (tenant_id, workflow_id, id);

CREATE INDEX webchat_sessions_updated_at ON app.webchat_sessions USING btree (tenant_id, updated_at);

CREATE INDEX workflow_executions_by_status ON ONLY app.workflow_executions USING btree (tenant_id, status, id DESC);

CREATE INDEX workflow_executions_newest ON ONLY app.workflow_executions USING btree (tenant_id, id DESC);

CREATE INDEX workflow_executions_c14_tenant_id_id_idx ON ONLY app.workflow_executions_c14 USING btree (tenant_id, id DESC);

CREATE INDEX workflow_executions_c14_tenant_id_status_id_idx ON ONLY app.workflow_executions_c14 USING btree (tenant_id, status, id DESC);

CREATE INDEX workflow_executions_of_workflow ON ONLY app.workflow_executions USING btree (tenant_id, workflow_id, id DESC);

CREATE INDEX workflow_executions_c14_tenant_id_workflow_id_id_idx ON ONLY app.workflow_executions_c14 USING btree (tenant_id, workflow_id, id DESC);

CREATE INDEX workflow_executions_c30_tenant_id_id_idx ON ONLY app.workflow_executions_c30 USING btree (tenant_id, id DESC);

CREATE INDEX workflow_executions_c30_tenant_id_status_id_idx ON ONLY app.workflow_executions_c30 USING btree (tenant_id, status, id DESC);

CREATE INDEX workflow_executions_c30_tenant_id_workflow_id_id_idx ON ONLY app.workflow_executions_c30 USING btree (tenant_id, workflow_id, id DESC);

CREATE INDEX workflow_executions_c365_tenant_id_id_idx ON ONLY app.workflow_executions_c365 USING btree (tenant_id, id DESC);

CREATE INDEX workflow_executions_c365_tenant_id_status_id_idx ON ONLY app.workflow_executions_c365 USING btree (tenant_id, status, id DESC);

CREATE INDEX workflow_executions_c365_tenant_id_workflow_id_id_idx ON ONLY app.workflow_executions_c365 USING btree (tenant_id, workflow_id, id DESC);

CREATE INDEX workflow_executions_c60_tenant_id_id_idx ON ONLY app.workflow_executions_c60 USING btree (tenant_id, id DESC);

CREATE INDEX workflow_executions_c60_tenant_id_status_id_idx ON ONLY app.workflow_executions_c60 USING btree (tenant_id, status, id DESC);

CREATE INDEX workflow_executions_c60_tenant_id_workflow_id_id_idx ON ONLY app.workflow_executions_c60 USING btree (tenant_id, workflow_id, id DESC);

CREATE INDEX workflow_executions_c7_tenant_id_id_idx ON ONLY app.workflow_executions_c7 USING btree (tenant_id, id DESC);

CREATE INDEX workflow_executions_c7_tenant_id_status_id_idx ON ONLY app.workflow_executions_c7 USING btree (tenant_id, status, id DESC);

CREATE INDEX workflow_executions_c7_tenant_id_workflow_id_id_idx ON ONLY app.workflow_executions_c7 USING btree (tenant_id, workflow_id, id DESC);

CREATE INDEX workflow_executions_c90_tenant_id_id_idx ON ONLY app.workflow_executions_c90 USING btree (tenant_id, id DESC);

CREATE INDEX workflow_executions_c90_tenant_id_status_id_idx ON ONLY app.workflow_executions_c90 USING btree (tenant_id, status, id DESC);

CREATE INDEX workflow_executions_c90_tenant_id_workflow_id_id_idx ON ONLY app.workflow_executions_c90 USING btree (tenant_id, workflow_id, id DESC);

CREATE INDEX workflow_executions_overflow_tenant_id_id_idx ON app.workflow_executions_overflow USING btree (tenant_id, id DESC);

CREATE INDEX workflow_executions_overflow_tenant_id_n8n_execution_id_idx ON app.workflow_executions_overflow USING btree (tenant_id, n8n_execution_id);

CREATE INDEX workflow_executions_overflow_tenant_id_status_id_idx ON app.workflow_executions_overflow USING btree (tenant_id, status, id DESC);

CREATE INDEX workflow_executions_overflow_tenant_id_workflow_id_id_idx ON app.workflow_executions_overflow USING btree (tenant_id, workflow_id, id DESC);

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_0_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_0_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_0_tenant_id_knowledge_base_id_document_name_chun_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_10_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_10_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_10_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_11_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_11_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_11_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_12_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_12_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_12_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_13_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_13_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_13_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_14_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_14_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_14_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_15_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_15_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_15_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_16_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_16_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_16_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_17_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_17_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_17_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_18_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_18_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_18_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_19_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_19_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_19_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_1_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_1_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_1_tenant_id_knowledge_base_id_document_name_chun_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_20_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_20_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_20_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_21_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_21_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_21_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_22_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_22_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_22_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_23_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_23_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_23_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_24_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_24_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_24_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_25_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_25_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_25_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_26_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_26_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_26_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_27_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_27_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_27_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_28_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_28_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_28_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_29_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_29_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_29_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_2_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_2_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_2_tenant_id_knowledge_base_id_document_name_chun_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_30_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_30_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_30_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_31_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_31_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_31_tenant_id_knowledge_base_id_document_name_chu_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_3_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_3_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_3_tenant_id_knowledge_base_id_document_name_chun_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_4_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_4_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_4_tenant_id_knowledge_base_id_document_name_chun_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_5_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_5_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_5_tenant_id_knowledge_base_id_document_name_chun_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_6_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_6_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_6_tenant_id_knowledge_base_id_document_name_chun_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_7_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_7_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_7_tenant_id_knowledge_base_id_document_name_chun_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_8_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_8_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_8_tenant_id_knowledge_base_id_document_name_chun_idx;

ALTER INDEX app.embeddings_nearest ATTACH PARTITION app.embeddings_9_embedding_vector_idx;

ALTER INDEX app.embeddings_pkey ATTACH PARTITION app.embeddings_9_pkey;

ALTER INDEX app.embeddings_of_document ATTACH PARTITION app.embeddings_9_tenant_id_knowledge_base_id_document_name_chun_idx;

ALTER INDEX app.row_history_row_id ATTACH PARTITION app.row_history_20261123_tenant_id_row_id_seq_idx;

ALTER INDEX app.row_history_tenant_id ATTACH PARTITION app.row_history_20261123_tenant_id_seq_idx;

ALTER INDEX app.row_history_row_id ATTACH PARTITION app.row_history_20261130_tenant_id_row_id_seq_idx;

ALTER INDEX app.row_history_tenant_id ATTACH PARTITION app.row_history_20261130_tenant_id_seq_idx;

ALTER INDEX app.row_history_row_id ATTACH PARTITION app.row_history_20261207_tenant_id_row_id_seq_idx;

ALTER INDEX app.row_history_tenant_id ATTACH PARTITION app.row_history_20261207_tenant_id_seq_idx;

ALTER INDEX app.row_history_row_id ATTACH PARTITION app.row_history_overflow_tenant_id_row_id_seq_idx;

ALTER INDEX app.row_history_tenant_id ATTACH PARTITION app.row_history_overflow_tenant_id_seq_idx;

ALTER INDEX app.workflow_executions_pkey ATTACH PARTITION app.workflow_executions_c14_pkey;

ALTER INDEX app.workflow_executions_newest ATTACH PARTITION app.workflow_executions_c14_tenant_id_id_idx;

ALTER INDEX app.workflow_executions_by_status ATTACH PARTITION app.workflow_executions_c14_tenant_id_status_id_idx;

ALTER INDEX app.workflow_executions_of_workflow ATTACH PARTITION app.workflow_executions_c14_tenant_id_workflow_id_id_idx;

ALTER INDEX app.workflow_executions_pkey ATTACH PARTITION app.workflow_executions_c30_pkey;

ALTER INDEX app.workflow_executions_newest ATTACH PARTITION app.workflow_executions_c30_tenant_id_id_idx;

ALTER INDEX app.workflow_executions_by_status ATTACH PARTITION app.workflow_executions_c30_tenant_id_status_id_idx;

ALTER INDEX app.workflow_executions_of_workflow ATTACH PARTITION app.workflow_executions_c30_tenant_id_workflow_id_id_idx;

ALTER INDEX app.workflow_executions_pkey ATTACH PARTITION app.workflow_executions_c365_pkey;

ALTER INDEX app.workflow_executions_newest ATTACH PARTITION app.workflow_executions_c365_tenant_id_id_idx;

ALTER INDEX app.workflow_executions_by_status ATTACH PARTITION app.workflow_executions_c365_tenant_id_status_id_idx;

ALTER INDEX app.workflow_executions_of_workflow ATTACH PARTITION app.workflow_executions_c365_tenant_id_workflow_id_id_idx;

ALTER INDEX app.workflow_executions_pkey ATTACH PARTITION app.workflow_executions_c60_pkey;

ALTER INDEX app.workflow_executions_newest ATTACH PARTITION app.workflow_executions_c60_tenant_id_id_idx;

ALTER INDEX app.workflow_executions_by_status ATTACH PARTITION app.workflow_executions_c60_tenant_id_status_id_idx;

ALTER INDEX app.workflow_executions_of_workflow ATTACH PARTITION app.workflow_executions_c60_tenant_id_workflow_id_id_idx;

ALTER INDEX app.workflow_executions_pkey ATTACH PARTITION app.workflow_executions_c7_pkey;

ALTER INDEX app.workflow_executions_newest ATTACH PARTITION app.workflow_executions_c7_tenant_id_id_idx;

ALTER INDEX app.workflow_executions_by_status ATTACH PARTITION app.workflow_executions_c7_tenant_id_status_id_idx;

ALTER INDEX app.workflow_executions_of_workflow ATTACH PARTITION app.workflow_executions_c7_tenant_id_workflow_id_id_idx;

ALTER INDEX app.workflow_executions_pkey ATTACH PARTITION app.workflow_executions_c90_pkey;

ALTER INDEX app.workflow_executions_newest ATTACH PARTITION app.workflow_executions_c90_tenant_id_id_idx;

ALTER INDEX app.workflow_executions_by_status ATTACH PARTITION app.workflow_executions_c90_tenant_id_status_id_idx;

ALTER INDEX app.workflow_executions_of_workflow ATTACH PARTITION app.workflow_executions_c90_tenant_id_workflow_id_id_idx;

ALTER INDEX app.workflow_executions_pkey ATTACH PARTITION app.workflow_executions_overflow_pkey;

ALTER INDEX app.workflow_executions_newest ATTACH PARTITION app.workflow_executions_overflow_tenant_id_id_idx;

ALTER INDEX app.workflow_executions_by_status ATTACH PARTITION app.workflow_executions_overflow_tenant_id_status_id_idx;

ALTER INDEX app.workflow_executions_of_workflow ATTACH PARTITION app.workflow_executions_overflow_tenant_id_workflow_id_id_idx;

CREATE TRIGGER count_added AFTER INSERT ON app.chunks REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION app.count_terms();

CREATE TRIGGER count_added AFTER INSERT ON app.documents REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION app.count_documents();

CREATE TRIGGER count_changed AFTER UPDATE ON app.chunks REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION app.count_changed_terms();

CREATE TRIGGER count_changed AFTER UPDATE ON app.documents REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION app.count_changed_documents();

CREATE TRIGGER count_removed AFTER DELETE ON app.chunks REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION app.count_terms();

CREATE TRIGGER count_removed AFTER DELETE ON app.documents REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION app.count_documents();

CREATE TRIGGER forget_deleted_copy BEFORE INSERT ON app.workflow_executions FOR EACH ROW WHEN ((new.retention_class = 0)) EXECUTE FUNCTION app.forget_deleted_copy();

CREATE TRIGGER keep_a_super_admin_on_change AFTER UPDATE OF role ON app.user_roles FOR EACH ROW WHEN (((old.role = 'super_admin'::text) AND (new.role <> 'super_admin'::text))) EXECUTE FUNCTION app.keep_a_super_admin();

CREATE TRIGGER keep_a_super_admin_on_removal AFTER DELETE ON app.user_roles FOR EACH ROW WHEN ((old.role = 'super_admin'::text)) EXECUTE FUNCTION app.keep_a_super_admin();

CREATE TRIGGER keep_an_owner_on_change AFTER UPDATE OF role, status ON app.tenant_memberships FOR EACH ROW WHEN (((old.role = 'owner'::text) AND (old.status = 'active'::text) AND ((new.role <> 'owner'::text) OR (new.status <> 'active'::text)))) EXECUTE FUNCTION app.keep_an_owner();

CREATE TRIGGER keep_an_owner_on_removal AFTER DELETE ON app.tenant_memberships FOR EACH ROW WHEN (((old.role = 'owner'::text) AND (old.status = 'active'::text))) EXECUTE FUNCTION app.keep_an_owner();

CREATE TRIGGER keep_held BEFORE DELETE ON app.alert_events FOR EACH ROW EXECUTE FUNCTION app.keep_held('of_workflow');

CREATE TRIGGER keep_held BEFORE DELETE ON app.archive_files FOR EACH ROW WHEN ((old.state = 'stored'::text)) EXECUTE FUNCTION app.keep_held('wholly_of_tenant');

CREATE TRIGGER keep_held BEFORE DELETE ON app.documents FOR EACH ROW EXECUTE FUNCTION app.keep_held('of_tenant');

CREATE TRIGGER keep_held BEFORE DELETE ON app.knowledge_bases FOR EACH ROW EXECUTE FUNCTION app.keep_held('of_tenant');

CREATE TRIGGER keep_held BEFORE DELETE ON app.legal_holds FOR EACH ROW EXECUTE FUNCTION app.keep_held('wholly_of_tenant');

CREATE TRIGGER keep_held BEFORE DELETE ON app.n8n_rejections FOR EACH ROW EXECUTE FUNCTION app.keep_held('wholly_of_tenant');

CREATE TRIGGER keep_held BEFORE DELETE ON app.tenants FOR EACH ROW EXECUTE FUNCTION app.keep_held('tenant');

CREATE TRIGGER keep_held BEFORE DELETE ON app.user_preferences FOR EACH ROW EXECUTE FUNCTION app.keep_held('of_tenant');

CREATE TRIGGER keep_held BEFORE DELETE ON app.webchat_sessions FOR EACH ROW EXECUTE FUNCTION app.keep_held('of_workflow');

CREATE TRIGGER keep_held BEFORE DELETE ON app.workflow_executions FOR EACH ROW EXECUTE FUNCTION app.keep_held('execution');

CREATE TRIGGER keep_held BEFORE DELETE ON app.workflows FOR EACH ROW EXECUTE FUNCTION app.keep_held('workflow');

CREATE TRIGGER keep_held_content BEFORE UPDATE ON app.documents FOR EACH ROW WHEN (((((old.content_hash IS DISTINCT FROM new.content_hash) OR (old.chunker IS DISTINCT FROM new.chunker)) OR (old.title IS DISTINCT FROM new.title)) OR (old.metadata IS DISTINCT FROM new.metadata))) EXECUTE FUNCTION app.keep_held_content();

CREATE TRIGGER keep_held_content BEFORE UPDATE ON app.knowledge_bases FOR EACH ROW WHEN (((((old.name IS DISTINCT FROM new.name) OR (old.description IS DISTINCT FROM new.description)) OR (old.source_type IS DISTINCT FROM new.source_type)) OR (old.source_metadata IS DISTINCT FROM new.source_metadata))) EXECUTE FUNCTION app.keep_held_content();

CREATE TRIGGER keep_held_values BEFORE UPDATE ON app.tenants FOR EACH ROW EXECUTE FUNCTION app.keep_held_values('tenant', '{status,deleted_at,hot_ttl_days,confidence_threshold,updated_at}');

CREATE TRIGGER keep_held_values BEFORE UPDATE ON app.user_preferences FOR EACH ROW EXECUTE FUNCTION app.keep_held_values('of_tenant', '{user_id,updated_at}');

CREATE TRIGGER keep_held_values BEFORE UPDATE ON app.webchat_sessions FOR EACH ROW WHEN ((old.messages IS DISTINCT FROM new.messages)) EXECUTE FUNCTION app.keep_held_values('of_workflow', '{message_count,updated_at}');

CREATE TRIGGER keep_held_values BEFORE UPDATE ON app.workflow_executions FOR EACH ROW WHEN (((current_setting('app.merging'::text, true) IS DISTINCT FROM 'on'::text) AND ((((((old.status IS DISTINCT FROM new.status) OR (old.started_at IS DISTINCT FROM new.started_at)) OR (old.finished_at IS DISTINCT FROM new.finished_at)) OR (old.error_message IS DISTINCT FROM new.error_message)) OR (old.workflow_id IS DISTINCT FROM new.workflow_id)) OR (old.execution_data IS DISTINCT FROM new.execution_data)))) EXECUTE FUNCTION app.keep_held_values('execution', '{}');

CREATE TRIGGER keep_held_values BEFORE UPDATE ON app.workflows FOR EACH ROW EXECUTE FUNCTION app.keep_held_values('workflow', '{updated_at}');

CREATE TRIGGER note_change_beside_keep AFTER UPDATE OF hot_ttl_days ON app.tenants FOR EACH ROW WHEN ((app.retention_class(old.hot_ttl_days) <> app.retention_class(new.hot_ttl_days))) EXECUTE FUNCTION app.note_change_beside_keep();

CREATE TRIGGER note_change_of_keep AFTER INSERT OR DELETE OR UPDATE ON app.keep_policies FOR EACH ROW EXECUTE FUNCTION app.note_change_of_keep();

CREATE CONSTRAINT TRIGGER note_commit AFTER INSERT ON app.recorded_transactions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.note_commit();

CREATE TRIGGER note_deleted AFTER DELETE ON app.workflow_executions REFERENCING OLD TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION app.note_execution_deltas();

CREATE TRIGGER note_inserted AFTER INSERT ON app.workflow_executions REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.note_execution_deltas();

CREATE TRIGGER note_retention_class_change AFTER UPDATE OF hot_ttl_days ON app.tenants FOR EACH ROW WHEN ((app.retention_class(old.hot_ttl_days) <> app.retention_class(new.hot_ttl_days))) EXECUTE FUNCTION app.note_retention_class_change();

CREATE TRIGGER note_updated AFTER UPDATE ON app.workflow_executions REFERENCING OLD TABLE AS stored NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.note_execution_deltas();

CREATE TRIGGER record_deleted AFTER DELETE ON app.alerts REFERENCING OLD TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{fired_id,fired_at,watched_since}', '{}');

CREATE TRIGGER record_deleted AFTER DELETE ON app.documents REFERENCING OLD TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{chunk_count,language,indexed_as}', '{}');

CREATE TRIGGER record_deleted AFTER DELETE ON app.knowledge_base_models REFERENCING OLD TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{}', '{}');

CREATE TRIGGER record_deleted AFTER DELETE ON app.knowledge_bases REFERENCING OLD TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{document_count,total_chunks,last_updated,languages,words_pending,indexed_as}', '{}');

CREATE TRIGGER record_deleted AFTER DELETE ON app.tenant_memberships REFERENCING OLD TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{}', '{user_id}');

CREATE TRIGGER record_deleted AFTER DELETE ON app.user_preferences REFERENCING OLD TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{}', '{user_id}');

CREATE TRIGGER record_deleted AFTER DELETE ON app.webchat_sessions REFERENCING OLD TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{message_count}', '{user_id}');

CREATE TRIGGER record_deleted AFTER DELETE ON app.workflow_executions REFERENCING OLD TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{retention_class,mode}', '{}');

CREATE TRIGGER record_deleted AFTER DELETE ON app.workflows REFERENCING OLD TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{}', '{}');

CREATE TRIGGER record_inserted AFTER INSERT ON app.alerts REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{fired_id,fired_at,watched_since}', '{}');

CREATE TRIGGER record_inserted AFTER INSERT ON app.documents REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{chunk_count,language,indexed_as}', '{}');

CREATE TRIGGER record_inserted AFTER INSERT ON app.knowledge_base_models REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{}', '{}');

CREATE TRIGGER record_inserted AFTER INSERT ON app.knowledge_bases REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{document_count,total_chunks,last_updated,languages,words_pending,indexed_as}', '{}');

CREATE TRIGGER record_inserted AFTER INSERT ON app.tenant_memberships REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{}', '{user_id}');

CREATE TRIGGER record_inserted AFTER INSERT ON app.user_preferences REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{}', '{user_id}');

CREATE TRIGGER record_inserted AFTER INSERT ON app.webchat_sessions REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{message_count}', '{user_id}');

CREATE TRIGGER record_inserted AFTER INSERT ON app.workflow_executions REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{retention_class,mode}', '{}');

CREATE TRIGGER record_inserted AFTER INSERT ON app.workflows REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{}', '{}');

CREATE TRIGGER record_settings AFTER INSERT OR DELETE OR UPDATE ON app.cold_policies FOR EACH ROW EXECUTE FUNCTION app.record_settings('{cold_ttl_days}', '{"cold_ttl_days": null}');

CREATE TRIGGER record_settings AFTER INSERT OR DELETE OR UPDATE ON app.keep_policies FOR EACH ROW EXECUTE FUNCTION app.record_settings('{keep}', '{"keep": null}');

CREATE TRIGGER record_settings AFTER INSERT OR UPDATE OF time_zone ON app.rollup_settings FOR EACH ROW EXECUTE FUNCTION app.record_settings('{time_zone}', '{"time_zone": "UTC"}');

CREATE TRIGGER record_settings AFTER UPDATE ON app.tenants FOR EACH ROW WHEN ((((((old.name IS DISTINCT FROM new.name) OR (old.n8n_url IS DISTINCT FROM new.n8n_url)) OR (old.branding_settings IS DISTINCT FROM new.branding_settings)) OR (old.confidence_threshold IS DISTINCT FROM new.confidence_threshold)) OR (old.hot_ttl_days IS DISTINCT FROM new.hot_ttl_days))) EXECUTE FUNCTION app.record_settings('{name,n8n_url,branding_settings,confidence_threshold,hot_ttl_days}', '{}');

CREATE TRIGGER record_updated AFTER UPDATE ON app.alerts REFERENCING OLD TABLE AS stored NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{fired_id,fired_at,watched_since}', '{}');

CREATE TRIGGER record_updated AFTER UPDATE ON app.documents REFERENCING OLD TABLE AS stored NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.record_changed_documents('{chunk_count,language,indexed_as}');

CREATE TRIGGER record_updated AFTER UPDATE ON app.knowledge_base_models REFERENCING OLD TABLE AS stored NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{}', '{}');

CREATE TRIGGER record_updated AFTER UPDATE ON app.knowledge_bases REFERENCING OLD TABLE AS stored NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{document_count,total_chunks,last_updated,languages,words_pending,indexed_as}', '{}');

CREATE TRIGGER record_updated AFTER UPDATE ON app.tenant_memberships REFERENCING OLD TABLE AS stored NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{}', '{user_id}');

CREATE TRIGGER record_updated AFTER UPDATE ON app.user_preferences REFERENCING OLD TABLE AS stored NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{}', '{user_id}');

CREATE TRIGGER record_updated AFTER UPDATE ON app.webchat_sessions REFERENCING OLD TABLE AS stored NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{message_count}', '{user_id}');

CREATE TRIGGER record_updated AFTER UPDATE ON app.workflow_executions REFERENCING OLD TABLE AS stored NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.record_execution_update();

CREATE TRIGGER record_updated AFTER UPDATE ON app.workflows REFERENCING OLD TABLE AS stored NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION app.record_history('{}', '{}');

CREATE TRIGGER refuse_reserved_slug BEFORE INSERT OR UPDATE OF slug ON app.tenants FOR EACH ROW EXECUTE FUNCTION app.refuse_reserved_slug();

CREATE TRIGGER take_restore_point AFTER DELETE ON app.knowledge_bases REFERENCING OLD TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION app.take_restore_point('before a knowledge base was deleted');

CREATE TRIGGER take_restore_point AFTER DELETE ON app.workflows REFERENCING OLD TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION app.take_restore_point('before a workflow was deleted');

CREATE TRIGGER write_keep INSTEAD OF UPDATE ON app.tenant_settings FOR EACH ROW EXECUTE FUNCTION app.write_keep();

CREATE TRIGGER write_settings INSTEAD OF UPDATE ON app.tenant_settings FOR EACH ROW EXECUTE FUNCTION app.write_settings();

ALTER TABLE ONLY app.alert_events
    ADD CONSTRAINT alert_events_tenant_id_alert_id_fkey FOREIGN KEY (tenant_id, alert_id) REFERENCES app.alerts(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY app.alerts
    ADD CONSTRAINT alerts_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.api_keys
    ADD CONSTRAINT api_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.archive_files
    ADD CONSTRAINT archive_files_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id);

ALTER TABLE ONLY app.chunks
    ADD CONSTRAINT chunks_tenant_id_document_id_fkey FOREIGN KEY (tenant_id, document_id) REFERENCES app.documents(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY app.cold_policies
    ADD CONSTRAINT cold_policies_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.documents
    ADD CONSTRAINT documents_tenant_id_knowledge_base_id_fkey FOREIGN KEY (tenant_id, knowledge_base_id) REFERENCES app.knowledge_bases(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY app.embedding_tasks
    ADD CONSTRAINT embedding_tasks_tenant_id_document_id_fkey FOREIGN KEY (tenant_id, document_id) REFERENCES app.documents(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY app.embedding_tasks
    ADD CONSTRAINT embedding_tasks_tenant_id_knowledge_base_id_embedding_mode_fkey FOREIGN KEY (tenant_id, knowledge_base_id, embedding_model) REFERENCES app.knowledge_base_models(tenant_id, knowledge_base_id, embedding_model) ON DELETE CASCADE;

ALTER TABLE ONLY app.embedding_usage
    ADD CONSTRAINT embedding_usage_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE app.embeddings
    ADD CONSTRAINT embeddings_tenant_id_id_fkey FOREIGN KEY (tenant_id, id) REFERENCES app.chunks(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE app.embeddings
    ADD CONSTRAINT embeddings_tenant_id_knowledge_base_id_embedding_model_fkey FOREIGN KEY (tenant_id, knowledge_base_id, embedding_model) REFERENCES app.knowledge_base_models(tenant_id, knowledge_base_id, embedding_model) ON DELETE CASCADE;

ALTER TABLE ONLY app.execution_object_references
    ADD CONSTRAINT execution_object_references_tenant_id_sha256_fkey FOREIGN KEY (tenant_id, sha256) REFERENCES app.execution_objects(tenant_id, sha256) ON DELETE CASCADE;

ALTER TABLE ONLY app.execution_objects
    ADD CONSTRAINT execution_objects_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.execution_rollups
    ADD CONSTRAINT execution_rollups_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.failed_runs
    ADD CONSTRAINT failed_runs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.idempotency_keys
    ADD CONSTRAINT idempotency_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.invitations
    ADD CONSTRAINT invitations_tenant_id_user_id_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES app.tenant_memberships(tenant_id, user_id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY app.keep_policies
    ADD CONSTRAINT keep_policies_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.knowledge_base_models
    ADD CONSTRAINT knowledge_base_models_tenant_id_knowledge_base_id_fkey FOREIGN KEY (tenant_id, knowledge_base_id) REFERENCES app.knowledge_bases(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY app.knowledge_bases
    ADD CONSTRAINT knowledge_bases_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.leaving_rows
    ADD CONSTRAINT leaving_rows_tenant_id_file_id_fkey FOREIGN KEY (tenant_id, file_id) REFERENCES app.archive_files(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY app.legal_holds
    ADD CONSTRAINT legal_holds_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id);

ALTER TABLE ONLY app.n8n_connections
    ADD CONSTRAINT n8n_connections_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.n8n_connections
    ADD CONSTRAINT n8n_connections_tenant_id_number_fkey FOREIGN KEY (tenant_id, number) REFERENCES app.n8n_instances(tenant_id, number) ON DELETE CASCADE;

ALTER TABLE ONLY app.n8n_instances
    ADD CONSTRAINT n8n_instances_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.n8n_names
    ADD CONSTRAINT n8n_names_tenant_id_workflow_id_fkey FOREIGN KEY (tenant_id, workflow_id) REFERENCES app.workflows(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY app.n8n_rejections
    ADD CONSTRAINT n8n_rejections_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.n8n_resets
    ADD CONSTRAINT n8n_resets_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.rate_limits
    ADD CONSTRAINT rate_limits_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.recoveries
    ADD CONSTRAINT recoveries_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id);

ALTER TABLE ONLY app.rehydrated_rows
    ADD CONSTRAINT rehydrated_rows_tenant_id_rehydration_id_fkey FOREIGN KEY (tenant_id, rehydration_id) REFERENCES app.rehydrations(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY app.rehydrations
    ADD CONSTRAINT rehydrations_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id);

ALTER TABLE ONLY app.reported_failures
    ADD CONSTRAINT reported_failures_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.retention_class_changes
    ADD CONSTRAINT retention_class_changes_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.retried_runs
    ADD CONSTRAINT retried_runs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.rollup_settings
    ADD CONSTRAINT rollup_settings_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.storage_sizes
    ADD CONSTRAINT storage_sizes_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.tenant_memberships
    ADD CONSTRAINT tenant_memberships_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.touched_executions
    ADD CONSTRAINT touched_executions_partition_name_fkey FOREIGN KEY (partition_name) REFERENCES app.sealed_partitions(partition_name);

ALTER TABLE ONLY app.uploads
    ADD CONSTRAINT uploads_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.user_preferences
    ADD CONSTRAINT user_preferences_tenant_id_user_id_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES app.tenant_memberships(tenant_id, user_id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY app.webchat_sessions
    ADD CONSTRAINT webchat_sessions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

ALTER TABLE ONLY app.webchat_sessions
    ADD CONSTRAINT webchat_sessions_tenant_id_workflow_id_fkey FOREIGN KEY (tenant_id, workflow_id) REFERENCES app.workflows(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE app.workflow_executions
    ADD CONSTRAINT workflow_executions_tenant_id_workflow_id_fkey FOREIGN KEY (tenant_id, workflow_id) REFERENCES app.workflows(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY app.workflows
    ADD CONSTRAINT workflows_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

CREATE POLICY access ON app.api_keys FOR SELECT TO flo_owner USING (true);

CREATE POLICY access ON app.archive_files FOR SELECT TO flo_owner USING (true);

CREATE POLICY access ON app.chunks FOR SELECT TO flo_owner USING (true);

CREATE POLICY access ON app.documents FOR SELECT TO flo_owner USING (true);

CREATE POLICY access ON app.embeddings FOR SELECT TO flo_owner USING (true);

CREATE POLICY access ON app.execution_deltas TO flo_owner USING (true) WITH CHECK (true);

CREATE POLICY access ON app.knowledge_base_models FOR SELECT TO flo_owner USING (true);

CREATE POLICY access ON app.knowledge_bases FOR SELECT TO flo_owner USING (true);

CREATE POLICY access ON app.legal_holds FOR SELECT TO flo_owner USING (true);

CREATE POLICY access ON app.rate_limits FOR SELECT TO flo_owner USING (true);

CREATE POLICY access ON app.recorded_transactions TO flo_owner USING (true) WITH CHECK (true);

CREATE POLICY access ON app.recoveries TO flo_owner USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY access ON app.rehydrated_rows FOR SELECT TO flo_owner USING (true);

CREATE POLICY access ON app.restore_points TO flo_owner USING (true) WITH CHECK (true);

CREATE POLICY access ON app.rollup_settings TO flo_owner USING (true) WITH CHECK (true);

CREATE POLICY access ON app.row_history TO flo_owner USING (true) WITH CHECK (true);

CREATE POLICY access ON app.sealed_partitions TO flo_owner USING (true) WITH CHECK (true);

CREATE POLICY access ON app.superseded_versions TO flo_owner USING (true) WITH CHECK (true);

CREATE POLICY access ON app.tenant_memberships FOR SELECT TO flo_owner USING (true);

CREATE POLICY access ON app.tenants FOR SELECT TO flo_owner USING (true);

CREATE POLICY access ON app.term_counts TO flo_owner USING (true) WITH CHECK (true);

CREATE POLICY access ON app.touched_executions TO flo_owner USING (true) WITH CHECK (true);

CREATE POLICY access ON app.uploads FOR SELECT TO flo_owner USING (true);

CREATE POLICY access ON app.user_roles TO flo_owner USING (true) WITH CHECK (true);

ALTER TABLE app.alert_events ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.alerts ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.api_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.archive_files ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.backups ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.chunks ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.cold_policies ENABLE ROW LEVEL SECURITY;

CREATE POLICY counted ON app.knowledge_bases FOR UPDATE TO flo_owner USING (true) WITH CHECK (true);

ALTER TABLE app.documents ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.drills ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embedding_tasks ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embedding_usage ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_0 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_1 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_10 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_11 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_12 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_13 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_14 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_15 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_16 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_17 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_18 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_19 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_2 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_20 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_21 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_22 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_23 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_24 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_25 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_26 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_27 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_28 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_29 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_3 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_30 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_31 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_4 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_5 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_6 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_7 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_8 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.embeddings_9 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.erasures ENABLE ROW LEVEL SECURITY;

CREATE POLICY everybody ON app.restore_points FOR SELECT TO flo_app USING (((tenant_id IS NULL) AND (EXISTS ( SELECT
   FROM app.tenants t
  WHERE (t.id = app.tenant())))));

ALTER TABLE app.execution_deltas ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.execution_object_references ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.execution_objects ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.execution_rollups ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.failed_runs ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.idempotency_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.invitations ENABLE ROW LEVEL SECURITY;

CREATE POLICY job ON app.alert_events TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.alerts TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.api_keys TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.archive_files TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.backups TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.chunks TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.cold_policies TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.documents TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.drills TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.embedding_tasks TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.embedding_usage TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.embeddings TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.erasures TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.execution_deltas TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.execution_object_references TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.execution_objects TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.execution_rollups TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.failed_runs TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.idempotency_keys TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.invitations TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.job_runs TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.keep_policies TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.knowledge_base_models TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.knowledge_bases TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.leaving_rows TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.legal_holds TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.n8n_connections TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.n8n_instances TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.n8n_names TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.n8n_rejections TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.n8n_resets TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.rate_limits TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.recorded_transactions TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.recoveries TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.recovery_check TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.rehydrated_rows TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.rehydrations TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.reported_failures TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.restore_points TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.retention_class_changes TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.retried_runs TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.rollup_progress TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.rollup_settings TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.row_history TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.sealed_partitions TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.storage_measurements TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.storage_sizes TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.superseded_versions TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.tenant_actions TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.tenant_memberships TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.tenants TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.term_counts TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.touched_executions TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.uploads TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.user_preferences TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.user_roles TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.webchat_sessions TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.workflow_executions TO flo_job USING (true) WITH CHECK (true);

CREATE POLICY job ON app.workflows TO flo_job USING (true) WITH CHECK (true);

ALTER TABLE app.job_runs ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.keep_policies ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.knowledge_base_models ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.knowledge_bases ENABLE ROW LEVEL SECURITY;

CREATE POLICY late ON app.rehydrated_rows FOR DELETE TO flo_owner USING (true);

ALTER TABLE app.leaving_rows ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.legal_holds ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.n8n_connections ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.n8n_instances ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.n8n_names ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.n8n_rejections ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.n8n_resets ENABLE ROW LEVEL SECURITY;

CREATE POLICY own ON app.idempotency_keys TO flo_app USING (((( SELECT app.tenant() AS tenant) IS NULL) AND (tenant_id IS NULL) AND (actor = ( SELECT current_setting('app.actor'::text, true) AS current_setting)))) WITH CHECK (((( SELECT app.tenant() AS tenant) IS NULL) AND (tenant_id IS NULL) AND (actor = ( SELECT current_setting('app.actor'::text, true) AS current_setting))));

CREATE POLICY own ON app.tenant_memberships FOR SELECT TO flo_app USING (((( SELECT app.tenant() AS tenant) IS NULL) AND (user_id = ANY (ARRAY[( SELECT app.person() AS person), ( SELECT app.invited_person() AS invited_person)]))));

CREATE POLICY own ON app.tenants FOR SELECT TO flo_app USING (((( SELECT app.tenant() AS tenant) IS NULL) AND (deleted_at IS NULL) AND (EXISTS ( SELECT
   FROM app.tenant_memberships m
  WHERE ((m.tenant_id = tenants.id) AND (m.status = ANY (ARRAY['active'::text, 'pending'::text])) AND ((tenants.status = 'active'::text) OR (m.role = 'owner'::text)))))));

CREATE POLICY own ON app.user_preferences TO flo_app USING (((tenant_id IS NULL) AND (user_id = ( SELECT app.person() AS person)))) WITH CHECK (((tenant_id IS NULL) AND (user_id = ( SELECT app.person() AS person))));

CREATE POLICY own_in_tenants ON app.user_preferences FOR SELECT TO flo_app USING (((( SELECT app.tenant() AS tenant) IS NULL) AND (user_id = ( SELECT app.person() AS person)) AND (EXISTS ( SELECT
   FROM (app.tenant_memberships m
     JOIN app.tenants t ON ((t.id = m.tenant_id)))
  WHERE ((m.tenant_id = user_preferences.tenant_id) AND (m.user_id = user_preferences.user_id) AND (m.status = 'active'::text) AND (t.deleted_at IS NULL))))));

CREATE POLICY person ON app.user_preferences AS RESTRICTIVE TO flo_app USING (app.acts_for(user_id)) WITH CHECK (app.acts_for(user_id));

CREATE POLICY person ON app.webchat_sessions AS RESTRICTIVE TO flo_app USING (app.acts_for(user_id)) WITH CHECK (app.acts_for(user_id));

CREATE POLICY platform ON app.backups FOR SELECT TO flo_app USING (( SELECT app.on_platform() AS on_platform));

CREATE POLICY platform ON app.drills FOR SELECT TO flo_app USING (( SELECT app.on_platform() AS on_platform));

CREATE POLICY platform ON app.erasures TO flo_app USING (( SELECT app.on_platform() AS on_platform)) WITH CHECK (( SELECT app.on_platform() AS on_platform));

CREATE POLICY platform ON app.job_runs FOR SELECT TO flo_app USING (( SELECT app.on_platform() AS on_platform));

CREATE POLICY platform ON app.legal_holds FOR SELECT TO flo_app USING (( SELECT app.on_platform() AS on_platform));

CREATE POLICY platform ON app.recovery_check FOR SELECT TO flo_app USING (( SELECT app.on_platform() AS on_platform));

CREATE POLICY platform ON app.storage_sizes FOR SELECT TO flo_app USING (( SELECT app.on_platform() AS on_platform));

CREATE POLICY platform ON app.tenant_actions TO flo_app USING (( SELECT app.on_platform() AS on_platform)) WITH CHECK (( SELECT app.on_platform() AS on_platform));

CREATE POLICY platform ON app.tenant_memberships TO flo_app USING (( SELECT app.on_platform() AS on_platform)) WITH CHECK (( SELECT app.on_platform() AS on_platform));

CREATE POLICY platform ON app.tenants TO flo_app USING (( SELECT app.on_platform() AS on_platform)) WITH CHECK (( SELECT app.on_platform() AS on_platform));

CREATE POLICY platform ON app.user_roles TO flo_app USING (( SELECT app.on_platform() AS on_platform)) WITH CHECK (( SELECT app.on_platform() AS on_platform));

CREATE POLICY progress ON app.rollup_progress FOR SELECT TO flo_app USING (true);

CREATE POLICY progress ON app.storage_measurements FOR SELECT TO flo_app USING (true);

ALTER TABLE app.rate_limits ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.recorded_transactions ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.recoveries ENABLE ROW LEVEL SECURITY;

CREATE POLICY recovery ON app.alerts TO flo_owner USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY recovery ON app.chunks TO flo_owner USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY recovery ON app.cold_policies TO flo_owner USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY recovery ON app.documents TO flo_owner USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY recovery ON app.embedding_tasks TO flo_owner USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY recovery ON app.embeddings TO flo_owner USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY recovery ON app.keep_policies TO flo_owner USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY recovery ON app.knowledge_base_models TO flo_owner USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY recovery ON app.knowledge_bases TO flo_owner USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY recovery ON app.retention_class_changes TO flo_owner USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY recovery ON app.tenants TO flo_owner USING ((id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY recovery ON app.user_preferences TO flo_owner USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY recovery ON app.webchat_sessions TO flo_owner USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY recovery ON app.workflow_executions TO flo_owner USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY recovery ON app.workflows TO flo_owner USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

ALTER TABLE app.recovery_check ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.rehydrated_rows ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.rehydrations ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.reported_failures ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.restore_points ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.retention_class_changes ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.retried_runs ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.rollup_progress ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.rollup_settings ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.row_history ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.row_history_20261123 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.row_history_20261130 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.row_history_20261207 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.row_history_overflow ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.sealed_partitions ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.storage_measurements ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.storage_sizes ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.superseded_versions ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON app.alert_events TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.alerts TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.api_keys TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.archive_files TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.chunks TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.cold_policies TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.documents TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.embedding_tasks TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.embedding_usage TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.embeddings TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.erasures TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.execution_deltas TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.execution_object_references TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.execution_objects TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.execution_rollups TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.failed_runs TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.idempotency_keys TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.invitations TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.keep_policies TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.knowledge_base_models TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.knowledge_bases TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.leaving_rows TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.legal_holds TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.n8n_connections TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.n8n_instances TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.n8n_names TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.n8n_rejections TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.n8n_resets TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.rate_limits TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.recorded_transactions TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.recoveries TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.rehydrated_rows TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.rehydrations TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.reported_failures TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.restore_points TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.retention_class_changes TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.retried_runs TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.rollup_settings TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.row_history TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.storage_sizes TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.superseded_versions TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.tenant_actions TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.tenant_memberships TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.tenants TO flo_app USING ((id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.term_counts TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.uploads TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.user_preferences TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.webchat_sessions TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.workflow_executions TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tenant ON app.workflows TO flo_app USING ((tenant_id = ( SELECT app.tenant() AS tenant))) WITH CHECK ((tenant_id = ( SELECT app.tenant() AS tenant)));

ALTER TABLE app.tenant_actions ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.tenant_memberships ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.tenants ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.term_counts ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.touched_executions ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.uploads ENABLE ROW LEVEL SECURITY;

CREATE POLICY used ON app.api_keys FOR UPDATE TO flo_owner USING (true) WITH CHECK (true);

ALTER TABLE app.user_preferences ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.user_roles ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.webchat_sessions ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.workflow_executions ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.workflow_executions_c14 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.workflow_executions_c30 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.workflow_executions_c365 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.workflow_executions_c60 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.workflow_executions_c7 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.workflow_executions_c90 ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.workflow_executions_overflow ENABLE ROW LEVEL SECURITY;

ALTER TABLE app.workflows ENABLE ROW LEVEL SECURITY;

GRANT ALL ON SCHEMA app TO flo_owner;
GRANT USAGE ON SCHEMA app TO flo_app;
GRANT USAGE ON SCHEMA app TO flo_job;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.workflow_executions TO flo_app;
GRANT SELECT,INSERT,DELETE ON TABLE app.workflow_executions TO flo_job;

GRANT UPDATE(retention_class) ON TABLE app.workflow_executions TO flo_job;

GRANT UPDATE(status) ON TABLE app.workflow_executions TO flo_job;

GRANT UPDATE(started_at) ON TABLE app.workflow_executions TO flo_job;

GRANT UPDATE(finished_at) ON TABLE app.workflow_executions TO flo_job;

GRANT UPDATE(execution_data) ON TABLE app.workflow_executions TO flo_job;

GRANT UPDATE(error_message) ON TABLE app.workflow_executions TO flo_job;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.tenant_memberships TO flo_app;
GRANT SELECT,DELETE ON TABLE app.tenant_memberships TO flo_job;

REVOKE ALL ON PROCEDURE app.add_partition(IN class_table text, IN partition_name text, IN lower_bound text, IN upper_bound text) FROM PUBLIC;

GRANT SELECT,INSERT,DELETE ON TABLE app.execution_deltas TO flo_job;

GRANT SELECT ON TABLE app.recoveries TO flo_app;
GRANT SELECT,DELETE,UPDATE ON TABLE app.recoveries TO flo_job;

REVOKE ALL ON FUNCTION app.apply_recovery(recovery uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION app.apply_recovery(recovery uuid) TO flo_job;

GRANT SELECT ON TABLE app.erasures TO flo_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.erasures TO flo_job;

GRANT INSERT(tenant_id) ON TABLE app.erasures TO flo_app;

GRANT INSERT(user_id) ON TABLE app.erasures TO flo_app;

GRANT INSERT(requested_by) ON TABLE app.erasures TO flo_app;

GRANT SELECT,INSERT ON TABLE app.rehydrations TO flo_app;
GRANT SELECT,DELETE,UPDATE ON TABLE app.rehydrations TO flo_job;

REVOKE ALL ON FUNCTION app.authorize(person text, email text, key_id text, key_hash bytea, named_tenant text, scope text, milliseconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.authorize(person text, email text, key_id text, key_hash bytea, named_tenant text, scope text, milliseconds integer) TO flo_app;

GRANT SELECT,INSERT,UPDATE ON TABLE app.uploads TO flo_app;
GRANT SELECT,DELETE ON TABLE app.uploads TO flo_job;

GRANT UPDATE(status) ON TABLE app.uploads TO flo_job;

GRANT UPDATE(code) ON TABLE app.uploads TO flo_job;

GRANT UPDATE(reason) ON TABLE app.uploads TO flo_job;

GRANT UPDATE(due_at) ON TABLE app.uploads TO flo_job;

GRANT UPDATE(finished_at) ON TABLE app.uploads TO flo_job;

REVOKE ALL ON FUNCTION app.break_seal() FROM PUBLIC;

GRANT SELECT,DELETE ON TABLE app.alerts TO flo_app;
GRANT SELECT,DELETE ON TABLE app.alerts TO flo_job;

GRANT INSERT(name),UPDATE(name) ON TABLE app.alerts TO flo_app;

GRANT INSERT(kind) ON TABLE app.alerts TO flo_app;

GRANT INSERT(workflow_id) ON TABLE app.alerts TO flo_app;

GRANT INSERT(minutes),UPDATE(minutes) ON TABLE app.alerts TO flo_app;

GRANT INSERT(threshold),UPDATE(threshold) ON TABLE app.alerts TO flo_app;

GRANT INSERT(min_runs),UPDATE(min_runs) ON TABLE app.alerts TO flo_app;

GRANT INSERT(url),UPDATE(url) ON TABLE app.alerts TO flo_app;

GRANT INSERT(enabled),UPDATE(enabled) ON TABLE app.alerts TO flo_app;

GRANT UPDATE(updated_at) ON TABLE app.alerts TO flo_app;

GRANT UPDATE(watched_since) ON TABLE app.alerts TO flo_app;

GRANT UPDATE(fired_id) ON TABLE app.alerts TO flo_job;

GRANT UPDATE(fired_at) ON TABLE app.alerts TO flo_job;

GRANT INSERT(n8n_instance) ON TABLE app.alerts TO flo_app;

GRANT SELECT ON TABLE app.recorded_transactions TO flo_app;
GRANT SELECT,DELETE ON TABLE app.recorded_transactions TO flo_job;

GRANT SELECT ON TABLE app.row_history TO flo_app;
GRANT SELECT,DELETE ON TABLE app.row_history TO flo_job;

GRANT SELECT ON TABLE app.alert_events TO flo_app;
GRANT SELECT,INSERT,DELETE ON TABLE app.alert_events TO flo_job;

GRANT UPDATE(delivery) ON TABLE app.alert_events TO flo_job;

GRANT UPDATE(attempts) ON TABLE app.alert_events TO flo_job;

GRANT UPDATE(next_attempt_at) ON TABLE app.alert_events TO flo_job;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.keep_policies TO flo_app;
GRANT SELECT,DELETE ON TABLE app.keep_policies TO flo_job;

GRANT SELECT,INSERT,UPDATE ON TABLE app.tenants TO flo_app;
GRANT SELECT,DELETE ON TABLE app.tenants TO flo_job;

GRANT UPDATE(updated_at) ON TABLE app.tenants TO flo_job;

GRANT SELECT ON TABLE app.hot_policies TO flo_app;
GRANT SELECT ON TABLE app.hot_policies TO flo_job;

GRANT SELECT,INSERT ON TABLE app.retention_class_changes TO flo_app;
GRANT SELECT,DELETE ON TABLE app.retention_class_changes TO flo_job;

GRANT UPDATE(moved_at) ON TABLE app.retention_class_changes TO flo_job;

REVOKE ALL ON FUNCTION app.create_history_partitions(moment timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION app.create_history_partitions(moment timestamp with time zone) TO flo_job;

GRANT SELECT,INSERT ON TABLE app.legal_holds TO flo_app;
GRANT SELECT,DELETE ON TABLE app.legal_holds TO flo_job;

GRANT UPDATE(released_by) ON TABLE app.legal_holds TO flo_app;

GRANT UPDATE(released_at) ON TABLE app.legal_holds TO flo_app;

GRANT UPDATE(release_reason) ON TABLE app.legal_holds TO flo_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.knowledge_bases TO flo_app;
GRANT SELECT,DELETE ON TABLE app.knowledge_bases TO flo_job;

GRANT UPDATE(document_count) ON TABLE app.knowledge_bases TO flo_job;

GRANT UPDATE(total_chunks) ON TABLE app.knowledge_bases TO flo_job;

GRANT UPDATE(last_updated) ON TABLE app.knowledge_bases TO flo_job;

GRANT UPDATE(languages) ON TABLE app.knowledge_bases TO flo_job;

GRANT UPDATE(words_pending) ON TABLE app.knowledge_bases TO flo_job;

GRANT UPDATE(indexed_as) ON TABLE app.knowledge_bases TO flo_job;

REVOKE ALL ON FUNCTION app.create_partitions(moment timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION app.create_partitions(moment timestamp with time zone) TO flo_job;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.documents TO flo_app;
GRANT SELECT,DELETE ON TABLE app.documents TO flo_job;

GRANT UPDATE(language) ON TABLE app.documents TO flo_job;

GRANT UPDATE(indexed_as) ON TABLE app.documents TO flo_job;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.workflows TO flo_app;
GRANT SELECT,DELETE ON TABLE app.workflows TO flo_job;

REVOKE ALL ON FUNCTION app.derive_passages(document uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION app.derive_passages(document uuid) TO flo_job;

REVOKE ALL ON FUNCTION app.drop_history(before timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION app.drop_history(before timestamp with time zone) TO flo_job;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.knowledge_base_models TO flo_app;
GRANT SELECT,DELETE ON TABLE app.knowledge_base_models TO flo_job;

REVOKE ALL ON FUNCTION app.drop_partition(partition_name text, patience interval) FROM PUBLIC;
GRANT ALL ON FUNCTION app.drop_partition(partition_name text, patience interval) TO flo_job;

REVOKE ALL ON FUNCTION app.enter_upload(upload uuid, milliseconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.enter_upload(upload uuid, milliseconds integer) TO flo_app;

REVOKE ALL ON FUNCTION app.find_passages(query text, mode text, most integer, wanted_bases uuid[], filter app.passage_filter, around integer, marked boolean, models text[], vectors public.halfvec[]) FROM PUBLIC;
GRANT ALL ON FUNCTION app.find_passages(query text, mode text, most integer, wanted_bases uuid[], filter app.passage_filter, around integer, marked boolean, models text[], vectors public.halfvec[]) TO flo_app;

REVOKE ALL ON FUNCTION app.forget_deleted_copy() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.identify(person text, email text, key_id text, key_hash bytea, named_tenant text, scope text, OUT tenant_id uuid, OUT role text, OUT actor text) FROM PUBLIC;

GRANT SELECT,INSERT,UPDATE ON TABLE app.n8n_instances TO flo_app;
GRANT SELECT,DELETE ON TABLE app.n8n_instances TO flo_job;

GRANT SELECT,INSERT,DELETE ON TABLE app.reported_failures TO flo_app;
GRANT SELECT,INSERT,DELETE ON TABLE app.reported_failures TO flo_job;

REVOKE ALL ON PROCEDURE app.isolate(IN tenant_table regclass, IN tenant_column text) FROM PUBLIC;

REVOKE ALL ON PROCEDURE app.keep_history(IN recorded regclass, IN ignored text[], IN kept text[]) FROM PUBLIC;

GRANT SELECT,INSERT,UPDATE ON TABLE app.api_keys TO flo_app;
GRANT SELECT,DELETE ON TABLE app.api_keys TO flo_job;

GRANT SELECT ON TABLE app.archive_files TO flo_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.archive_files TO flo_job;

GRANT SELECT,INSERT,UPDATE ON TABLE app.idempotency_keys TO flo_app;
GRANT SELECT,DELETE ON TABLE app.idempotency_keys TO flo_job;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.webchat_sessions TO flo_app;
GRANT SELECT,DELETE ON TABLE app.webchat_sessions TO flo_job;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.n8n_connections TO flo_app;
GRANT SELECT,DELETE ON TABLE app.n8n_connections TO flo_job;

REVOKE ALL ON FUNCTION app.note_commit() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.note_execution_deltas() FROM PUBLIC;

REVOKE ALL ON PROCEDURE app.open_to_jobs(IN opened regclass, IN verbs text) FROM PUBLIC;

REVOKE ALL ON PROCEDURE app.plan_for_large_tenants(IN tenant_table regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.preview_recovery(at timestamp with time zone, of_transaction xid8, deleted uuid, tables text[], row_ids uuid[], reason text, undone uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION app.preview_recovery(at timestamp with time zone, of_transaction xid8, deleted uuid, tables text[], row_ids uuid[], reason text, undone uuid) TO flo_app;

GRANT SELECT,INSERT,UPDATE ON TABLE app.rate_limits TO flo_app;
GRANT SELECT,DELETE ON TABLE app.rate_limits TO flo_job;

REVOKE ALL ON FUNCTION app.record_changed_documents() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.record_execution_update() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.record_history() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.record_settings() FROM PUBLIC;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.retried_runs TO flo_job;

REVOKE ALL ON FUNCTION app.refuse_reserved_slug() FROM PUBLIC;

GRANT SELECT ON TABLE app.restore_points TO flo_app;
GRANT SELECT,INSERT,DELETE ON TABLE app.restore_points TO flo_job;

GRANT SELECT,INSERT,UPDATE ON TABLE app.embedding_tasks TO flo_app;
GRANT SELECT,DELETE,UPDATE ON TABLE app.embedding_tasks TO flo_job;

GRANT SELECT ON TABLE app.rollup_settings TO flo_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.rollup_settings TO flo_job;

GRANT INSERT(tenant_id) ON TABLE app.rollup_settings TO flo_app;

GRANT INSERT(time_zone),UPDATE(time_zone) ON TABLE app.rollup_settings TO flo_app;

GRANT INSERT(rebuild_asked_at),UPDATE(rebuild_asked_at) ON TABLE app.rollup_settings TO flo_app;

GRANT SELECT ON TABLE app.execution_rollups TO flo_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.execution_rollups TO flo_job;

REVOKE ALL ON FUNCTION app.seal_partition(partition_name text, patience interval) FROM PUBLIC;
GRANT ALL ON FUNCTION app.seal_partition(partition_name text, patience interval) TO flo_job;

REVOKE ALL ON FUNCTION app.spend(person text, email text, key_id text, key_hash bytea, named_tenant text, scope text, weight integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.spend(person text, email text, key_id text, key_hash bytea, named_tenant text, scope text, weight integer) TO flo_app;

REVOKE ALL ON FUNCTION app.start_recovery(recovery uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION app.start_recovery(recovery uuid) TO flo_app;

REVOKE ALL ON FUNCTION app.take_from_bucket(bucket text, kind text, quota integer, weight integer, OUT name text, OUT q integer, OUT r integer, OUT t integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.take_restore_point() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.tenant_of_person(person text, email text, super_admin boolean, named text, scope text) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.undo_recovery(recovery uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION app.undo_recovery(recovery uuid) TO flo_app;

REVOKE ALL ON FUNCTION app.verified_key(key_id text, key_hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION app.verified_key(key_id text, key_hash bytea) TO flo_app;

REVOKE ALL ON FUNCTION pg_catalog.lo_creat(integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_create(oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC;

GRANT SELECT,INSERT ON TABLE app.backups TO flo_job;
GRANT SELECT ON TABLE app.backups TO flo_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.chunks TO flo_app;
GRANT SELECT,DELETE ON TABLE app.chunks TO flo_job;

GRANT UPDATE(terms) ON TABLE app.chunks TO flo_job;

GRANT UPDATE(weights) ON TABLE app.chunks TO flo_job;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.cold_policies TO flo_app;
GRANT SELECT,DELETE ON TABLE app.cold_policies TO flo_job;

GRANT SELECT,INSERT,UPDATE ON TABLE app.drills TO flo_job;
GRANT SELECT ON TABLE app.drills TO flo_app;

GRANT SELECT ON TABLE app.embedding_usage TO flo_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.embedding_usage TO flo_job;

GRANT SELECT,INSERT,UPDATE ON TABLE app.embeddings TO flo_app;
GRANT SELECT,INSERT,DELETE ON TABLE app.embeddings TO flo_job;

GRANT UPDATE(embedding_vector) ON TABLE app.embeddings TO flo_job;

GRANT SELECT,INSERT ON TABLE app.execution_object_references TO flo_app;
GRANT SELECT,INSERT,DELETE ON TABLE app.execution_object_references TO flo_job;

GRANT SELECT,INSERT ON TABLE app.execution_objects TO flo_app;
GRANT SELECT,DELETE ON TABLE app.execution_objects TO flo_job;

GRANT UPDATE(check_at) ON TABLE app.execution_objects TO flo_app;
GRANT UPDATE(check_at) ON TABLE app.execution_objects TO flo_job;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.failed_runs TO flo_job;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.invitations TO flo_app;
GRANT SELECT,DELETE ON TABLE app.invitations TO flo_job;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.job_runs TO flo_job;
GRANT SELECT ON TABLE app.job_runs TO flo_app;

GRANT SELECT,INSERT,DELETE ON TABLE app.leaving_rows TO flo_job;

GRANT SELECT,INSERT,UPDATE ON TABLE app.n8n_names TO flo_app;
GRANT SELECT,DELETE ON TABLE app.n8n_names TO flo_job;

GRANT SELECT,INSERT,DELETE ON TABLE app.n8n_rejections TO flo_app;
GRANT SELECT,DELETE ON TABLE app.n8n_rejections TO flo_job;

GRANT SELECT,INSERT,UPDATE ON TABLE app.n8n_resets TO flo_app;
GRANT SELECT,DELETE ON TABLE app.n8n_resets TO flo_job;

GRANT SELECT,DELETE ON TABLE app.rate_buckets TO flo_job;

GRANT SELECT,UPDATE ON TABLE app.recovery_check TO flo_job;
GRANT SELECT ON TABLE app.recovery_check TO flo_app;

GRANT SELECT ON TABLE app.rehydrated_rows TO flo_app;
GRANT SELECT,INSERT,DELETE ON TABLE app.rehydrated_rows TO flo_job;

GRANT SELECT ON TABLE app.reserved_slugs TO flo_job;

GRANT SELECT ON TABLE app.rollup_progress TO flo_app;
GRANT SELECT,UPDATE ON TABLE app.rollup_progress TO flo_job;

GRANT SELECT ON TABLE app.schema_migrations TO flo_app;
GRANT SELECT ON TABLE app.schema_migrations TO flo_job;

GRANT SELECT ON TABLE app.sealed_partitions TO flo_job;

GRANT SELECT ON TABLE app.storage_measurements TO flo_app;
GRANT SELECT,INSERT,DELETE ON TABLE app.storage_measurements TO flo_job;

GRANT SELECT ON TABLE app.storage_sizes TO flo_app;
GRANT SELECT,INSERT,DELETE ON TABLE app.storage_sizes TO flo_job;

GRANT SELECT,INSERT,DELETE ON TABLE app.superseded_versions TO flo_job;

GRANT SELECT,INSERT ON TABLE app.tenant_actions TO flo_app;
GRANT SELECT,DELETE ON TABLE app.tenant_actions TO flo_job;

GRANT SELECT ON TABLE app.tenant_settings TO flo_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.term_counts TO flo_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.term_counts TO flo_job;

GRANT SELECT ON TABLE app.touched_executions TO flo_job;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.user_preferences TO flo_app;
GRANT SELECT,DELETE ON TABLE app.user_preferences TO flo_job;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE app.user_roles TO flo_app;
GRANT SELECT ON TABLE app.user_roles TO flo_job;
