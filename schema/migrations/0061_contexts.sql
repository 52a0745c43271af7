-- squawk-ignore-file ban-drop-function
-- What stands above a passage is indexed and embedded with it: title, headings, a table's first row.
-- content_hash is that of what is embedded.
ALTER TABLE app.chunks ADD context text NOT NULL DEFAULT '';
DROP FUNCTION IF EXISTS app.replace_chunks(app.documents, jsonb);  -- only app.store_document calls it
