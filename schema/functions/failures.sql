-- Failures by message.

-- A message without what differs from run to run: <url>, <email>, <time>, <id> and <n> stand for it. At most 500
-- characters of it count. NULL of NULL and of nothing but blanks.
CREATE OR REPLACE FUNCTION app.message_pattern(message text)
RETURNS text
LANGUAGE plpgsql
IMMUTABLE
PARALLEL SAFE
AS $$
DECLARE
  p text := btrim(regexp_replace(left(message, 500), '\s+', ' ', 'g'));
BEGIN
  p := regexp_replace(p, '\m[a-z][a-z0-9+.-]*://[^\s"''<>]*[^\s"''<>.,;:)\]]', '<url>', 'gi');
  p := regexp_replace(p, '[\w.+-]+@[\w-]+(\.[\w-]+)+', '<email>', 'g');
  IF p ~ '[0-9]' THEN
    p := regexp_replace(p, '\m[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}\M', '<id>', 'gi');
    p := regexp_replace(
      p, '\m[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?( ?(Z|[+-][0-9]{2}:?[0-9]{2}))?)?',
      '<time>', 'gi'
    );
    p := regexp_replace(p, '\m0x[0-9a-f]+\M', '<id>', 'gi');
    p := regexp_replace(p, '\m(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,}\M', '<id>', 'gi');
    p := regexp_replace(p, '\m(?=[0-9_]*[a-z])(?=[a-z_]*[0-9])[0-9a-z_]{16,}\M', '<id>', 'gi');
    p := regexp_replace(p, '[0-9]+([.,:][0-9]+)*', '<n>', 'g');
  END IF;
  RETURN nullif(p, '');
END
$$;
