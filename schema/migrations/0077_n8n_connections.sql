-- How an n8n instance is reached, and how far `pull` has read it. Where it has been read twice, nothing is recorded twice.
CREATE TABLE app.n8n_connections (
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  number smallint NOT NULL,
  n8n_url text NOT NULL CHECK (length(n8n_url) BETWEEN 1 AND 2000),
  api_key bytea NOT NULL CHECK (length(api_key) BETWEEN 1 AND 6000),  -- encrypted
  key_changed_at timestamptz NOT NULL DEFAULT now(),
  version integer NOT NULL DEFAULT 1,  -- of address and key: what was asked by others is not recorded
  next_pull_at timestamptz NOT NULL DEFAULT now(),
  pulled_at timestamptz,  -- when all had been read last
  workflows_at timestamptz,
  failures smallint NOT NULL DEFAULT 0,  -- one after the other
  error text,
  known_id bigint NOT NULL DEFAULT 0,  -- n8n's list has been read down to the run with this id
  known_at timestamptz,  -- when that began, by which one of a later database with its id is told apart
  oldest_id bigint,  -- of the list, when it was last read to its end
  cursor text,  -- of the next page of the list that is being read
  list_id bigint,  -- of the newest run of that list
  list_at timestamptz,
  list_low bigint,  -- and of the last that has been read of it
  open int8multirange NOT NULL DEFAULT '{}',  -- ids that are asked for one by one: not in the list, or not ended
  open_below bigint,  -- which of them are next
  missing int8multirange NOT NULL DEFAULT '{}',  -- ids that n8n had not when it was asked
  PRIMARY KEY (tenant_id, number),
  FOREIGN KEY (tenant_id, number) REFERENCES app.n8n_instances (tenant_id, number) ON DELETE CASCADE
);
CALL app.isolate('app.n8n_connections');
CALL app.open_to_jobs('app.n8n_connections', 'SELECT, DELETE');
