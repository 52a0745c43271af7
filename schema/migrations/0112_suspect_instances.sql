-- Whether a run of `pull` was reading the instance, or had been killed when it was, as its address was taken away.
ALTER TABLE app.n8n_instances ADD COLUMN is_suspect boolean NOT NULL DEFAULT false;
