-- squawk-ignore-file ban-drop-function
-- What ranks passages answers with their ids alone: a search that has one list takes it as it is.
DROP FUNCTION IF EXISTS app.best_of(uuid, uuid[], text, public.sparsevec, text[], public.halfvec[], integer);
