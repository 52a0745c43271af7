-- squawk-ignore-file ban-drop-function
-- What an answer or a file does not carry is not read either.

-- Counts until there are more than `most`.
CREATE FUNCTION app.add_bytes(bytes bigint, value jsonb, most integer)
RETURNS bigint
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
BEGIN
  RETURN CASE WHEN bytes > most THEN bytes ELSE bytes + coalesce(octet_length(value::text), 0) END;
END
$$;

-- The bytes of values as text. Once there are more than `most`, further values are not read.
CREATE AGGREGATE app.bytes_of(jsonb, integer) (sfunc = app.add_bytes, stype = bigint, initcond = '0');

DROP FUNCTION IF EXISTS app.values_after(app.row_history);  -- takes what it needs of a change
DROP FUNCTION IF EXISTS app.plan_overflow(timestamptz, integer, text);  -- leaves tenants out
