-- squawk-ignore-file ban-drop-not-null
-- Histograms of durations are kept as running totals, by which a percentile is found without reading all of them.

CREATE TYPE app.histogram AS (
  keys smallint[],
  upto integer[]  -- how many durations have this key or a lower one; '{}': one has each key
);
ALTER TABLE app.execution_rollups
ADD duration_upto integer[],  -- NULL: duration_counts tell it
ALTER COLUMN duration_counts DROP NOT NULL;  -- NULL: duration_upto tells it
CREATE POLICY totals ON app.execution_rollups TO flo_owner USING (true) WITH CHECK (true);  -- until the next migration
