-- Backups that were completed, of this very database: a restored one or a fork has none of its later ones.

CREATE TABLE app.backups (
  id text PRIMARY KEY,  -- of the manifest in object storage: when it was taken, and a random part
  taken_at timestamptz NOT NULL,
  finished_at timestamptz NOT NULL DEFAULT now(),
  snapshot pg_snapshot NOT NULL,  -- what it saw: rows that are older need not be copied by the next one
  manifest_key text NOT NULL,
  rows bigint NOT NULL,
  bytes bigint NOT NULL,  -- of all its objects, compressed
  text_bytes bigint NOT NULL,
  copied_text_bytes bigint NOT NULL,  -- without what an earlier backup had copied already
  seconds double precision NOT NULL
);
CALL app.open_to_jobs('app.backups', 'SELECT, INSERT');
GRANT SELECT ON app.backups TO flo_app;
CREATE POLICY platform ON app.backups FOR SELECT TO flo_app USING ((SELECT app.on_platform()));

-- A backup reads every table.
CALL app.open_to_jobs('app.user_roles', 'SELECT');
GRANT SELECT ON app.reserved_slugs TO flo_job;
