-- ETags: the version of a row that a caller has seen.

-- The row as it stands, as one opaque word: equal rows have equal tags.
CREATE OR REPLACE FUNCTION app.etag(stored anyelement)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
AS $$ SELECT md5(stored::text) $$;

CREATE OR REPLACE FUNCTION app.require_match(etag text, if_match text[])
RETURNS boolean
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
  IF if_match IS NOT NULL AND etag <> ALL (if_match) AND '*' <> ALL (if_match) THEN
    RAISE EXCEPTION USING errcode = 'FL412', constraint = 'changed_meanwhile',
      message = 'The resource has changed since you read it. Read it again, then repeat the change with its new ETag.';
  END IF;
  RETURN true;
END
$$;

-- The use of a key does not change its ETag.
CREATE OR REPLACE FUNCTION app.key_etag(key app.api_keys)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN app.etag(to_jsonb(key) - 'last_used_at');
