-- How long an instance took of the last run of `pull`. NULL: a run is reading it, or was killed when it was.
ALTER TABLE app.n8n_connections ADD COLUMN seconds real DEFAULT 0;
