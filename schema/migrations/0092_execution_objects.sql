-- Data of executions that is too large for a row lies in object storage, under the hash of what it is. The row keeps a
-- part of it, with a marker: {"flomastr_object": {"sha256": "...", "bytes": 1048576, "characters": 1048576}}.

-- Objects that are there, or about to be written: claimed first, so that each is known when its writer is killed.
-- `expire` removes those that nothing refers to.
CREATE TABLE app.execution_objects (
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  check_at timestamptz NOT NULL DEFAULT now() + interval '1 day',  -- when to look whether something refers to it
  PRIMARY KEY (tenant_id, sha256)
);
CREATE INDEX execution_objects_check_at ON app.execution_objects (check_at);
CALL app.isolate('app.execution_objects');
REVOKE UPDATE, DELETE ON app.execution_objects FROM flo_app;
GRANT UPDATE (check_at) ON app.execution_objects TO flo_app;
CALL app.open_to_jobs('app.execution_objects', 'SELECT, DELETE');
GRANT UPDATE (check_at) ON app.execution_objects TO flo_job;

-- Executions that an object was recorded for. They may be archived or gone, or have other data by now.
CREATE TABLE app.execution_object_references (
  tenant_id uuid NOT NULL DEFAULT app.tenant(),
  sha256 text NOT NULL,
  execution_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, sha256, execution_id),
  FOREIGN KEY (tenant_id, sha256) REFERENCES app.execution_objects ON DELETE CASCADE
);
CALL app.isolate('app.execution_object_references');
REVOKE UPDATE, DELETE ON app.execution_object_references FROM flo_app;
CALL app.open_to_jobs('app.execution_object_references', 'SELECT, INSERT, DELETE');

-- A number in the marker of an object. NULL: the data lies in the row.
CREATE FUNCTION app.object_size(execution_data jsonb, unit text)
RETURNS numeric
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE
  WHEN jsonb_typeof(execution_data -> 'flomastr_object' -> unit) = 'number'
  THEN greatest((execution_data -> 'flomastr_object' ->> unit)::numeric, 0)
END;

-- The length of an execution's data as text, wherever it lies.
CREATE FUNCTION app.data_length(execution_data jsonb)
RETURNS numeric
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN coalesce(app.object_size(execution_data, 'characters'), length(execution_data::text));

-- Counts until there are more than `most`; of what lies in an object, what it has.
CREATE FUNCTION app.add_data_bytes(bytes bigint, value jsonb, most integer)
RETURNS bigint
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
BEGIN
  RETURN CASE WHEN bytes > most THEN bytes
    ELSE bytes + least(coalesce(app.object_size(value, 'bytes'), octet_length(value::text), 0), 1000000000)::bigint
  END;
END
$$;

-- The bytes of data as text, wherever it lies. Once there are more than `most`, further data is not read.
CREATE AGGREGATE app.data_bytes_of(jsonb, integer) (sfunc = app.add_data_bytes, stype = bigint, initcond = '0');
