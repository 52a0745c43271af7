"""What is deleted while the files of rows are planned is in none, and keeps nothing else from being archived."""

from datetime import timedelta
from typing import LiteralString

import pytest
from psycopg.sql import SQL, Composed, Identifier

from tests.support.archive_env import TODAY, ArchiveEnv

PLANS: dict[LiteralString, LiteralString] = {
    "workflow_executions": "app.plan_overflow",
    "webchat_sessions": "app.plan_sessions_v2",
    "row_history": "app.plan_history",
}
# The function that measures a row of the table, what it calls the row, and the table's key.
MEASURING = {
    "workflow_executions": ("execution_checksum", "e", "id"),
    "webchat_sessions": ("session_checksum", "s", "id"),
    "row_history": ("change_checksum", "h", "seq"),
}
DELETING = SQL("""
CREATE OR REPLACE FUNCTION {app}.{name}({row} {table}) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM {table} AS other WHERE other.{key} <> {row}.{key};
  RETURN 1;
END $$
""")


def deleting(source: str) -> Composed:
    """Measures a row, but deletes all others with it."""
    name, row, key = map(Identifier, MEASURING[source])
    return DELETING.format(app=Identifier("app"), name=name, row=row, table=Identifier("app", source), key=key)


@pytest.mark.parametrize("source", PLANS)
def test_rows_that_are_deleted_while_others_are_measured_are_left_out(env: ArchiveEnv, source: LiteralString) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    for age in (100, 101, 102):
        env.execution(tenant, workflow, age, retention_class=0)
        env.session(tenant, workflow, TODAY - timedelta(days=age), user_id=f"user_{age}")
    env.superuser.execute("UPDATE app.row_history SET recorded_at = recorded_at - interval '100 days'")
    with env.superuser.transaction(force_rollback=True):
        env.superuser.execute(deleting(source))
        env.superuser.execute(f"SELECT {PLANS[source]}(%s, 100, 'a plan', '{{}}')", (TODAY,))
        planned = env.superuser.execute("SELECT source, rows FROM app.archive_files").fetchall()
    assert planned == [(source, 1)]
