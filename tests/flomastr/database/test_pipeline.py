"""What is sent again after an error, what is not, and what the caller is told."""

import json
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from dev.services.postgres import Cluster
from flomastr.database import connection, pipeline
from flomastr.database.pipeline import execute
from flomastr.database.query import Query
from flomastr.database.session import ask
from flomastr.errors import ConflictError, ErrorCode, NotFoundError, ServiceError, UnavailableError, UnprocessableError
from flomastr.http.problems import problem
from tests.support.clock import HANGS, Clock, until
from tests.support.factories import Tenant
from tests.support.failing_queries import (
    Answered,
    Superuser,
    Written,
    access,
    executed,
    failing,
    sent,
    simple,
    write,
    written,
)
from tests.support.pgbouncer import needs_pgbouncer
from tests.support.proxy import Proxy

pytestmark = pytest.mark.usefixtures("attempts")

SURELY_UNDONE = ["40001", "40P01", "53300", "57P03", "23503"]  # the last: what a row refers to has vanished
CONNECTION_LOST = ["57P01", "57P02", "57P05", "08000", "08003", "08006", "08P01", "killed"]
BUSY = ["55P03", "57014", "57P04", "25006", "25P03", "53100", "53200"]


@pytest.mark.parametrize("state", SURELY_UNDONE)
@pytest.mark.parametrize("scope", ["workflows:read", "workflows:write"])
def test_what_is_surely_undone_is_sent_again(tenant: Tenant, state: str, scope: str) -> None:
    assert executed(tenant, failing(state), scope=scope) == [[Answered(attempt=2)]]


@pytest.mark.parametrize("state", CONNECTION_LOST)
def test_after_a_loss_a_read_is_sent_again(tenant: Tenant, state: str) -> None:
    assert executed(tenant, failing(state), scope="workflows:read") == [[Answered(attempt=2)]]


@pytest.mark.parametrize("state", CONNECTION_LOST)
def test_after_a_loss_a_write_that_may_be_repeated_is_sent_again(tenant: Tenant, state: str) -> None:
    assert executed(tenant, failing(state), repeatable=True) == [[Answered(attempt=2)]]


@pytest.mark.parametrize("state", CONNECTION_LOST)
def test_after_a_loss_a_write_that_may_have_arrived_is_not_sent_again(
    tenant: Tenant, state: str, superuser: Superuser
) -> None:
    with pytest.raises(UnavailableError):
        executed(tenant, write("once"), failing(state))
    assert (sent(superuser), written(superuser)) == (1, [])
    assert executed(tenant, write("next")) == [[Written(what="next")]]


@pytest.mark.parametrize("state", BUSY)
@pytest.mark.parametrize("scope", ["workflows:read", "workflows:write"])
def test_a_busy_database_is_left_alone(tenant: Tenant, state: str, scope: str, superuser: Superuser) -> None:
    with pytest.raises(UnavailableError) as raised:
        executed(tenant, failing(state), scope=scope, repeatable=True)
    assert sent(superuser) == 1
    assert ("took longer than it may" in raised.value.detail) == (state == "57014")


@pytest.mark.parametrize(
    "state, error",
    [
        ("FL404", NotFoundError("Some message.", ErrorCode.WORKFLOW_NOT_FOUND)),
        ("23505", ConflictError("Taken.")),
        ("22P02", UnprocessableError()),
    ],
)
def test_a_refusal_is_told_at_once(tenant: Tenant, state: str, error: ServiceError, superuser: Superuser) -> None:
    with pytest.raises(type(error)) as told:
        executed(tenant, failing(state), repeatable=True)
    assert (told.value.detail, told.value.code) == (error.detail, error.code)
    assert sent(superuser) == 1


@pytest.mark.parametrize(
    ("code", "expected"),
    [("workflow_not_found", ErrorCode.WORKFLOW_NOT_FOUND), ("of_a_newer_schema", ErrorCode.NOT_FOUND)],
)
def test_a_code_that_this_version_does_not_know_becomes_the_general_one_of_its_status(
    tenant: Tenant, superuser: Superuser, code: str, expected: ErrorCode
) -> None:
    superuser.execute(
        "CREATE OR REPLACE FUNCTION public.refuse(code text) RETURNS integer LANGUAGE plpgsql AS $$"
        " BEGIN RAISE EXCEPTION USING errcode = 'FL404', constraint = code, message = 'Some message.'; END $$"
    )
    query = Query("SELECT public.refuse(%(code)s) AS attempt", {"code": code}, Answered)
    with pytest.raises(NotFoundError) as refused:
        executed(tenant, query)
    superuser.execute("DROP FUNCTION public.refuse")
    answer = json.loads(bytes(problem("request-1", refused.value).body))
    assert (answer["status"], answer["code"], answer["detail"]) == (404, expected, "Some message.")


def test_a_reference_that_the_caller_made_up_is_told_at_once(tenant: Tenant, superuser: Superuser) -> None:
    with pytest.raises(NotFoundError, match="There is no such thing"):
        executed(tenant, replace(failing("23503"), missing="There is no such thing."), repeatable=True)
    assert sent(superuser) == 1


def test_an_unknown_error_is_not_disguised(tenant: Tenant) -> None:
    with pytest.raises(psycopg.errors.InternalError_):
        executed(tenant, failing("XX000"))


def middle(least: float, most: float) -> float:
    return (least + most) / 2


@pytest.mark.parametrize("state", ["40001", "23503"])
@pytest.mark.parametrize(("seconds", "times"), [(0.1, 1), (0.3, 2), (1, 3), (3600, pipeline.ATTEMPTS)])
def test_sending_again_ends_with_the_deadline_or_the_sixth_attempt(
    tenant: Tenant, superuser: Superuser, monkeypatch: pytest.MonkeyPatch, seconds: float, times: int, state: str
) -> None:
    """Its pauses are 0.15 seconds, and twice as long each time, when chance has no part in them."""
    clock = Clock()
    monkeypatch.setattr(pipeline, "time", clock)
    monkeypatch.setattr(pipeline.random, "uniform", middle)
    with pytest.raises(UnavailableError):
        execute([failing(state, times=99)], clock.now + seconds, access(tenant))
    assert sent(superuser) == times


def test_a_deadlocks_victim_is_sent_again(tenant: Tenant, server: Cluster, database: str, superuser: Superuser) -> None:
    lock = "SELECT pg_advisory_xact_lock(%s)"
    with psycopg.connect(server.url("flo_app", database)) as other:
        other.execute(lock, (2,))

        def cross() -> None:
            until(lambda: waits_for_lock(superuser))
            other.execute(lock, (1,))
            other.commit()

        with beside(cross):
            rows = executed(
                tenant,
                write("one"),
                simple("SELECT 1 AS attempt FROM pg_advisory_xact_lock(1)"),
                simple("SELECT 2 AS attempt FROM pg_advisory_xact_lock(2)"),
            )
    assert rows == [[Written(what="one")], [Answered(attempt=1)], [Answered(attempt=2)]]
    assert written(superuser) == ["one"]


def waits_for_lock(superuser: Superuser) -> bool:
    waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return superuser.execute(waiting).rowcount > 0


def test_a_lock_that_is_not_given_is_a_503_within_the_deadline(tenant: Tenant, server: Cluster, database: str) -> None:
    wanted = simple("SELECT 1 AS attempt FROM pg_advisory_xact_lock(3)")
    with psycopg.connect(server.url("flo_app", database)) as other:
        other.execute("SELECT pg_advisory_xact_lock(3)")
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            execute([wanted], began + 0.6, access(tenant))
        assert 0.3 < time.monotonic() - began < HANGS
    assert executed(tenant, wanted) == [[Answered(attempt=1)]]


def test_the_database_is_told_how_much_time_is_left(tenant: Tenant) -> None:
    told = simple("SELECT (extract(EPOCH FROM current_setting('statement_timeout')::interval) * 1000)::int AS attempt")
    for seconds in (1, 3):
        [[left]] = execute([told], time.monotonic() + seconds, access(tenant))
        assert 0 < left.attempt <= seconds * 1000
    again = execute([told], time.monotonic() + 3600, access(tenant))
    assert 3_500_000 < again[0][0].attempt <= 3_600_000


def test_whatever_fails_no_transaction_stays_open(tenant: Tenant, superuser: Superuser) -> None:
    half_a_pair = Query("SELECT length(%(text)s) AS attempt", {"text": "\ud800"}, Answered)
    with pytest.raises(UnicodeEncodeError):
        executed(tenant, half_a_pair)
    assert connection.current
    assert connection.current.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    until(lambda: not superuser.execute("SELECT FROM pg_stat_activity WHERE state LIKE 'idle in%'").rowcount)
    assert executed(tenant, simple("SELECT 3 AS attempt")) == [[Answered(attempt=3)]]


def test_a_write_whose_commit_may_have_arrived_is_not_sent_again(
    tenant: Tenant, network: Proxy, superuser: Superuser
) -> None:
    for byte in (0, 40):
        executed(tenant, simple("SELECT 1 AS attempt"))
        network.answers.left = byte
        with pytest.raises(UnavailableError):
            executed(tenant, write(f"lost at {byte}"))
    assert written(superuser) == ["lost at 0", "lost at 40"]


def test_a_write_that_did_not_leave_whole_leaves_nothing(tenant: Tenant, network: Proxy, superuser: Superuser) -> None:
    executed(tenant, write("first"))
    network.requests.left = 250
    with pytest.raises(UnavailableError):
        executed(tenant, write("second"))
    assert written(superuser) == ["first"]
    assert executed(tenant, write("third")) == [[Written(what="third")]]


@needs_pgbouncer
def test_outside_any_tenant_a_question_is_answered_and_asked_again(tenant: Tenant) -> None:
    assert ask(failing("killed")) == [Answered(attempt=2)]


@contextmanager
def beside(work: Callable[[], None]) -> Generator[None]:
    """Does the work in another thread while the block runs."""
    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()
