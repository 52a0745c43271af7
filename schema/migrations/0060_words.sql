-- squawk-ignore-file ban-drop-function
-- app.query_words and app.found_words take their place in schema/functions. Only app.search calls them.
DROP FUNCTION IF EXISTS app.query_terms(uuid, uuid[], text);
DROP FUNCTION IF EXISTS app.like_lexemes(text[]);
