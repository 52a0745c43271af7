-- Images of rows, as a plan has them and as they are written.

-- Whether an image is read only when its row is planned or written, and not with those of all others. One that is
-- compressed may be a hundred times as long, and one that has a part of a value needs the rest of it.
CREATE OR REPLACE FUNCTION app.is_long_image(image jsonb)
RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN pg_column_size(image) > 2000 OR pg_column_compression(image) IS NOT NULL OR image ? 'in_part';

-- How a row was before these changes of it.
CREATE OR REPLACE FUNCTION app.image_before(of_row uuid, seqs bigint[])
RETURNS jsonb
LANGUAGE sql
STABLE
RETURN (
  SELECT app.laid_over(h.old ORDER BY h.seq DESC) FROM app.row_history AS h
  WHERE h.tenant_id = app.tenant() AND h.row_id = of_row AND h.seq = ANY (seqs)
);

-- What stands for a long value: its size, which is that of the whole where it lies in object storage.
CREATE OR REPLACE FUNCTION app.omitted(value jsonb)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN jsonb_build_object(
  'omitted_bytes', coalesce(value #> '{flomastr_object,bytes}', to_jsonb(pg_column_size(value)))
);

-- An image of more than 2,000 bytes without its long values. Names and identifiers are shorter.
CREATE OR REPLACE FUNCTION app.short_image(image jsonb)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN (
  SELECT jsonb_object_agg(v.key, CASE WHEN pg_column_size(v.value) > 2000 THEN app.omitted(v.value) ELSE v.value END)
  FROM jsonb_each(image) AS v
);

-- What a plan has of a stored row of more than 2,000 bytes: what it belongs to, and what an image has otherwise.
CREATE OR REPLACE FUNCTION app.short_row(present jsonb, image jsonb)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN (
  SELECT coalesce(jsonb_object_agg(
    v.key, CASE WHEN pg_column_size(v.value) > 2000 THEN app.omitted(v.value) ELSE v.value END
  ), '{}')
  FROM jsonb_each(present) AS v
  WHERE v.key IN ('workflow_id', 'knowledge_base_id', 'n8n_execution_id')
    OR (image ? v.key AND image -> v.key <> v.value)
);
