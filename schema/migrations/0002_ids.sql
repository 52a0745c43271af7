-- UUIDv7: time-ordered ids, so that an id alone tells when its row began and, for executions, where it lies.

CREATE FUNCTION app.uuid7(moment timestamptz DEFAULT clock_timestamp(), entropy uuid DEFAULT gen_random_uuid())
RETURNS uuid
LANGUAGE sql
VOLATILE
PARALLEL SAFE
RETURN (
  WITH timed AS (
    SELECT overlay(
      uuid_send(entropy)
      PLACING substring(int8send(floor(extract(EPOCH FROM moment) * 1000)::bigint) FROM 3)
      FROM 1
    ) AS bytes
  ),
  versioned AS (  -- 0x0f keeps the low half of the byte, 0x70 is version 7; 0x3f and 0x80 are the variant
    SELECT set_byte(
      set_byte(bytes, 6, (get_byte(bytes, 6) & 15) | 112),
      8, (get_byte(bytes, 8) & 63) | 128
    ) AS bytes
    FROM timed
  )
  SELECT encode(bytes, 'hex')::uuid FROM versioned
);

-- The lowest id of a moment: what bounds partitions and pages.
CREATE FUNCTION app.uuid7_floor(moment timestamptz)
RETURNS uuid
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN rpad(
  encode(substring(int8send(floor(extract(EPOCH FROM moment) * 1000)::bigint) FROM 3), 'hex'),
  32, '0'
)::uuid;

-- The moment in an id.
CREATE FUNCTION app.uuid7_moment(id uuid)
RETURNS timestamptz
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0);
