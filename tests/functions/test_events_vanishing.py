"""Events of a workflow that somebody deletes at that moment: it is made anew, and none of them is lost."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.support.clock import until
from tests.support.factories import Factory
from tests.support.n8n_capture import executed, instance, stored

WAITING = "SELECT FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
RUNS = [(str(number), f"wf-{number}") for number in range(5)]


@pytest.mark.parametrize("vanishing", ["wf-0", "wf-2", "wf-4"])
def test_events_are_recorded_though_one_of_their_workflows_is_deleted_meanwhile(
    make: Factory, superuser: psycopg.Connection[Any], direct_url: str, vanishing: str
) -> None:
    n8n = instance(make)
    old = {workflow: make.workflow(n8n.tenant, n8n_workflow_id=workflow) for _, workflow in RUNS}
    events = [executed(run, workflowId=workflow) for run, workflow in RUNS]
    with ThreadPoolExecutor(1) as n8ns, psycopg.connect(direct_url) as conn:
        conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(n8n.tenant.id),))
        assert conn.execute("DELETE FROM app.workflows WHERE n8n_workflow_id = %s", (vanishing,)).rowcount == 1
        reported = n8ns.submit(n8n.send, *events)
        until(lambda: superuser.execute(WAITING, (conn.info.backend_pid,)).rowcount)
        conn.commit()
        results = reported.result()
    assert [(result["outcome"], result["error"]) for result in results] == [("created", None)] * len(RUNS)
    rows = stored(superuser, n8n.tenant)
    assert [(row["n8n_execution_id"], row["n8n_workflow_id"]) for row in rows] == RUNS
    ids = superuser.execute("SELECT n8n_workflow_id, id FROM app.workflows WHERE tenant_id = %s", (n8n.tenant.id,))
    new = dict(ids.fetchall())
    assert {workflow for workflow in old if new[workflow] != old[workflow]} == {vanishing}
