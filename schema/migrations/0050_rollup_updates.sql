-- squawk-ignore-file ban-drop-function, require-concurrent-index-deletion
-- Rollups are updated in their pages: no index has a column that changes, and each page has room for new versions.

DROP INDEX app.execution_rollups_empty;  -- had `runs`, so that each update was one of all indexes
ALTER TABLE app.execution_rollups SET (fillfactor = 90);
DROP FUNCTION IF EXISTS app.add_to_rollups(app.execution_deltas[], app.execution_deltas[]);
