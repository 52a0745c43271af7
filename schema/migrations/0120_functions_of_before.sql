-- migrate: contract
-- squawk-ignore-file ban-drop-function
-- What the functions of before called until they were replaced.
DROP FUNCTION IF EXISTS
app.best_of(uuid, uuid[], text, public.sparsevec, text[], public.halfvec[], integer),
app.light_image(text, jsonb, bigint),
app.whole_image(text, uuid, jsonb),
app.marks(text),
app.long_columns(text);
