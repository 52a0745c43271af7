-- squawk-ignore-file ban-drop-function
-- They know no language. schema/functions defines them anew, with parameters more that running code need not name.
DROP FUNCTION IF EXISTS app.words_of(text);
DROP FUNCTION IF EXISTS app.term_of(uuid, text);
DROP FUNCTION IF EXISTS app.terms_of(uuid, tsvector);
DROP FUNCTION IF EXISTS app.weights_of(tsvector);
DROP FUNCTION IF EXISTS app.query_words(uuid, uuid[], text);
DROP FUNCTION IF EXISTS app.found_words(text, text[]);
DROP FUNCTION IF EXISTS app.create_knowledge_base(text, text, text, jsonb, text);
