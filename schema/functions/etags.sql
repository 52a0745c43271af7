-- What a caller asks for: whether it is there, and whether it is still what the caller has seen (ETags).

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

-- Raises FL404 unless it was found.
CREATE OR REPLACE FUNCTION app.require_found(was_found boolean)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
  IF NOT was_found THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found', message = 'There is nothing under that id.';
  END IF;
END
$$;

-- The use of a key does not change its ETag.
CREATE OR REPLACE FUNCTION app.key_etag(key app.api_keys)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN app.etag(to_jsonb(key) - 'last_used_at');
