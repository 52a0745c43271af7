-- squawk-ignore-file ban-drop-constraint, constraint-missing-not-valid

-- The history of rows is archived as executions and chats are. Its rows have a number and no id, so the ids of its
-- files are made of numbers, which tell no moment: the manifest has the moments of the rows beside them.
ALTER TABLE app.archive_files DROP CONSTRAINT archive_files_source_check;
ALTER TABLE app.archive_files ADD CONSTRAINT archive_files_source_check
CHECK (source IN ('workflow_executions', 'webchat_sessions', 'row_history'));
ALTER TABLE app.archive_files
ADD COLUMN first_at timestamptz,  -- both NULL where the ids tell them
ADD COLUMN last_at timestamptz;
ALTER TYPE app.measured_row ADD ATTRIBUTE recorded_at timestamptz;  -- likewise

-- A recovery looks whether what it would undo is archived.
CREATE POLICY access ON app.archive_files FOR SELECT TO flo_owner USING (true);

-- The id of a change, by which it is listed and archived, and the number in it.
CREATE FUNCTION app.change_id(seq bigint)
RETURNS uuid
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN lpad(to_hex(seq), 32, '0')::uuid;

CREATE FUNCTION app.change_seq(id uuid)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN ('x' || right(replace(id::text, '-', ''), 16))::bit(64)::bigint;
