"""What is deleted while the files of rows are planned is in none, and keeps nothing else from being archived."""

from datetime import timedelta
from typing import LiteralString

import pytest

from tests.support.archive_env import TODAY, ArchiveEnv

PLANS: dict[LiteralString, LiteralString] = {
    "workflow_executions": "app.plan_overflow",
    "webchat_sessions": "app.plan_sessions_v2",
    "row_history": "app.plan_history",
}
# Functions that measure a row, but delete all others with it.
DELETING: dict[LiteralString, LiteralString] = {
    "workflow_executions": """
    CREATE OR REPLACE FUNCTION app.execution_checksum(e app.workflow_executions) RETURNS bigint LANGUAGE plpgsql AS $$
    BEGIN
      DELETE FROM app.workflow_executions AS other WHERE other.id <> e.id;
      RETURN 1;
    END $$
    """,
    "webchat_sessions": """
    CREATE OR REPLACE FUNCTION app.session_checksum(s app.webchat_sessions) RETURNS bigint LANGUAGE plpgsql AS $$
    BEGIN
      DELETE FROM app.webchat_sessions AS other WHERE other.id <> s.id;
      RETURN 1;
    END $$
    """,
    "row_history": """
    CREATE OR REPLACE FUNCTION app.change_checksum(h app.row_history) RETURNS bigint LANGUAGE plpgsql AS $$
    BEGIN
      DELETE FROM app.row_history AS other WHERE other.seq <> h.seq;
      RETURN 1;
    END $$
    """,
}


@pytest.mark.parametrize("source", PLANS)
def test_rows_that_are_deleted_while_others_are_measured_are_left_out(env: ArchiveEnv, source: LiteralString) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    for age in (100, 101, 102):
        env.execution(tenant, workflow, age, retention_class=0)
        env.session(tenant, workflow, TODAY - timedelta(days=age), user_id=f"user_{age}")
    env.superuser.execute("UPDATE app.row_history SET recorded_at = recorded_at - interval '100 days'")
    with env.superuser.transaction(force_rollback=True):
        env.superuser.execute(DELETING[source])
        env.superuser.execute(f"SELECT {PLANS[source]}(%s, 100, 'a plan', '{{}}')", (TODAY,))
        planned = env.superuser.execute("SELECT source, rows FROM app.archive_files").fetchall()
    assert planned == [(source, 1)]
