"""Reads by a streaming replica: never staler than they may be, never failed by it, and whose own writes are seen."""

import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from flomastr.database import pipeline, replica
from flomastr.database.access import AccessRequest
from flomastr.database.pipeline import execute
from flomastr.database.query import Count, Query
from flomastr.database.replica import LogPosition, Reading, lag
from flomastr.database.session import deadline_in
from flomastr.doctor import clocks, reach
from flomastr.doctor.verdicts import ok
from functions.executions.handler import lambda_handler as executions
from functions.workflows.handler import lambda_handler as workflows
from tests.support.archive_env import emitted
from tests.support.clock import HANGS, until
from tests.support.connected import connected
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant, machine
from tests.support.proxy import Proxy
from tests.support.replicated import DATABASE, Replicated, replicated

BOUND = "3600"  # seconds: what a busy machine takes is no lag
HEADER = "flo-consistency"
ONE = Query("SELECT 1 AS count", {}, Count)


@pytest.fixture(scope="session")
def servers() -> Generator[Replicated]:
    with replicated() as servers:
        yield servers


@dataclass
class Client:
    """Of a tenant in a sandbox that knows a replica."""

    servers: Replicated
    make: Factory
    tenant: Tenant
    served: list[bool] = field(default_factory=list[bool])  # of each read that the replica was asked for: by it or not

    @property
    def network(self) -> Proxy:
        return self.servers.replica_network

    def ask(self, **request: Any) -> Answer:
        request.setdefault("caller", self.tenant.owner)
        return call(workflows, "GET", "/routes/workflows", **request)

    def create(self, name: str) -> Answer:
        return call(workflows, "POST", "/routes/workflows", caller=self.tenant.owner, body={"name": name})

    def names(self, **request: Any) -> list[str]:
        answer = self.ask(**request)
        assert answer.status == 200, answer.body
        return [workflow["name"] for workflow in answer.json]

    def is_served(self) -> bool:
        """Whether a read, which must succeed, is answered by the replica."""
        self.served.clear()
        self.names()
        return self.served == [True]

    def rests(self) -> bool:
        return time.monotonic() < replica.link.rests_until


@contextmanager
def sandbox(servers: Replicated, **environment: str) -> Generator[None]:
    settings = servers.environment | {"REPLICA_MAX_LAG_SECONDS": BOUND} | environment
    with connected(**settings):
        yield
        if not environment:
            servers.follow()


@pytest.fixture
def client(servers: Replicated, monkeypatch: pytest.MonkeyPatch) -> Generator[Client]:
    monkeypatch.setattr(replica, "PATIENCE_SECONDS", HANGS)  # a busy machine is not silent
    rows = Reading.rows
    with (
        psycopg.connect(servers.primary.url("flo_app", DATABASE), autocommit=True) as conn,
        sandbox(servers),
    ):
        client = Client(servers, Factory(conn), Factory(conn).tenant())

        def noted(reading: Reading, written: LogPosition) -> Any:
            found = rows(reading, written)
            client.served.append(found is not None)
            return found

        monkeypatch.setattr(Reading, "rows", noted)
        until(client.is_served)
        yield client
        replica.link.rests_until = 0.0


def test_a_list_takes_one_round_trip_to_each_server(client: Client) -> None:
    client.create("Orders")
    client.servers.follow()
    with client.network.counting_turns(), client.servers.primary_network.counting_turns():
        assert client.names() == ["Orders"]
    assert client.served[-1]
    assert (client.network.turns, client.servers.primary_network.turns) == (1, 1)


def test_both_are_asked_before_either_answers(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    vouch, asked = pipeline.vouch, client.network.requests.passed

    def later(*args: Any) -> LogPosition:
        until(lambda: client.network.requests.passed > asked)
        assert not replica.worker._work_queue.qsize()  # pyright: ignore[reportPrivateUsage]
        return vouch(*args)

    monkeypatch.setattr(pipeline, "vouch", later)
    assert client.is_served()


def test_its_share_and_its_lag_are_measured(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    client.servers.follow()
    capsys.readouterr()
    client.names()
    measured = emitted(capsys.readouterr().out)
    assert (measured["ReplicaShare"], len(measured["ReplicaLag"])) == ([1], 1)
    client.names(headers={HEADER: "f" * 16})
    assert emitted(capsys.readouterr().out)["ReplicaShare"] == [0]
    replica.link.rests_until = time.monotonic() + HANGS
    client.names()
    assert emitted(capsys.readouterr().out)["ReplicaShare"] == [0]


def test_what_the_replica_answers_is_what_it_has(client: Client) -> None:
    with client.servers.paused():
        client.create("Orders")
        assert (client.names(), client.served[-1]) == ([], True)
    client.servers.follow()
    assert (client.names(), client.served[-1]) == (["Orders"], True)


def test_a_client_sees_its_own_writes_always(client: Client) -> None:
    names = list[str]()
    for number in range(30):
        answer = client.create(f"Workflow {number}")
        names.insert(0, f"Workflow {number}")
        assert client.names(headers={HEADER: answer.headers[HEADER]}) == names


def test_a_client_sees_its_own_writes_though_the_replica_does_not_have_them(client: Client) -> None:
    with client.servers.paused():
        seen = {HEADER: client.create("Orders").headers[HEADER]}
        assert (client.names(headers=seen), client.served[-1]) == (["Orders"], False)
        assert not client.rests()
    client.servers.follow()
    assert (client.names(headers=seen), client.served[-1]) == (["Orders"], True)


def test_a_position_that_was_made_up_costs_no_more_than_the_replica(client: Client) -> None:
    assert client.ask(headers={HEADER: "f" * 16}).status == 200
    assert client.served[-1] is False
    assert client.ask(headers={HEADER: "0" * 16}).status == 200
    assert client.served[-1] is True
    refused = client.ask(headers={HEADER: "0/15A2B3C"})
    assert (refused.status, refused.json["errors"]) == (
        422,
        [{"field": "header.flo-consistency", "message": "is not what a write has answered in Flo-Consistency"}],
    )


def test_writes_alone_answer_a_position(client: Client) -> None:
    created = client.create("Orders")
    path = created.headers["location"]
    assert len(created.headers[HEADER]) == 16
    renamed = call(workflows, "PUT", path, caller=client.tenant.owner, body={"name": "Sales"})
    assert renamed.headers[HEADER] > created.headers[HEADER]
    for answer in (client.ask(), call(workflows, "GET", path, caller=client.tenant.owner)):
        assert answer.status == 200
        assert HEADER not in answer.headers


def test_beyond_the_bound_the_primary_answers(client: Client) -> None:
    with client.servers.paused():
        client.create("Orders")
        with sandbox_of(client, REPLICA_MAX_LAG_SECONDS="0"):
            assert (client.names(), client.served[-1]) == (["Orders"], False)
            assert client.rests()
            asked = client.network.requests.passed
            assert client.names() == ["Orders"]
            assert client.network.requests.passed == asked


@contextmanager
def sandbox_of(client: Client, **environment: str) -> Generator[None]:
    """Another one, which is connected to the replica already."""
    with sandbox(client.servers, **environment):
        until(lambda: client.ask().status == 200 and replica.connected())
        replica.link.rests_until = 0.0
        yield


MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "replayed", "seconds"),
    [
        pytest.param((100, MOMENT), (100, None), 0.0, id="all of it, whenever that was"),
        pytest.param((100, MOMENT), (101, MOMENT - timedelta(days=1)), 0.0, id="more than was asked for"),
        pytest.param((100, MOMENT), (99, MOMENT - timedelta(seconds=9)), 9.0, id="as old as the last that it has"),
        pytest.param((100, MOMENT), (99, None), float("inf"), id="just started"),
        pytest.param((None, MOMENT), (99, MOMENT), float("inf"), id="a primary that recovers"),
    ],
)
def test_lag_is_the_age_of_what_may_be_missing(
    written: tuple[int | None, datetime], replayed: tuple[int, datetime | None], seconds: float
) -> None:
    assert lag(LogPosition(*written, "a context"), LogPosition(*replayed, "a context")) == seconds


def test_an_idle_primary_makes_no_lag(client: Client) -> None:
    """However long ago its last commit was, the replica has it."""
    with sandbox_of(client, REPLICA_MAX_LAG_SECONDS="0"):

        def is_served() -> bool:
            client.servers.follow()
            replica.link.rests_until = 0.0
            return client.is_served()

        until(is_served)


def test_a_killed_replica_fails_no_read(client: Client) -> None:
    client.create("Orders")
    client.servers.replica.kill()
    try:
        for _ in range(5):
            assert client.names() == ["Orders"]
        assert client.rests()
    finally:
        client.servers.replica.start()
    replica.link.rests_until = 0.0
    until(client.is_served)


def test_a_replica_that_is_gone_is_asked_by_nobody_for_some_seconds(client: Client) -> None:
    client.network.down()
    until(lambda: client.names() == [] and client.rests())
    assert replica.link.opening is None
    client.network.up()
    assert client.names() == []
    assert replica.link.opening is None
    replica.link.rests_until = 0.0
    until(client.is_served)


def test_a_silent_replica_is_waited_for_once_and_not_for_long(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "PATIENCE_SECONDS", 0.2)
    client.create("Orders")
    client.network.lose()
    client.served.clear()
    assert (asked(client, ONE, seconds=3600), client.served) == (
        [[Count(count=1)]],
        [False],
    )  # long before half of that
    assert client.rests()
    assert (client.names(), client.served) == (["Orders"], [False])
    monkeypatch.setattr(replica, "PATIENCE_SECONDS", HANGS)
    replica.link.rests_until = 0.0
    until(client.is_served)


def test_no_read_waits_for_a_connection_to_the_replica(client: Client) -> None:
    client.create("Orders")
    client.network.blackhole = True
    with sandbox(client.servers):
        client.served.clear()
        assert client.names() == client.names() == ["Orders"]
        assert replica.link.opening
        assert not replica.link.opening.done()
        assert client.served == []
        client.network.blackhole = False
        until(lambda: client.names() == ["Orders"] and client.rests())


def test_a_statement_may_take_longer_than_the_first_word(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "PATIENCE_SECONDS", 0.5)
    slow = Query("SELECT 1 AS count FROM pg_sleep(CASE WHEN pg_is_in_recovery() THEN 1 ELSE 0 END)", {}, Count)
    assert (asked(client, slow), client.served[-1]) == ([[Count(count=1)]], True)


def asked(client: Client, query: Query[Any], seconds: float = 4.5) -> list[list[Any]]:
    access = AccessRequest(client.tenant.owner, client.tenant.slug, "workflows:read", replica_from=0)
    return execute([query], time.monotonic() + seconds, access)


def test_a_read_that_a_dropped_partition_cancels_is_answered_by_the_primary(client: Client) -> None:
    waits = Query(
        """
        SELECT count(*) FROM app.workflow_executions, pg_sleep(CASE WHEN pg_is_in_recovery() THEN 60 ELSE 0 END)
        """,
        {},
        Count,
    )
    client.make.execution(client.tenant, client.make.workflow(client.tenant))
    client.servers.follow()
    with ThreadPoolExecutor(1) as other:
        found = other.submit(asked, client, waits)
        until(lambda: client.servers.ask_replica("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
        [(leaf,), *_] = client.servers.ask_primary(
            "SELECT relid::text FROM pg_partition_tree('app.workflow_executions') WHERE isleaf ORDER BY relid::text"
        )
        client.servers.ask_primary(sql.SQL("DROP TABLE {}").format(sql.Identifier(*leaf.split("."))))
        assert (found.result(), client.served[-1]) == ([[Count(count=1)]], False)
    assert not client.rests()
    until(client.is_served)


def test_what_only_the_primary_can_do_is_done_there(client: Client) -> None:
    numbers = Query("SELECT pg_current_xact_id()::text::bigint AS count", {}, Count)
    assert (len(asked(client, numbers)), client.served[-1]) == (1, False)
    assert not client.rests()
    assert client.is_served()


def test_a_promoted_replica_is_asked_no_more(client: Client) -> None:
    client.create("Orders")
    client.servers.follow()
    client.servers.ask_replica("SELECT pg_promote()")
    client.servers.ask_replica("DELETE FROM app.workflows")
    try:
        assert (client.names(), client.served[-1]) == (["Orders"], False)
        assert client.rests()
        assert client.names() == ["Orders"]
    finally:
        client.servers.replica.replace()
    replica.link.rests_until = 0.0
    until(client.is_served)


def test_a_request_is_counted_once_wherever_it_is_answered(client: Client) -> None:
    def left(**headers: str) -> int:
        return int(client.ask(headers=headers).headers["ratelimit"].split(";")[1].removeprefix("r="))

    client.make.within(client.tenant.id, "UPDATE app.rate_limits SET rate_limit_per_minute = 60", {})
    first = left()
    assert (left(), client.served[-1]) == (first - 1, True)
    assert (left(**{HEADER: "f" * 16}), client.served[-1]) == (first - 2, False)


def test_a_limit_holds_whatever_the_replica_would_answer(client: Client) -> None:
    client.make.within(client.tenant.id, "UPDATE app.rate_limits SET rate_limit_per_minute = 1", {})
    answers = [client.ask() for _ in range(3)]
    assert [answer.status for answer in answers[1:]] == [429, 429]
    assert answers[-1].headers["ratelimit"].startswith('"tenant";r=0')
    client.make.within(client.tenant.id, "UPDATE app.rate_limits SET rate_limit_per_minute = 1000", {})


def test_a_tenant_sees_its_own_rows_alone(client: Client) -> None:
    other = client.make.tenant()
    client.make.workflow(other, name="Another's")
    client.create("Orders")
    client.servers.follow()
    assert (client.names(), client.served[-1]) == (["Orders"], True)
    assert (client.names(caller=other.owner), client.served[-1]) == (["Another's"], True)
    assert client.ask(headers={"x-tenant": other.slug}).status == 404
    unknown = call(
        executions, "GET", "/routes/workflow-executions", caller=client.tenant.owner, headers={"x-tenant": other.slug}
    )
    assert unknown.status == 404


def test_who_may_read_is_what_the_primary_says(client: Client) -> None:
    key, person = client.make.api_key(client.tenant), client.make.person()
    client.make.member(client.tenant.id, person)
    with client.servers.paused():
        newcomer = client.make.person()
        client.make.member(client.tenant.id, newcomer)
        client.make.within(client.tenant.id, "UPDATE app.api_keys SET revoked_at = now()", {})
        client.make.within(
            client.tenant.id, "DELETE FROM app.tenant_memberships WHERE user_id = %(id)s", {"id": person.user_id}
        )
        assert client.ask(caller=machine(key)).status == 401
        assert client.ask(caller=person).status == 404
        assert (client.names(caller=newcomer), client.served[-1]) == ([], False)


def test_a_slug_means_the_tenant_that_has_it_on_the_primary(client: Client) -> None:
    other = client.make.tenant()
    client.make.member(other.id, client.tenant.owner)
    client.make.workflow(other, name="Another's")
    client.create("Orders")
    with client.servers.paused():
        rename = "UPDATE app.tenants SET slug = %(slug)s WHERE id = app.tenant()"
        client.make.within(client.tenant.id, rename, {"slug": f"{client.tenant.slug}-old"})
        client.make.within(other.id, rename, {"slug": client.tenant.slug})
        assert client.names(headers={"x-tenant": client.tenant.slug}) == ["Another's"]
        assert client.served[-1] is False


def test_a_replica_that_is_the_primary_or_not_bound_by_row_level_security_is_not_used(client: Client) -> None:
    client.create("Orders")
    primary = client.servers.environment["DATABASE_URL"]
    superuser = client.servers.replica.cluster.url("postgres", DATABASE)
    for url in (primary, superuser):
        with sandbox(client.servers, DATABASE_REPLICA_URL=url):
            client.served.clear()
            until(lambda: client.names() == ["Orders"] and client.rests())
            assert True not in client.served


def test_without_a_replica_nothing_more_is_sent(client: Client) -> None:
    network = client.servers.primary_network

    def sent(access: AccessRequest) -> int:
        execute([ONE], deadline_in(4), access)
        before = network.requests.passed
        execute([ONE], deadline_in(4), access)
        return network.requests.passed - before

    reading = AccessRequest(client.tenant.owner, client.tenant.slug, "workflows:read")
    writing = AccessRequest(client.tenant.owner, client.tenant.slug, "workflows:write")
    with sandbox(client.servers, DATABASE_REPLICA_URL=""):
        alone = sent(reading)
        assert sent(AccessRequest(client.tenant.owner, client.tenant.slug, "workflows:read", replica_from=0)) == alone
        assert sent(writing) == alone + 2 * len("write") - 2 * len("read")
        assert HEADER not in client.create("Orders").headers
        assert replica.link == replica.Link()


def test_the_doctor_says_whether_it_lags_too_far(client: Client) -> None:
    with closing(reach.opened()) as conn:
        until(lambda: clocks.replica(conn) == ok("it lags by 0.0 s"))
        with client.servers.paused(), sandbox(client.servers, REPLICA_MAX_LAG_SECONDS="0"):
            client.create("Unseen")
            assert clocks.replica(conn).status == "warn"
