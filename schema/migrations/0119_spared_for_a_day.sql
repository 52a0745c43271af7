-- Since when each of `spared` is: after a day its data is asked for again.
ALTER TABLE app.n8n_connections ADD COLUMN spared_at timestamptz [] NOT NULL DEFAULT '{}';
