-- What counts requests takes their weight: defined anew in schema/functions/rate_limits.sql, with a parameter more that
-- running code need not name.
-- squawk-ignore-file ban-drop-function
DROP FUNCTION IF EXISTS app.spend(text, text, text, bytea, text, text);
DROP FUNCTION IF EXISTS app.take_from_bucket(text, text, integer);
