"""The scheduled function that keeps partitions ready: it connects as flo_job, directly."""

from typing import Any

import psycopg
import pytest
from psycopg import sql

from functions.partitions.handler import lambda_handler
from tests.support.events import Context

LAST = "SELECT max(partition_name) FROM app.partitions() WHERE retention_class = 7"


def run() -> dict[str, Any]:
    return lambda_handler({}, Context(left_ms=600_000))  # pyright: ignore[reportArgumentType]


@pytest.mark.usefixtures("as_job")
def test_a_partition_that_is_missing_is_made(superuser: psycopg.Connection[Any]) -> None:
    run()
    (partition,) = superuser.execute(LAST).fetchall()[0]
    superuser.execute(sql.SQL("DROP TABLE app.{}").format(sql.Identifier(partition)))
    assert run()["partitions_made"] == 1
    assert superuser.execute(LAST).fetchall() == [(partition,)]


@pytest.mark.usefixtures("as_job")
def test_each_run_is_recorded_with_what_it_did(superuser: psycopg.Connection[Any]) -> None:
    answer = run()
    recorded = "SELECT state, counts FROM app.job_runs WHERE job = 'partitions' ORDER BY id DESC LIMIT 1"
    assert superuser.execute(recorded).fetchall() == [(answer.pop("state"), answer)]
