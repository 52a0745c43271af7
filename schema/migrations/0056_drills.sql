-- Drills: a fork of the cluster at a moment, and the newest backup, restored and compared.

CREATE TABLE app.drills (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  name text NOT NULL UNIQUE,  -- of the fork: by it a fork is found whose drill was killed
  started_at timestamptz NOT NULL DEFAULT now(),
  restored_to timestamptz NOT NULL,  -- the moment of the fork
  finished_at timestamptz,
  verdict text CHECK (verdict IN ('good', 'backup bad', 'fork bad', 'drill bad')),
  problems text[] NOT NULL DEFAULT '{}',
  backup_id text,
  fork_seconds double precision,
  fork_lost_seconds double precision,  -- between that moment and the newest row that the fork has
  restore_seconds double precision,
  backup_lost_seconds double precision,  -- between the newest backup and the drill
  CHECK ((finished_at IS NULL) = (verdict IS NULL))
);
CALL app.open_to_jobs('app.drills', 'SELECT, INSERT, UPDATE');
GRANT SELECT ON app.drills TO flo_app;
CREATE POLICY platform ON app.drills FOR SELECT TO flo_app USING ((SELECT app.on_platform()));
