-- Runs whose data n8n could not give, so that it is not asked for again and again.
ALTER TABLE app.n8n_connections
ADD COLUMN tried int8multirange NOT NULL DEFAULT '{}',  -- open ids whose data has been asked for in vain
ADD COLUMN tried_again int8multirange NOT NULL DEFAULT '{}',  -- twice: it is not asked for any more
ADD COLUMN spared text [] NOT NULL DEFAULT '{}',  -- n8n's ids of workflows that had such a run
ADD COLUMN without_data bigint NOT NULL DEFAULT 0;  -- how many runs are recorded so
