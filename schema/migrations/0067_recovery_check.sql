-- What there is to restore from, as it is seen from outside of the job that takes backups.

CREATE TABLE app.recovery_check (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  checked_at timestamptz,
  backups integer NOT NULL DEFAULT 0,  -- whose manifests are in the bucket
  newest_backup text,
  oldest_backup_at timestamptz,
  restorable_from timestamptz,  -- the provider's oldest backup: every moment since can be restored
  problems text[] NOT NULL DEFAULT '{}'
);
INSERT INTO app.recovery_check DEFAULT VALUES;
CALL app.open_to_jobs('app.recovery_check', 'SELECT, UPDATE');
GRANT SELECT ON app.recovery_check TO flo_app;
CREATE POLICY platform ON app.recovery_check FOR SELECT TO flo_app USING ((SELECT app.on_platform()));
