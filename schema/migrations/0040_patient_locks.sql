-- What seals and what drops a partition take how long they may wait: defined anew in schema/functions/partitions.sql,
-- with a parameter more that running code need not name.
-- squawk-ignore-file ban-drop-function
DROP FUNCTION IF EXISTS app.seal_partition(text);
DROP FUNCTION IF EXISTS app.drop_partition(text);
