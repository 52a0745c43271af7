"""How often Postgres plans the statements inside functions that requests call, as pg_stat_statements counts it.

A session of the pooler serves many requests. What it plans once costs none of them; what it plans anew, over every
partition, may cost more than the work.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dev.services.postgres import Cluster, cluster, create_database
from flomastr.workflows import summary
from functions.events.handler import lambda_handler as events
from functions.executions.handler import lambda_handler as executions
from functions.webchat.handler import lambda_handler as webchat
from schema.migrate import migrate
from tests.support.connected import connected
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant
from tests.support.pgbouncer import needs_pgbouncer, pgbouncer
from tests.support.simple_requests import simple_requests

pytestmark = needs_pgbouncer

CALLS = 20  # a session plans anew for the first five, unless told otherwise
COUNTING = (
    "fsync=off",
    "shared_preload_libraries=pg_stat_statements",
    "pg_stat_statements.track=all",
    "pg_stat_statements.track_planning=on",
)
PLANNED_ANEW = """
SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 200) FROM pg_stat_statements
WHERE NOT toplevel AND calls >= %s AND plans > calls / 2 AND query NOT LIKE '%%pg_stat_statements%%'
"""
OF_EXECUTIONS = """
SELECT split_part(query, ' ', 1), plans FROM pg_stat_statements
WHERE NOT toplevel AND query ~ '^(WITH delivered|INSERT INTO app.workflow_ex|UPDATE app.workflow_ex)' ORDER BY query
"""
CLASSES_OF_A_LIST = """
WITH listed AS MATERIALIZED (SELECT count(*) AS rows FROM app.newest_executions_of(NULL, NULL, NULL, NULL, 50))
SELECT ARRAY(
  SELECT DISTINCT substring(l.relation::regclass::text FROM 'workflow_executions_c([0-9]+)_[0-9]{8}$') AS class
  FROM pg_locks AS l WHERE l.pid = pg_backend_pid() AND listed.rows = 0
    AND l.relation::regclass::text ~ 'workflow_executions_c[0-9]+_[0-9]{8}$'
  ORDER BY 1
)
FROM listed
"""  # what is planned is locked
OF_THESE_BOUNDS = ("e.id >= bottom AND e.id < top",)  # planned for the bounds on purpose, over few partitions

type Ask = Callable[[], Answer]


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server that counts plans."""
    data: Path = tmp_path_factory.mktemp("counting")
    for folder in (data, *data.parents[:2]):
        folder.chmod(0o755)
    with cluster(data, settings=COUNTING) as server:
        migrate(create_database(server, "counted"))
        yield server


@pytest.fixture(scope="module")
def statistics(counting: Cluster) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(counting.url("postgres", "counted"), autocommit=True) as conn:
        conn.execute("CREATE EXTENSION pg_stat_statements")
        yield conn


@pytest.fixture(scope="module")
def make(counting: Cluster) -> Iterator[Factory]:
    with psycopg.connect(counting.url("flo_app", "counted"), autocommit=True) as conn:
        yield Factory(conn)


@pytest.fixture
def one_session(counting: Cluster, statistics: psycopg.Connection[Any], database_url: str) -> Iterator[None]:
    """All requests meet one session of Postgres."""
    with ExitStack() as stack:
        url = stack.enter_context(pgbouncer(counting.url("flo_app", "counted"), pool_size=1))
        stack.enter_context(connected(DATABASE_URL=url))
        yield


def recording(make: Factory) -> dict[str, Ask]:
    tenant = make.tenant()
    workflow = make.workflow(tenant, n8n_workflow_id="wf")
    old = [make.execution(tenant, workflow, n8n_execution_id=f"old-{n}", status="running") for n in range(2 * CALLS)]
    fresh, known = count(), iter(range(len(old)))
    path, at = "/routes/workflow-executions", datetime.now(UTC) - timedelta(days=20)

    def ask(handler: Any, path: str, body: Any, headers: dict[str, str] | None = None) -> Answer:
        return call(handler, "POST", path, body=body, caller=tenant.owner, headers=headers or {})

    def delivery(n8n_id: str | None, status: str = "success") -> dict[str, Any]:
        return {"n8n_workflow_id": "wf", "n8n_execution_id": n8n_id, "status": status, "started_at": at.isoformat()}

    return {
        "POST without an n8n id": lambda: ask(executions, path, delivery(None)),
        "POST of one": lambda: ask(executions, path, delivery(f"{next(fresh)}")),
        "POST of an old one": lambda: ask(executions, path, delivery(f"old-{next(known)}")),
        "batch of 50": lambda: ask(
            executions, f"{path}/batch", {"executions": [delivery(f"{next(fresh)}") for _ in range(50)]}
        ),
        "event": lambda: ask(events, "/routes/n8n/events", failure(next(fresh)), key_of(make, tenant)),
        "chat message": chat(make, tenant, str(workflow)),
    }


def failure(number: int) -> dict[str, Any]:
    error = {"message": "card_declined", "stack": "Error: card_declined"}
    run = {"id": str(number), "error": error, "lastNodeExecuted": "Charge", "mode": "webhook"}
    return {"execution": run, "workflow": {"id": "wf", "name": "Payment capture"}}


def key_of(make: Factory, tenant: Tenant) -> dict[str, str]:
    return {"authorization": f"Bearer {make.api_key(tenant).token()}"}


def chat(make: Factory, tenant: Tenant, workflow: str) -> Ask:
    session = make.session(tenant, workflow)  # pyright: ignore[reportArgumentType]
    message = {"messages": [{"role": "user", "content": "Hello"}]}
    path = f"/routes/webchat/sessions/{session}/messages"
    return lambda: call(webchat, "POST", path, body=message, caller=tenant.owner)


def test_no_request_has_the_statements_of_a_function_planned_anew(
    make: Factory, statistics: psycopg.Connection[Any], one_session: None
) -> None:
    planned_anew: dict[str, list[str]] = {}
    for name, ask in (recording(make) | simple_requests(make)).items():
        repeated(ask, statistics)
        texts = [text for (text,) in statistics.execute(PLANNED_ANEW, [CALLS]).fetchall()]
        planned_anew[name] = [text for text in texts if not any(known in text for known in OF_THESE_BOUNDS)]
    assert {name: texts for name, texts in planned_anew.items() if texts} == {}


@pytest.mark.parametrize(
    ("request_name", "planned"),
    [("POST of one", ["INSERT", "WITH"]), ("POST of an old one", ["INSERT", "UPDATE", "WITH"])],
)
def test_a_session_plans_the_recording_of_an_execution_once(
    make: Factory, statistics: psycopg.Connection[Any], one_session: None, request_name: str, planned: list[str]
) -> None:
    repeated(recording(make)[request_name], statistics)
    assert statistics.execute(OF_EXECUTIONS).fetchall() == [(verb, 1) for verb in planned]


def test_a_session_plans_over_the_partitions_once_to_read_executions(
    make: Factory, statistics: psycopg.Connection[Any], one_session: None
) -> None:
    tenant = make.tenant()
    path = f"/routes/workflow-executions/{make.execution(tenant, make.workflow(tenant))}"
    repeated(lambda: call(executions, "GET", path, caller=tenant.owner), statistics)
    of_table = "SELECT toplevel, plans FROM pg_stat_statements WHERE query ~ 'FROM app.workflow_executions'"
    assert statistics.execute(of_table).fetchall() == [(False, 1)]


def test_a_list_plans_over_the_partitions_of_its_tenants_classes_alone(make: Factory) -> None:
    tenant = make.tenant(hot_ttl_days=30)
    make.within(tenant.id, "UPDATE app.tenants SET hot_ttl_days = 90", {})
    (classes,) = make.within(tenant.id, CLASSES_OF_A_LIST, {})
    assert classes == ["30", "90"]


def test_a_summary_of_many_executions_may_be_counted_by_several_processes(counting: Cluster) -> None:
    counted = summary.groups(summary.Asked(), 90, copies=True)
    with psycopg.connect(counting.url("flo_app", "counted")) as conn:
        conn.execute("SET LOCAL debug_parallel_query = on")  # whatever it costs
        plan = conn.execute(b"EXPLAIN " + counted.sql.encode(), counted.params).fetchall()
    assert plan[0][0].startswith("Gather")


def repeated(ask: Ask, statistics: psycopg.Connection[Any]) -> None:
    statistics.execute("SELECT pg_stat_statements_reset()")
    for _ in range(CALLS):
        answer = ask()
        assert answer.status < 300, answer


def test_a_plan_of_a_recovery_is_copied_into_no_plan_of_a_statement(superuser: psycopg.Connection[Any]) -> None:
    """A parameter is a constant of a custom plan: 8,000 rows in 16 MB took 300 MB."""
    generic = superuser.execute(
        "SELECT proname FROM pg_proc"
        " WHERE 'app.planned_row[]'::regtype = ANY (proargtypes)"
        " AND 'plan_cache_mode=force_generic_plan' = ANY (proconfig)"
    )
    asked = {"left_as_they_are", "without_orphans", "without_taken", "with_models_of_bases", "swept_along"}
    assert asked <= {name for (name,) in generic.fetchall()}
