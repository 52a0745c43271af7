-- squawk-ignore-file ban-drop-not-null
-- What n8n has said of a workflow last, besides its name, and whose word counts where it was changed here.
ALTER TABLE app.n8n_names ALTER COLUMN name DROP NOT NULL;  -- each with the moment of which it was said
ALTER TABLE app.n8n_names ALTER COLUMN told_at DROP NOT NULL;
ALTER TABLE app.n8n_names ADD COLUMN is_active boolean;
ALTER TABLE app.n8n_names ADD COLUMN active_told_at timestamptz;
ALTER TABLE app.n8n_names ADD COLUMN tags text[];
ALTER TABLE app.n8n_names ADD COLUMN tags_told_at timestamptz;

ALTER TABLE app.n8n_instances ADD COLUMN n8n_wins boolean NOT NULL DEFAULT false;  -- over changes that are made here
