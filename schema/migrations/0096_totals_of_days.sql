-- squawk-ignore-file ban-drop-function
-- The running totals of what dashboards read of 30 days. Hours of workflows get theirs when they change.

SELECT pg_advisory_xact_lock(hashtextextended(concat('app', '.fold_deltas'), 0));  -- no fold runs meanwhile
DROP FUNCTION IF EXISTS app.move_to_rollups(uuid, integer);  -- which would change counts alone, until it is replaced
UPDATE app.execution_rollups SET duration_upto = CASE
  WHEN 1 = ALL (duration_counts) THEN '{}'
  ELSE ARRAY(
    SELECT (sum(count) OVER (ORDER BY place))::integer
    FROM unnest(duration_counts) WITH ORDINALITY AS c (count, place) ORDER BY place
  )
END
WHERE grain <> 'hour' AND duration_upto IS NULL;
DROP POLICY totals ON app.execution_rollups;
