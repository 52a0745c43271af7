-- Images of rows without what is too long for a plan.

-- The columns of a table that are too long for a plan.
CREATE OR REPLACE FUNCTION app.long_columns(of_table text)
RETURNS text[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE of_table
  WHEN 'documents' THEN '{content,passages}' WHEN 'knowledge_bases' THEN '{description}' ELSE '{}'
END::text[];

-- Under which an image without long values says which change of the history has them.
CREATE OR REPLACE FUNCTION app.marks(of_table text)
RETURNS text[]
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN ARRAY(SELECT 'history of ' || c.name FROM unnest(app.long_columns(of_table)) AS c (name));

CREATE OR REPLACE FUNCTION app.light_image(of_table text, image jsonb, seq bigint)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE WHEN image ?| app.long_columns(of_table) THEN image - app.long_columns(of_table) || (
  SELECT jsonb_object_agg('history of ' || c.name, seq) FROM unnest(app.long_columns(of_table)) AS c (name)
  WHERE image ? c.name
) ELSE image END;

-- The image of a row with the long values that the history has.
CREATE OR REPLACE FUNCTION app.whole_image(of_table text, of_row uuid, image jsonb)
RETURNS jsonb
LANGUAGE sql
STABLE
RETURN CASE WHEN image ?| app.marks(of_table) THEN image - app.marks(of_table) || (
  SELECT coalesce(jsonb_object_agg(c.name, h.old -> c.name), '{}')
  FROM unnest(app.long_columns(of_table)) AS c (name)
  JOIN app.row_history AS h ON h.tenant_id = app.tenant() AND h.row_id = of_row
    AND h.seq = (image -> ('history of ' || c.name))::bigint
) ELSE image END;
