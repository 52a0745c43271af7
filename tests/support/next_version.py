"""A made-up next version: a schema that grows in every way that migrations may."""

import shutil
from pathlib import Path

from schema.migrate import FOLDER

GROWING = (
    *("tenants", "tenant_memberships", "user_roles", "api_keys", "rate_limits", "idempotency_keys", "workflows"),
    *("workflow_executions", "webchat_sessions", "user_preferences", "knowledge_bases", "documents", "chunks"),
    *("embedding_tasks", "alerts", "legal_holds", "n8n_instances", "execution_rollups"),
)
TABLE = """
CREATE TABLE app.labels (
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  workflow_id uuid NOT NULL,
  label text NOT NULL,
  PRIMARY KEY (tenant_id, workflow_id, label),
  FOREIGN KEY (tenant_id, workflow_id) REFERENCES app.workflows (tenant_id, id) ON DELETE CASCADE
);
CALL app.isolate('app.labels');
"""
TRIGGER = """
CREATE FUNCTION app.label_is_short() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER label_is_short BEFORE INSERT ON app.workflows FOR EACH ROW EXECUTE FUNCTION app.label_is_short();
"""
INDEX = """-- migrate: no-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS workflows_next_version ON app.workflows (tenant_id, next_version);
"""
EXPAND = {  # each a transaction
    **{
        f"9{number:03}_{table}": f"ALTER TABLE app.{table} ADD COLUMN next_version text DEFAULT 'next';"
        for number, table in enumerate(GROWING)
    },
    "9100_labels": TABLE,
    "9101_trigger": TRIGGER,
    "9102_index": INDEX,
    "9103_check": "ALTER TABLE app.workflows ADD CONSTRAINT is_short CHECK (length(next_version) < 100) NOT VALID;",
    "9104_checked": "ALTER TABLE app.workflows VALIDATE CONSTRAINT is_short;",
}


def next_schema(folder: Path, functions: bool = True) -> Path:
    """The schema of this version with what the next one adds; `functions` says whether all files of them changed."""
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in EXPAND.items():
        (folder / "migrations" / f"{name}.sql").write_text(text)
    for file in (folder / "functions").glob("*.sql") if functions else ():
        file.write_text(file.read_text() + "\n-- of the next version\n")
    return folder
