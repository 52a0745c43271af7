-- How often the job `recover` has tried a recovery, so that one that cannot be applied ends.
ALTER TABLE app.recoveries ADD COLUMN attempts smallint NOT NULL DEFAULT 0;
