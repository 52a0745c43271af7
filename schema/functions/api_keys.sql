-- API keys of a tenant. A key may read and report; administration is for people.

-- Ends a key at once, and those that it was rotated from.
CREATE OR REPLACE FUNCTION app.revoke_key(key_id text, if_match text[])
RETURNS SETOF app.api_keys
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

-- A new key that replaces another, which stays valid for `grace`.
CREATE OR REPLACE FUNCTION app.rotate_key(
  old_id text, new_id text, new_hash bytea, new_signing_hash bytea, grace interval
)
RETURNS SETOF app.api_keys
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
