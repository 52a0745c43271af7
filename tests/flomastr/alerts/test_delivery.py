"""Webhooks reach the receiver as Standard Webhooks, in order, and again until it has them."""

import json
import re
import socket
from base64 import b64decode
from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import Event
from typing import Any, LiteralString

import psycopg
import pytest

from dev.paths import ROOT
from flomastr.alerts import delivery, evaluation, webhooks
from flomastr.alerts.webhooks import Outcome, Webhook
from flomastr.auth.webhook_signatures import verify
from flomastr.database.connection import DeadlineExceededError
from flomastr.jobs import Job
from tests.flomastr.alerts.conftest import AlertEnv
from tests.support.crash_points import steps
from tests.support.factories import Tenant
from tests.support.webhook_receiver import OK, Received

PAGE = ROOT / "docs/how-to/alerts.md"
DOWN = b"HTTP/1.1 503 Service Unavailable\r\n\r\n"


@pytest.fixture
def tenant(env: AlertEnv) -> Tenant:
    """With a failure in the last minutes."""
    tenant = env.platform.make.tenant()
    env.execution(tenant, env.platform.make.workflow(tenant), 1, "error")
    return tenant


@pytest.fixture
def alert(env: AlertEnv, tenant: Tenant) -> dict[str, Any]:
    return env.set(tenant, threshold=0)


def resolve(env: AlertEnv, tenant: Tenant, alert: dict[str, Any]) -> None:
    assert env.ask(tenant, "PUT", f"/{alert['id']}", body={"enabled": False}).status == 200
    env.fold()


def is_signed(received: Received, secret: str) -> bool:
    signed = [received.headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature")]
    return verify(b64decode(secret.removeprefix("whsec_")), *signed, body=received.body, now=float(signed[1]))


def waits(event: dict[str, Any]) -> timedelta:
    """From the last attempt to the next."""
    return datetime.fromisoformat(event["next_attempt_at"]) - datetime.fromisoformat(event["attempts"][-1]["at"])


def test_the_receiver_gets_a_signed_message_for_what_fires_and_for_what_is_over(
    env: AlertEnv, tenant: Tenant, alert: dict[str, Any]
) -> None:
    assert env.evaluated() == {"state": "done", "alerts_fired": 1, "webhooks_delivered": 1}
    resolve(env, tenant, alert)
    env.run()
    fired, resolved = env.receiver.received
    events = env.history(tenant, alert)
    assert fired.request_line == "POST /hooks?from=flomastr HTTP/1.1"
    assert fired.headers["host"] == f"127.0.0.1:{env.receiver.port}"
    assert fired.headers["content-type"] == "application/json"
    assert [event["id"] for event in events] == [resolved.headers["webhook-id"], fired.headers["webhook-id"]]
    assert is_signed(fired, alert["signing_secret"]) and is_signed(resolved, alert["signing_secret"])
    assert not is_signed(fired, env.set(tenant, name="Another")["signing_secret"])
    for received, event in zip((resolved, fired), events, strict=True):
        body = json.loads(received.body)
        assert body["type"] == f"alert.{event['type']}" and body["data"] == {
            **event["data"],
            "as_of": body["data"]["as_of"],
            "fired_at": body["data"]["fired_at"],
        }
        assert datetime.fromisoformat(body["timestamp"]) == datetime.fromisoformat(event["occurred_at"])
        assert (event["delivery"], event["next_attempt_at"]) == ("delivered", None)
        assert [(attempt["status"], attempt["error"]) for attempt in event["attempts"]] == [(204, None)]


def test_the_receiver_of_the_documentation_knows_what_is_genuine(
    env: AlertEnv, tenant: Tenant, alert: dict[str, Any]
) -> None:
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    known: dict[str, Any] = {}
    exec(snippet, known)
    env.evaluated()
    (received,) = env.receiver.received
    secret, is_genuine = alert["signing_secret"], known["is_genuine"]
    assert is_genuine(secret, received.headers, received.body)
    assert not is_genuine(secret, received.headers, received.body + b" ")
    assert not is_genuine(env.set(tenant, name="Another")["signing_secret"], received.headers, received.body)
    assert not is_genuine(secret, received.headers | {"webhook-id": "1"}, received.body)
    assert not is_genuine(secret, received.headers | {"webhook-timestamp": "1"}, received.body)
    body = re.search(r"^```json\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert body and json.loads(body[1]).keys() == json.loads(received.body).keys()
    assert json.loads(body[1])["data"].keys() == json.loads(received.body)["data"].keys()


def test_a_receiver_that_is_down_for_a_day_gets_them_by_schedule_and_in_order(
    env: AlertEnv, tenant: Tenant, alert: dict[str, Any]
) -> None:
    env.receiver.always = DOWN
    env.evaluated()
    resolve(env, tenant, alert)
    down, schedule = timedelta(), list[int]()
    while down < timedelta(days=1):
        (event,) = [event for event in env.history(tenant, alert) if event["type"] == "fired"]
        schedule.append(round(waits(event) / timedelta(minutes=1)))
        env.later(minutes=schedule[-1])
        down += timedelta(minutes=schedule[-1])
        assert env.run()["webhooks_refused"] == 1
    assert schedule == [1, 5, 15, 30, 60, 120, 240, 360, 360, 360]
    assert {json.loads(received.body)["type"] for received in env.receiver.received} == {"alert.fired"}
    env.receiver.always = OK
    env.later(minutes=360)
    assert env.run()["webhooks_delivered"] == 2
    assert [json.loads(sent.body)["type"] for sent in env.receiver.received[-2:]] == ["alert.fired", "alert.resolved"]
    ids = [received.headers["webhook-id"] for received in env.receiver.received[:-1]]
    assert len(ids) == 12 and len(set(ids)) == 1
    assert [event["delivery"] for event in env.history(tenant, alert)] == ["delivered", "delivered"]


@pytest.mark.parametrize(("hours", "delivery"), [(71.9, "pending"), (72.1, "failed")])
def test_after_three_days_it_is_given_up(
    env: AlertEnv, tenant: Tenant, alert: dict[str, Any], hours: float, delivery: str
) -> None:
    env.receiver.always = DOWN
    env.evaluated()
    env.later(hours=hours)
    env.run()
    (event,) = env.history(tenant, alert)
    assert (event["delivery"], len(event["attempts"])) == (delivery, 2)
    assert (event["next_attempt_at"] is None) == (delivery == "failed")


def test_before_its_time_it_is_not_tried_again(env: AlertEnv, tenant: Tenant, alert: dict[str, Any]) -> None:
    env.receiver.always = DOWN
    env.evaluated()
    env.later(seconds=50)
    env.run()
    assert len(env.receiver.received) == 1


ANSWERS: list[tuple[bytes, str, int | None, str | None]] = [
    (b"HTTP/1.1 200 OK\r\n\r\n", "delivered", 200, None),
    (b"HTTP/1.1 299 Fine\r\n\r\n", "delivered", 299, None),
    (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "delivered", 200, None),
    (b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\n\r\n", "pending", 302, None),
    (b"HTTP/1.1 410 Gone\r\n\r\n", "failed", 410, None),
    (b"HTTP/1.1 404 Not Found\r\n\r\n", "pending", 404, None),
    (b"HTTP/1.1 100 Continue\r\n\r\n" * 9, "pending", None, "The answer is not one of HTTP."),
    (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "pending", None, "The answer is not one of HTTP."),
    (b"HTTP/1.1 200 OK\r\nx: " + b"x" * 20_000, "pending", None, "The answer's head is larger than 16,384 bytes."),
    (b"", "pending", None, "The connection failed."),
]


@pytest.mark.parametrize(("answer", "delivery", "status", "error"), ANSWERS)
def test_what_the_receiver_answers_decides(
    env: AlertEnv, tenant: Tenant, alert: dict[str, Any], answer: bytes, delivery: str, status: int, error: str
) -> None:
    env.receiver.answers = [answer]
    env.evaluated()
    (event,) = env.history(tenant, alert)
    assert (event["delivery"], event["attempts"][0]["status"], event["attempts"][0]["error"]) == (
        delivery,
        status,
        error,
    )
    assert len(env.receiver.received) == 1  # whatever it answers, nothing is followed


@pytest.mark.parametrize(("seconds", "minutes"), [(b"30", 1), (b"600", 10), (b"999999999", 1440)])
def test_a_receiver_may_ask_for_more_time(
    env: AlertEnv, tenant: Tenant, alert: dict[str, Any], seconds: bytes, minutes: int
) -> None:
    env.receiver.answers = [b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: " + seconds + b"\r\n\r\n"]
    env.evaluated()
    (event,) = env.history(tenant, alert)
    assert round(waits(event) / timedelta(minutes=1)) == minutes


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(webhooks, "SECONDS", 0.2)
    yield


def test_a_receiver_that_never_answers_holds_up_no_other(
    env: AlertEnv, tenant: Tenant, alert: dict[str, Any], impatient: None
) -> None:
    others = [env.set(tenant, name="Another", threshold=0) for _ in range(3)]
    env.receiver.answers = [None]
    assert env.evaluated()["webhooks_delivered"] == 3
    events = [env.history(tenant, found)[0] for found in (alert, *others)]
    (refused,) = [event for event in events if event["delivery"] == "pending"]
    assert refused["attempts"][0]["error"] == "No answer within 0 seconds."


def test_what_a_killed_run_has_claimed_is_sent_again_under_the_same_id(
    env: AlertEnv, tenant: Tenant, alert: dict[str, Any]
) -> None:
    env.receiver.answers = [DOWN]
    env.evaluated()
    env.later(minutes=2)
    for _ in steps(env.run):
        env.later(seconds=61)
    (event,) = env.history(tenant, alert)
    assert event["delivery"] == "delivered" and len(event["attempts"]) == 2
    assert {received.headers["webhook-id"] for received in env.receiver.received} == {event["id"]}
    assert len(env.receiver.received) >= 3  # it was killed between sending and noting that


def claimable(env: AlertEnv) -> int:
    """How many events another run could claim now."""
    with psycopg.connect(env.platform.job_url) as job:
        job.execute("SET lock_timeout = '1s'")
        count = job.execute("SELECT count(*) FROM app.claim_alert_events(10, '1 minute')").fetchall()[0][0]
        job.rollback()
    return count


def test_a_claim_is_kept_for_a_minute_and_then_another_run_has_it(
    env: AlertEnv, tenant: Tenant, alert: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[int] = []

    def sent(webhooks: list[Webhook]) -> list[Outcome]:
        for seconds in (0, 30, 30):
            env.later(seconds=seconds)
            found.append(claimable(env))
        return [Outcome(200)] * len(webhooks)

    def has_time(_: Job, __: float = 0) -> bool:
        return not found

    with monkeypatch.context() as patched:
        patched.setattr(delivery, "sent", sent)
        patched.setattr(Job, "has_time", has_time)
        env.evaluated()
    assert found == [0, 0, 1]
    assert env.history(tenant, alert)[0]["attempts"] == []  # what the run with the old claim says is not noted
    assert env.run()["webhooks_delivered"] == 1


def test_while_a_run_claims_an_event_no_other_run_does(env: AlertEnv, tenant: Tenant, alert: dict[str, Any]) -> None:
    env.receiver.always = DOWN
    env.evaluated()
    env.later(minutes=1)
    with env.platform.superuser.transaction():
        env.platform.superuser.execute("SET LOCAL ROLE flo_job")
        claim = "SELECT count(*) FROM app.claim_alert_events(10, '1 minute')"
        assert env.platform.superuser.execute(claim).fetchall() == [(1,)]
        assert claimable(env) == 0


def test_what_was_tried_least_comes_first(
    env: AlertEnv, tenant: Tenant, alert: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    env.receiver.answers = [DOWN]
    env.evaluated()
    other = env.set(tenant, name="Another", threshold=0)

    def nothing(_: Job) -> None:
        pass

    with monkeypatch.context() as patched:
        patched.setattr(delivery, "run", nothing)
        env.evaluated()
    env.later(minutes=2)
    monkeypatch.setattr(delivery, "BATCH", 1)
    env.run()
    order = [json.loads(received.body)["data"]["alert_id"] for received in env.receiver.received]
    assert order == [alert["id"], other["id"], alert["id"]]


def test_a_new_address_gets_what_the_old_one_did_not(env: AlertEnv, tenant: Tenant) -> None:
    alert = env.set(tenant, threshold=0, url="http://127.0.0.1:1/")
    env.evaluated()
    assert env.history(tenant, alert)[0]["attempts"][0]["error"] == "The connection failed."
    assert env.ask(tenant, "PUT", f"/{alert['id']}", body={"url": env.receiver.url}).status == 200
    env.later(minutes=1)
    assert env.run()["webhooks_delivered"] == 1


@pytest.mark.parametrize(
    ("gone", "back"), [("status = 'suspended'", "status = 'active'"), ("deleted_at = now()", "deleted_at = NULL")]
)
def test_a_tenant_that_is_suspended_or_deleted_gets_nothing_until_it_is_back(
    env: AlertEnv, tenant: Tenant, alert: dict[str, Any], gone: LiteralString, back: LiteralString
) -> None:
    env.receiver.always = DOWN
    env.evaluated()
    env.receiver.always = OK
    env.later(minutes=1)
    env.platform.superuser.execute(f"UPDATE app.tenants SET {gone} WHERE id = %s", (tenant.id,))
    assert "webhooks_delivered" not in env.run()
    env.platform.superuser.execute(f"UPDATE app.tenants SET {back} WHERE id = %s", (tenant.id,))
    assert env.run()["webhooks_delivered"] == 1


def test_what_cannot_be_compared_keeps_no_delivery_waiting(
    env: AlertEnv, tenant: Tenant, alert: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    env.receiver.answers = [DOWN]
    env.evaluated()
    env.later(minutes=2)

    def fails(*_: Any) -> None:
        raise DeadlineExceededError

    monkeypatch.setattr(evaluation, "evaluate", fails)
    env.fold()
    with pytest.raises(DeadlineExceededError):
        env.run()
    assert [received.headers["webhook-id"] for received in env.receiver.received[1:]] == [
        env.history(tenant, alert)[0]["id"]
    ]


def test_a_slow_name_server_keeps_no_other_webhook_waiting(
    env: AlertEnv, tenant: Tenant, alert: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered, look_up = Event(), socket.getaddrinfo

    def slow(host: str, *args: Any, **kwargs: Any) -> Any:
        if host == "127.0.0.1":
            return look_up(host, *args, **kwargs)
        delivered.wait(30)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    slow_ones = [webhooks.Webhook(str(n), f"https://slow-{n}.example/", b"{}", b"key") for n in range(40)]

    def answer() -> bytes:
        delivered.set()
        return OK

    monkeypatch.setattr(env.receiver, "answer", answer)
    quick = webhooks.Webhook("quick", env.receiver.url, b"{}", b"key")
    outcomes = delivery.sent([*slow_ones, quick])
    assert (outcomes[-1].status, {outcome.error for outcome in outcomes[:-1]}) == (
        204,
        {"The host's name has no address."},
    )
