"""References to large stored executions: what a delivery does not replace is neither fetched nor written again."""

from collections.abc import Iterator
from random import Random
from string import ascii_letters
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support.factories import Factory, Tenant

type Json = dict[str, Any]

SIZE = 500_000  # bytes that no compression makes smaller
RUNS = [str(number) for number in range(8)]
RECORD = "EXPLAIN (ANALYZE, BUFFERS, WAL, FORMAT JSON) SELECT FROM app.record_executions(%s)"
DELIVERED: dict[str, Json] = {
    "repeated": {"status": "success"},
    "an earlier state": {"status": "running"},
    "a message": {"status": "success", "error_message": "declined"},
    "an earlier start": {"status": "success", "started_at": "2026-01-01T00:00:00Z"},
    "less data": {"status": "success", "execution_data": {"a": 1}},
}


@pytest.fixture(scope="module")
def tenant(make: Factory) -> Tenant:
    """With executions of one letter, and as many large ones."""
    tenant, chosen = make.tenant(), Random(7)
    workflow = make.workflow(tenant, n8n_workflow_id="wf")
    for run in RUNS:
        for kind, text in (("small", "x"), ("large", "".join(chosen.choices(ascii_letters, k=SIZE)))):
            make.execution(
                tenant, workflow, n8n_execution_id=f"{kind}-{run}", execution_data={"text": text, "mode": "x"}
            )
    return tenant


@pytest.fixture
def session(direct_url: str, tenant: Tenant) -> Iterator[psycopg.Connection[Any]]:
    """One that has planned its statements, and whose changes are undone."""
    with psycopg.connect(direct_url) as conn:
        conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(tenant.id),))
        cost(conn, "small", {"status": "error"})
        yield conn
        conn.rollback()


def cost(conn: psycopg.Connection[Any], kind: str, delivery: Json) -> tuple[int, int]:
    """Of a hundred references to each of these executions: blocks that were looked at, and bytes of the log."""
    sent = [{"n8n_workflow_id": "wf", "n8n_execution_id": f"{kind}-{run}"} | delivery for run in RUNS * 100]
    plan = conn.execute(RECORD, (Jsonb(sent),)).fetchall()[0][0][0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], plan["WAL Bytes"]


@pytest.mark.parametrize("delivery", DELIVERED.values(), ids=DELIVERED)
def test_references_to_large_executions_cost_what_those_to_small_ones_do(
    session: psycopg.Connection[Any], delivery: Json
) -> None:
    small_blocks, small_log = cost(session, "small", delivery)
    large_blocks, large_log = cost(session, "large", delivery)
    stored_blocks = len(RUNS) * SIZE / 8192
    assert large_blocks - small_blocks < stored_blocks / 2
    assert large_log - small_log < len(RUNS) * SIZE / 10


@pytest.mark.parametrize(
    ("delivered", "stays"),
    [
        ({"a": 1}, "stored"),
        ({"text": "y" * SIZE, "mode": "x"}, "delivered"),  # as long, and later in the order of texts
        ({"text": "A" * (SIZE - 1), "mode": "x"}, "stored"),
        ({"text": "A" * (SIZE + 1), "mode": "x"}, "delivered"),
    ],
)
def test_the_larger_data_stays_and_is_answered(session: psycopg.Connection[Any], delivered: Json, stays: str) -> None:
    before = read(session)
    sent = {"n8n_workflow_id": "wf", "n8n_execution_id": "large-0", "status": "error", "execution_data": delivered}
    record = "SELECT outcome, (execution).execution_data FROM app.record_executions(jsonb_build_array(%s::jsonb))"
    outcome, answered = session.execute(record, (Jsonb(sent),)).fetchall()[0]
    assert outcome == ("updated" if stays == "delivered" else "unchanged")
    assert answered == read(session) == (delivered if stays == "delivered" else before)


def read(conn: psycopg.Connection[Any]) -> Any:
    found = conn.execute("SELECT execution_data FROM app.workflow_executions WHERE n8n_execution_id = 'large-0'")
    return found.fetchall()[0][0]
