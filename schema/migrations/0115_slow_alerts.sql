-- When comparing a tenant's alerts took too long: they come after those of all others, the oldest first.
ALTER TABLE app.rollup_settings ADD COLUMN alerts_slow_at timestamptz;
