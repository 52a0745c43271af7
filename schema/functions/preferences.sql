-- The preferences, or FL422 if they are too large: the message names `field`.
CREATE OR REPLACE FUNCTION app.bounded(preferences jsonb, field text)
RETURNS jsonb
LANGUAGE plpgsql
IMMUTABLE
AS $$
BEGIN
  IF octet_length(preferences::text) > 250000 THEN
    RAISE EXCEPTION USING errcode = 'FL422', constraint = 'preferences_too_large',
      message = format(
        '%s: the preferences would have %s bytes, and may have 250000.', field, octet_length(preferences::text)
      );
  END IF;
  RETURN preferences;
END
$$;
