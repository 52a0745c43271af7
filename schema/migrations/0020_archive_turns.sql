-- What lets the archive job go on when one tenant writes, changes its mind or has many files.

-- Executions that were written to while their partition was sealed: they are set aside, and the others are archived.
CREATE TABLE app.touched_executions (
  id uuid NOT NULL,
  partition_name text NOT NULL REFERENCES app.sealed_partitions,
  PRIMARY KEY (id, partition_name)
);
CREATE INDEX touched_executions_partition_name ON app.touched_executions (partition_name);
CALL app.open_to_jobs('app.touched_executions', 'SELECT');
CREATE POLICY access ON app.touched_executions TO flo_owner USING (true) WITH CHECK (true);

-- When the tenant's executions were moved out of the class last: at most once a day.
ALTER TABLE app.retention_class_changes ADD COLUMN moved_at timestamptz;
GRANT UPDATE (moved_at) ON app.retention_class_changes TO flo_job;

-- An object that was read back and is still the same is not read again within hours.
ALTER TABLE app.archive_files ADD COLUMN verified_at timestamptz, ADD COLUMN etag text;
