-- Keeps what a measurement of all tenants has found: the last one of each of the last 31 days.
CREATE OR REPLACE FUNCTION app.store_sizes(moment timestamptz, sizes jsonb)
RETURNS void
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
