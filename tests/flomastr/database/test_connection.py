"""The sandbox's one connection: who may not open it, how its end is noticed, and how it follows a rotated password."""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from secrets import token_hex
from select import select
from socket import SO_SNDBUF, SOL_SOCKET, socket
from typing import Any

import psycopg
import pytest
from psycopg import sql

from dev.services.postgres import Cluster
from flomastr.database import connection, pipeline, session
from flomastr.database.connection import IDLE_SECONDS
from flomastr.database.query import Count, Query
from flomastr.database.session import BUDGET_SECONDS, ask
from functions.workflows.handler import lambda_handler
from tests.support.clock import HANGS, Clock, until
from tests.support.connected import connected
from tests.support.events import Answer, Context, call
from tests.support.factories import Factory, Tenant
from tests.support.proxy import SYNC, Proxy


def read(tenant: Tenant, left_ms: int = 29_000) -> Answer:
    return call(lambda_handler, "GET", "/routes/workflows", caller=tenant.owner, context=Context(left_ms=left_ms))


def write(tenant: Tenant) -> Answer:
    """Without an Idempotency-Key: nothing that was sent is sent again."""
    return call(lambda_handler, "POST", "/routes/workflows", caller=tenant.owner, body={"name": "Orders"})


@contextmanager
def role(server: Cluster, database: str, attributes: sql.SQL, then: sql.SQL) -> Generator[str]:
    """A login role for as long as the block lasts; `then` is done to it."""
    name = f"unsafe_{token_hex(4)}"
    me = sql.Identifier(name)
    with psycopg.connect(server.url("postgres", database), autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE ROLE {} LOGIN {}").format(me, attributes))
        conn.execute(then.format(me=me))
        yield name
        conn.execute(sql.SQL("DROP OWNED BY {me}; DROP ROLE {me}").format(me=me))


@pytest.mark.parametrize(
    "attributes, then",
    [
        pytest.param(sql.SQL("SUPERUSER"), sql.SQL("SELECT"), id="superuser"),
        pytest.param(sql.SQL("BYPASSRLS"), sql.SQL("SELECT"), id="bypassrls"),
        pytest.param(sql.SQL(""), sql.SQL("GRANT flo_owner TO {me}"), id="member of the owner"),
        pytest.param(
            sql.SQL(""),
            sql.SQL("CREATE TABLE app.t (); ALTER TABLE app.t OWNER TO {me}; GRANT USAGE ON SCHEMA app TO {me}"),
            id="owner of one table",
        ),
    ],
)
def test_a_role_that_row_level_security_does_not_bind_is_refused(
    make: Factory, server: Cluster, database: str, attributes: sql.SQL, then: sql.SQL
) -> None:
    tenant = make.tenant()
    with role(server, database, attributes, then) as name, connected(DATABASE_URL=server.url(name, database)):
        for answer in (read(tenant), write(tenant)):
            assert (answer.status, answer.json["code"]) == (503, "unsafe_role")
    assert (read(tenant).status, read(tenant).json) == (200, [])


def test_the_functions_own_role_is_accepted(make: Factory, server: Cluster, database: str) -> None:
    with connected(DATABASE_URL=server.url("flo_app", database)):
        assert read(make.tenant()).status == 200


def test_one_connection_serves_one_request_after_another(make: Factory, network: Proxy) -> None:
    tenant = make.tenant()
    assert [read(tenant).status, write(tenant).status, read(tenant).status] == [200, 201, 200]
    assert len(network.links) == 1


def test_nothing_follows_the_sync_that_ends_a_request(make: Factory, network: Proxy) -> None:
    tenant = make.tenant()
    read(tenant)
    network.answers.delay = 0.1  # so that nothing is answered when all has been sent
    assert (read(tenant).status, network.requests.end) == (200, SYNC)


def test_what_the_network_takes_slowly_is_sent_to_its_end(network: Proxy) -> None:
    with socket(fileno=os.dup(connection.connection(time.monotonic() + HANGS).fileno())) as end:
        end.setsockopt(SOL_SOCKET, SO_SNDBUF, 4096)
    text = Query("SELECT length(%(text)s) AS count", {"text": "x" * 2_000_000}, Count)
    assert ask(text) == [Count(count=2_000_000)]


def test_a_connection_that_was_reset_meanwhile_is_replaced_before_anything_is_sent(
    make: Factory, network: Proxy
) -> None:
    tenant = make.tenant()
    assert write(tenant).status == 201
    network.reset()
    until(has_news)
    assert write(tenant).status == 201
    assert len(read(tenant).json) == 2


def has_news() -> bool:
    """Whether something came over the connection: its end, as nothing was asked."""
    assert connection.current
    return bool(select([connection.current], [], [], 0)[0])


def test_a_connection_that_died_silently_while_idle_is_replaced_within_the_request(
    make: Factory, network: Proxy
) -> None:
    tenant = make.tenant()
    assert write(tenant).status == 201
    network.lose()
    idle(IDLE_SECONDS + 1)
    assert write(tenant).status == 201
    assert len(read(tenant).json) == 2


def test_only_a_connection_that_idled_is_asked_whether_it_lives(make: Factory, network: Proxy) -> None:
    tenant = make.tenant()
    read(tenant)
    idle(IDLE_SECONDS - 1)
    busy = requests_of(network, tenant)
    idle(IDLE_SECONDS + 1)
    assert requests_of(network, tenant) > busy


def idle(seconds: float) -> None:
    assert connection.current
    connection.current.used_at = time.monotonic() - seconds


def requests_of(network: Proxy, tenant: Tenant) -> int:
    """How many bytes one GET sends."""
    before = network.requests.passed
    assert read(tenant).status == 200
    return network.requests.passed - before


@pytest.mark.parametrize("left_ms, seconds", [(1500, 0.5), (2500, 1.5), (900, -0.1), (29_000, BUDGET_SECONDS)])
def test_the_deadline_is_a_second_before_lambdas(
    make: Factory, monkeypatch: pytest.MonkeyPatch, left_ms: int, seconds: float
) -> None:
    clock, deadlines = Clock(), list[float]()
    execute = pipeline.execute

    def noted(queries: Any, deadline: float, *access: Any, **how: Any) -> Any:
        deadlines.append(deadline - clock.now)
        return execute(queries, deadline, *access, **how)

    monkeypatch.setattr(session, "time", clock)
    monkeypatch.setattr(pipeline, "execute", noted)
    assert read(make.tenant(), left_ms).status == 200  # by the real clock there is an hour left
    assert deadlines == [pytest.approx(seconds)]


@pytest.mark.parametrize("left_ms, at_least", [(1500, 0.4), (2500, 1.4), (900, 0.0)])
def test_at_the_deadline_it_gives_up_whether_connected_or_connecting(
    make: Factory, network: Proxy, left_ms: int, at_least: float
) -> None:
    tenant = make.tenant()
    read(tenant)
    network.blackhole = True
    for is_connected in (True, False):
        if not is_connected:
            connection.discard()
        began = time.monotonic()
        answer = read(tenant, left_ms)
        assert at_least <= time.monotonic() - began < HANGS
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert ("did not answer in the time" in answer.json["detail"]) == is_connected


def test_a_connection_whose_statement_outlives_the_deadline_is_closed_at_once(make: Factory) -> None:
    read(make.tenant())
    opened = connection.connection(time.monotonic() + 0.2)
    with pytest.raises(connection.DeadlineExceededError):
        opened.execute("SELECT pg_sleep(30)")
    assert opened.closed


def test_an_answer_that_comes_too_late_is_nobodys(make: Factory, network: Proxy) -> None:
    tenant, other = make.tenant(), make.tenant()
    write(tenant)
    network.answers.delay = 0.8
    assert read(tenant, left_ms=1500).status == 503
    network.answers.delay = 0
    answer = read(other)
    assert (answer.status, answer.json) == (200, [])


def test_an_answer_cut_anywhere_is_read_again_and_never_mixed_with_the_next(make: Factory, network: Proxy) -> None:
    tenant, other = make.tenant(), make.tenant()
    whole = write(tenant).json
    before = network.answers.passed
    read(tenant)
    answer_bytes = network.answers.passed - before
    for left in range(0, answer_bytes, answer_bytes // 12):
        network.answers.left = left
        answer = read(tenant)
        assert (answer.status, answer.json) == (200, [whole]), left
        assert (read(other).status, read(other).json) == (200, []), left
