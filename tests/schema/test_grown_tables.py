"""Functions while tables have a column more than they know of: between a migration and what comes with it."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from functions.executions.handler import lambda_handler as executions
from tests.conftest import Cluster
from tests.support.connected import connected
from tests.support.databases import copy
from tests.support.events import call
from tests.support.factories import Factory
from tests.support.simple_requests import simple_requests

TABLES = """
SELECT t.relname FROM pg_class AS t
WHERE t.relnamespace = 'app'::regnamespace AND t.relkind IN ('r', 'p') AND NOT t.relispartition
  AND NOT EXISTS (
    SELECT FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
    WHERE a.atttypid = t.reltype
  )
"""  # those whose row is a column elsewhere cannot grow
VALIDATED = """
SELECT count(fmgr_sql_validator(p.oid)) FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.pronamespace = 'app'::regnamespace AND l.lanname = 'sql'
"""
BUILT = r"""
SELECT p.proname, cast_to[1] FROM pg_proc AS p, regexp_matches(p.prosrc, '\)::app\.(\w+)', 'g') AS cast_to
WHERE p.pronamespace = 'app'::regnamespace
"""


@pytest.fixture(scope="module")
def grown(server: Cluster) -> Iterator[str]:
    """The name of a database whose every table has grown."""
    with copy(server) as name:
        with psycopg.connect(server.url("postgres", name), autocommit=True) as conn:
            for (table,) in conn.execute(TABLES).fetchall():
                grow = sql.SQL("ALTER TABLE app.{} ADD COLUMN next_version text DEFAULT 'next'")
                conn.execute(grow.format(sql.Identifier(table)))
        yield name


def test_functions_in_sql_still_return_what_they_declare(server: Cluster, grown: str) -> None:
    with psycopg.connect(server.url("postgres", grown), autocommit=True) as conn:
        ((validated,),) = conn.execute(VALIDATED).fetchall()
    assert validated > 100


def test_no_row_of_a_table_is_built_by_position(server: Cluster, grown: str) -> None:
    """But by a job that folds, which fails then and goes on in its next run."""
    with psycopg.connect(server.url("postgres", grown), autocommit=True) as conn:
        tables = {name for (name,) in conn.execute(TABLES).fetchall()}
        built = conn.execute(BUILT).fetchall()
    assert {(function, table) for function, table in built if table in tables} == {("recovered_runs", "retried_runs")}


def test_simple_requests_are_answered(server: Cluster, grown: str) -> None:
    url = server.url("flo_app", grown)
    with psycopg.connect(url, autocommit=True) as conn, connected(DATABASE_URL=url):
        make = Factory(conn)
        statuses = {name: ask().status for name, ask in simple_requests(make).items()}
        held = make.tenant()
        workflow = make.workflow(held)
        make.hold(held, workflow)
        delivery = {"workflow_id": str(workflow), "n8n_execution_id": "1", "status": "running"}
        held_statuses = [
            call(executions, "POST", "/routes/workflow-executions", caller=held.owner, body=delivery | more).status
            for more in ({}, {"status": "success"}, {"status": "success", "error_message": "other"})
        ]
    assert {name: status for name, status in statuses.items() if status >= 300} == {}
    assert held_statuses == [201, 200, 200]
