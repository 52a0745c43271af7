-- Reserves the key, or raises: FL208 the response is stored already, FL422 the key was used for another request, FL409
-- a person has 1,000 keys outside tenants.
-- While another transaction holds it, this one waits for it (lock_timeout).
CREATE OR REPLACE FUNCTION app.reserve_key(key_name text, request_fingerprint bytea)
RETURNS void
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
