-- squawk-ignore-file ban-drop-function
-- Passages of the same text are one result, wherever they stand.
ALTER TABLE app.chunks ADD text_hash bytea CHECK (length(text_hash) = 32);  -- of chunk_text; NULL: it is content_hash
-- Nothing has been released that calls it: app.find_passages takes its place.
DROP FUNCTION IF EXISTS app.search(text, text, integer, uuid, text, jsonb, text[], public.halfvec[]);
