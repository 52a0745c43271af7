-- Appends messages to a session, in their order. Returns them with their numbers, and the new total.
CREATE OR REPLACE FUNCTION app.append_messages(key text, appended jsonb, OUT numbered jsonb, OUT total integer)
LANGUAGE plpgsql
AS $$
DECLARE
  session record;
  moment timestamptz;
  bytes integer;
BEGIN
  SELECT s.id, s.messages, s.message_count INTO session
  FROM app.webchat_sessions AS s WHERE s.session_key = key FOR NO KEY UPDATE;
  PERFORM app.require_found(FOUND);
  moment := clock_timestamp();  -- after the wait for the row's lock
  SELECT jsonb_agg(
    m.message || jsonb_build_object('id', session.message_count + m.ordinal, 'created_at', moment) ORDER BY m.ordinal
  )
  INTO numbered
  FROM jsonb_array_elements(appended) WITH ORDINALITY AS m (message, ordinal);
  total := session.message_count + jsonb_array_length(numbered);
  bytes := octet_length((session.messages || numbered)::text);
  IF total > 1000 OR bytes > 1000000 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'session_full',
      message = format(
        'The session would have %s messages and %s bytes, and may have 1000 and 1000000. '
        'Send less, or delete the session and open it anew.', total, bytes
      );
  END IF;
  UPDATE app.webchat_sessions AS s SET messages = s.messages || numbered, updated_at = moment WHERE s.id = session.id;
END
$$;
