-- squawk-ignore-file ban-drop-function
-- What a search is about: passages of these documents, whose metadata contain an object and meet a condition.
CREATE TYPE app.passage_filter AS (documents text[], contained jsonb, condition jsonpath);
-- Nothing has been released that calls these: functions of the same names that take such a filter take their places.
DROP FUNCTION IF EXISTS app.find_passages(text, text, integer, uuid, text, jsonb, text[], public.halfvec[]);
DROP FUNCTION IF EXISTS app.candidates(
  uuid, uuid[], text, integer[], public.sparsevec, text, jsonb, text[], public.halfvec[], integer
);
DROP FUNCTION IF EXISTS app.matching_chunks(uuid, uuid[], integer[], public.sparsevec, text, jsonb, integer);
DROP FUNCTION IF EXISTS app.nearest_chunks(uuid, uuid[], bigint, text, public.halfvec, text, jsonb, integer);
DROP FUNCTION IF EXISTS app.nearest_of_all(uuid, uuid[], text, public.halfvec, text, jsonb, integer);
DROP FUNCTION IF EXISTS app.nearest_by_graph(uuid, uuid[], text, public.halfvec, jsonb, integer);
