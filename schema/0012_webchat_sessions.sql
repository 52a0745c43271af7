-- Chats of a user with a workflow, one for each pair. Their messages are numbered, and only ever appended.

CREATE TABLE app.webchat_sessions (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  -- 244 random bits: who knows the three ids does not know the key
  session_key text NOT NULL DEFAULT encode(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'hex')
  CHECK (length(session_key) BETWEEN 1 AND 255),
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  workflow_id uuid NOT NULL,
  user_id text NOT NULL CHECK (length(user_id) BETWEEN 1 AND 255),
  messages jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(messages) = 'array'),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),  -- when it was last opened or written to
  -- generated: a list that counted messages would otherwise fetch them all
  message_count integer NOT NULL GENERATED ALWAYS AS (jsonb_array_length(messages)) STORED,
  UNIQUE (tenant_id, user_id, workflow_id),
  UNIQUE (tenant_id, session_key),
  FOREIGN KEY (tenant_id, workflow_id) REFERENCES app.workflows (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX webchat_sessions_newest ON app.webchat_sessions (tenant_id, id);
CREATE INDEX webchat_sessions_newest_of_workflow ON app.webchat_sessions (tenant_id, workflow_id, id);
CREATE INDEX webchat_sessions_updated_at ON app.webchat_sessions (tenant_id, updated_at);  -- which are too old
CALL app.isolate('app.webchat_sessions');

-- Members have no part in the chats of others.
CREATE POLICY person ON app.webchat_sessions AS RESTRICTIVE TO flo_app
USING (app.acts_for(user_id)) WITH CHECK (app.acts_for(user_id));

-- Appends messages to a session, in their order. Returns them with their numbers, and how many there then are.
CREATE FUNCTION app.append_messages(key text, appended jsonb, OUT numbered jsonb, OUT total integer)
LANGUAGE plpgsql
AS $$
DECLARE
  session record;
  moment timestamptz;
  bytes integer;
BEGIN
  SELECT s.id, s.messages, s.message_count INTO session
  FROM app.webchat_sessions AS s WHERE s.session_key = key FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found', message = 'There is nothing under that id.';
  END IF;
  moment := clock_timestamp();  -- now that it is this one's turn
  SELECT jsonb_agg(
    m.message || jsonb_build_object('id', session.message_count + m.place, 'created_at', moment) ORDER BY m.place
  )
  INTO numbered
  FROM jsonb_array_elements(appended) WITH ORDINALITY AS m (message, place);
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
