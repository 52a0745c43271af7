"""A sandbox in a process of its own, frozen while its database goes."""

import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dev.paths import ROOT
from dev.services.database import Database
from tests.support.clock import until
from tests.support.events import http_event
from tests.support.factories import Factory, Tenant
from tests.support.local_platform import Running, running_platform
from tests.support.network_stack import Stack, terminate
from tests.support.pgbouncer import needs_pgbouncer
from tests.support.sandbox_life import frozen

WORKFLOWS, AUTHORIZER = "WorkflowsFunction", "AuthorizerFunction"


@pytest.fixture(scope="module", params=["through the pool", "directly"])
def running(fragile: Stack, data: Path, request: pytest.FixtureRequest) -> Generator[Running]:
    """Two functions on a stack that may be broken."""
    url = fragile.url if request.param == "through the pool" else fragile.postgres.cluster.url("flo_app", "faulty")
    with running_platform(ROOT, data, database=Database("", url, ""), only=(WORKFLOWS, AUTHORIZER)) as running:
        yield running


def ask(running: Running, tenant: Tenant, method: str, path: str = "", body: Any = None) -> tuple[int, Any]:
    answer = running.invoke(WORKFLOWS, http_event(method, f"/routes/workflows{path}", body=body, caller=tenant.owner))
    return answer["statusCode"], json.loads(answer["body"])


def ended(stack: Stack) -> None:
    """All backends of functions; the pooler has heard of it."""
    terminate(stack)
    asked = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'flo_app'"
    until(lambda: stack.postgres.ask(asked) == [(0,)])
    answers(stack)


def pooler_anew(stack: Stack) -> None:
    stack.pooler.stop()
    stack.pooler.start()
    answers(stack)


def postgres_anew(stack: Stack) -> None:
    stack.postgres.kill()
    stack.postgres.start()
    answers(stack)


def reset(stack: Stack) -> None:
    stack.network.reset()


def answers(stack: Stack) -> None:
    def answered() -> bool:
        try:
            with psycopg.connect(stack.url) as conn:
                return conn.execute("SELECT 1").fetchall() == [(1,)]
        except psycopg.OperationalError:
            return False

    until(answered)


@needs_pgbouncer
@pytest.mark.parametrize("goes", [ended, pooler_anew, postgres_anew, reset], ids=lambda goes: goes.__name__)
def test_frozen_while_its_connection_goes_it_answers_the_next_request_rightly(
    running: Running, fragile: Stack, goes: Callable[[Stack], None]
) -> None:
    with psycopg.connect(fragile.postgres.cluster.url("flo_app", "faulty"), autocommit=True) as conn:
        make = Factory(conn)
        tenant, keys = make.tenant(), [make.api_key(make.tenant()) for _ in range(2)]

    def named() -> list[str]:
        status, workflows = ask(running, tenant, "GET")
        assert status == 200
        return sorted(workflow["name"] for workflow in workflows)

    assert named() == []
    with frozen(running.pid(WORKFLOWS)):
        goes(fragile)
    assert named() == []  # a read

    with frozen(running.pid(WORKFLOWS)):
        goes(fragile)
    assert ask(running, tenant, "POST", body={"name": "Once"})[0] == 201  # a write that is not sent twice
    assert named() == ["Once"]

    def allowed(key: Any) -> Any:
        return running.invoke(AUTHORIZER, {"identitySource": [f"Bearer {key.token()}"]})["isAuthorized"]

    assert allowed(keys[0]) is True
    with frozen(running.pid(AUTHORIZER)):
        goes(fragile)
    assert allowed(keys[1]) is True
