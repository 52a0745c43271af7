"""Messages on their way to functions: once where all goes well, again where it does not, and not for ever."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from dev.aws import bucket_notices
from dev.aws.events import Event
from dev.aws.sandbox import EventTooLargeError, FunctionFailedError
from dev.aws.sqs_poller import client, deliver, provide, queue_url
from dev.aws.template import DeadLetters, Function, Notice, Queue
from dev.errors import StartupError
from dev.services.object_storage import Storage, storage
from tests.support.clock import HANGS
from tests.support.local_platform import Running, running_platform
from tests.support.s3 import bucket_in

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@pytest.fixture(scope="module")
def sqs(tmp_path_factory: pytest.TempPathFactory) -> Generator[Storage]:
    with storage(tmp_path_factory.mktemp("queues")) as running:
        yield running


@dataclass(frozen=True)
class Box:
    """A queue as its senders see it."""

    client: "SQSClient"
    url: str

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self.client.send_message(QueueUrl=self.url, MessageBody=body)

    def holds(self) -> tuple[int, int]:
        """How many messages wait, and how many are with a function or wait to be visible again."""
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found: Any = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])


def box(sqs: Storage, name: str) -> Box:
    return Box(client(sqs), queue_url(sqs, name))


def function(queue: Queue, name: str = "Work") -> Function:
    return Function(name, Path(), "", (), {}, 1, 128, (), (queue,))


def queue(reports: bool = True, visible_after: int = 30, dead: DeadLetters | None = None, batch: int = 10) -> Queue:
    return Queue(f"queue-{uuid4()}", batch, reports, visible_after, dead)


type Handler = Callable[[Event], object]


def body_of(record: Event) -> str:
    return record["body"]


@dataclass
class Worker:
    """A function that remembers what it was given."""

    handler: Handler
    events: list[Event] = field(default_factory=list[Event])

    async def invoke(self, _function: str, event: bytes) -> bytes:
        self.events.append(json.loads(event))
        return json.dumps(self.handler(self.events[-1])).encode()

    @property
    def bodies(self) -> list[list[str]]:
        """Of each batch."""
        return [sorted(map(body_of, event["Records"])) for event in self.events]


def succeeds(_event: Event) -> object:
    return {"batchItemFailures": []}


def fails_bad_ones(event: Event) -> object:
    bad = [record["messageId"] for record in event["Records"] if record["body"] == "bad"]
    return {"batchItemFailures": [{"itemIdentifier": message} for message in bad]}


def dies(_event: Event) -> object:
    raise FunctionFailedError("Work ended without an answer")


async def _until(condition: Callable[[], bool], work: asyncio.Task[None]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            if work.done():
                work.result()
            await asyncio.sleep(0.02)


def deliver_until(condition: Callable[[], bool], functions: list[Function], sqs: Storage, worker: Worker) -> None:
    async def run() -> None:
        work = asyncio.create_task(deliver(functions, sqs, worker.invoke))
        try:
            await _until(condition, work)
        finally:
            work.cancel()
            await asyncio.wait({work})

    with asyncio.Runner() as runner:
        runner.run(run())


def test_a_message_is_delivered_once_and_gone(sqs: Storage) -> None:
    work = function(queue(visible_after=1))
    provide([work], sqs)
    found, worker = box(sqs, work.queues[0].name), Worker(succeeds)
    found.send("first")
    deliver_until(lambda: found.holds() == (0, 0), [work], sqs, worker)
    time.sleep(1.1)  # until it would be visible again
    found.send("second")
    deliver_until(lambda: len(worker.bodies) > 1, [work], sqs, worker)
    assert worker.bodies == [["first"], ["second"]]


def test_the_event_has_the_form_that_lambda_gives_it(sqs: Storage) -> None:
    work, worker = function(queue()), Worker(succeeds)
    provide([work], sqs)
    found = box(sqs, work.queues[0].name)
    sent = found.client.send_message(
        QueueUrl=found.url,
        MessageBody="Grüße",
        MessageAttributes={
            "kind": {"DataType": "String", "StringValue": "x"},
            "raw": {"DataType": "Binary", "BinaryValue": b"ab"},
        },
    )
    deliver_until(lambda: bool(worker.events), [work], sqs, worker)
    (record,) = worker.events[0]["Records"]
    attributes = record.pop("attributes")
    assert record.pop("receiptHandle")
    assert record == {
        "messageId": sent["MessageId"],
        "body": "Grüße",
        "messageAttributes": {
            "kind": {"stringValue": "x", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
            "raw": {"binaryValue": "YWI=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
        },
        "md5OfBody": sent["MD5OfMessageBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{work.queues[0].name}",
        "awsRegion": "us-east-1",
    }
    assert attributes["ApproximateReceiveCount"] == "1"
    assert {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= attributes.keys()


@pytest.mark.parametrize(("batch", "sizes"), [(5, [5, 5, 1]), (100, [10, 1])])
def test_a_batch_is_as_large_as_the_template_allows_and_sqs_gives(sqs: Storage, batch: int, sizes: list[int]) -> None:
    work, worker = function(queue(batch=batch)), Worker(succeeds)
    provide([work], sqs)
    found = box(sqs, work.queues[0].name)
    found.send(*map(str, range(11)))
    deliver_until(lambda: found.holds() == (0, 0), [work], sqs, worker)
    assert [len(bodies) for bodies in worker.bodies] == sizes


def test_only_what_failed_comes_back(sqs: Storage) -> None:
    work, worker = function(queue(visible_after=1)), Worker(fails_bad_ones)
    provide([work], sqs)
    found = box(sqs, work.queues[0].name)
    found.send("good", "bad", "better")
    deliver_until(lambda: len(worker.events) == 2, [work], sqs, worker)
    assert worker.bodies == [["bad", "better", "good"], ["bad"]]
    assert [record["attributes"]["ApproximateReceiveCount"] for record in worker.events[1]["Records"]] == ["2"]


def too_large(_event: Event) -> object:
    raise EventTooLargeError


def answers(answer: object) -> Handler:
    return lambda _event: answer


NO_MESSAGE = "Work names failures that are no messages of its batch"


@pytest.mark.parametrize(
    ("handler", "printed"),
    [
        (dies, "Work ended without an answer"),
        (too_large, "Work was not given 2 messages, which are more than 6 MB"),
        (answers({"batchItemFailures": [{"itemIdentifier": "another"}]}), NO_MESSAGE),
        (answers({"batchItemFailures": [{"itemIdentifier": None}]}), NO_MESSAGE),
        (answers({"batchItemFailures": [{"id": "x"}]}), NO_MESSAGE),
    ],
)
def test_everything_stays_when_the_function_does_not_say_what_failed(
    sqs: Storage, handler: Handler, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    work, worker = function(queue()), Worker(handler)
    provide([work], sqs)
    found = box(sqs, work.queues[0].name)
    found.send("one", "two")
    deliver_until(lambda: found.holds() == (0, 2) and bool(worker.events), [work], sqs, worker)
    time.sleep(0.1)  # in which it would be deleted
    assert found.holds() == (0, 2)
    assert printed in capsys.readouterr().out


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}, "done"])
def test_nothing_stays_when_the_function_names_no_failure(sqs: Storage, answer: object) -> None:
    work, worker = function(queue()), Worker(answers(answer))
    provide([work], sqs)
    found = box(sqs, work.queues[0].name)
    found.send("one", "two")
    deliver_until(lambda: found.holds() == (0, 0), [work], sqs, worker)
    assert worker.bodies == [["one", "two"]]


def test_failures_count_only_where_the_template_says_that_they_are_reported(sqs: Storage) -> None:
    work, worker = function(queue(reports=False)), Worker(fails_bad_ones)
    provide([work], sqs)
    found = box(sqs, work.queues[0].name)
    found.send("bad")
    deliver_until(lambda: found.holds() == (0, 0), [work], sqs, worker)
    assert worker.bodies == [["bad"]]


def test_what_failed_often_enough_goes_to_the_dead_letters(sqs: Storage) -> None:
    dead = DeadLetters(f"dead-{uuid4()}", receives=3)
    work, worker = function(queue(visible_after=0, dead=dead)), Worker(fails_bad_ones)
    provide([work], sqs)
    found, letters = box(sqs, work.queues[0].name), box(sqs, dead.queue)
    found.send("good", "bad")
    deliver_until(lambda: letters.holds() == (1, 0), [work], sqs, worker)
    assert [bodies for bodies in worker.bodies if "bad" in bodies] == [["bad", "good"], ["bad"], ["bad"]]
    assert found.holds() == (0, 0)


def test_a_function_gets_one_batch_at_a_time_and_waits_for_no_other(sqs: Storage) -> None:
    first, second = function(queue(batch=1), "First"), function(queue(batch=1), "Second")
    provide([first, second], sqs)
    box(sqs, first.queues[0].name).send("a", "b")
    box(sqs, second.queues[0].name).send("c", "d")
    seen: list[str] = []

    async def run() -> None:
        may_end = asyncio.Event()

        async def invoke(name: str, _event: bytes) -> bytes:
            seen.append(name)
            if name == "First":
                await may_end.wait()
            return b"{}"

        work = asyncio.create_task(deliver([first, second], sqs, invoke))
        await _until(lambda: seen.count("Second") == 2, work)
        assert seen.count("First") == 1
        may_end.set()
        await _until(lambda: seen.count("First") == 2, work)
        work.cancel()
        await asyncio.wait({work})

    with asyncio.Runner() as runner:
        runner.run(run())


def test_making_queues_again_keeps_what_is_in_them(sqs: Storage) -> None:
    work = function(queue(dead=DeadLetters(f"dead-{uuid4()}", 2)))
    provide([work], sqs)
    found = box(sqs, work.queues[0].name)
    found.send("kept")
    changed = Queue(work.queues[0].name, 10, True, 60, None)
    provide([function(changed)], sqs)
    assert found.holds() == (1, 0)


def test_who_waits_for_a_message_keeps_nobody_from_sending_or_storing_one(sqs: Storage) -> None:
    work = function(queue())
    provide([work], sqs)
    found = box(sqs, work.queues[0].name)
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(found.client.receive_message, QueueUrl=found.url, WaitTimeSeconds=10)
        time.sleep(0.1)
        bucket_in(sqs).client.put_object(Bucket=sqs.bucket, Key="stored", Body=b"")
        found.send("sent")
        received = waiting.result(HANGS)
    assert [message.get("Body") for message in received.get("Messages", [])] == ["sent"]


def test_queues_that_are_gone_are_one_sentence(tmp_path: Path) -> None:
    work, worker = function(queue()), Worker(succeeds)
    with storage(tmp_path) as gone:
        provide([work], gone)
        os.kill(gone.pid, signal.SIGKILL)
    with pytest.raises(StartupError, match="The queues do not answer any more"):
        deliver_until(lambda: False, [work], gone, worker)


# ---------------------------------------------------------------- with the platform


@pytest.fixture
def platform(fed: Path, data: Path, sqs: Storage) -> Generator[Running]:
    with running_platform(fed, data, sqs) as running:
        yield running


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANGS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_one_function_sends_another_works_off(platform: Running, sqs: Storage) -> None:
    seen = platform.folder / "work" / "seen"
    assert platform.ask("POST", "/send", b"hello", {"Content-Type": "text/plain"}).status == 202
    wait_until(seen.exists)
    wait_until(lambda: box(sqs, "WorkQueue").holds() == (0, 0))
    assert seen.read_text() == "hello\n"


def test_what_kills_a_function_ends_among_the_dead_letters(platform: Running, sqs: Storage) -> None:
    box(sqs, "WorkQueue").send("exit")
    wait_until(lambda: box(sqs, "WorkDeadLetters").holds() == (1, 0))
    assert (platform.folder / "work" / "seen").read_text() == "exit\nexit\n"


def test_requests_do_not_wait_for_a_function_that_is_busy_with_its_queue(platform: Running, sqs: Storage) -> None:
    slow, found = platform.folder / "slow", box(sqs, "SlowQueue")
    found.send("long")
    wait_until((slow / "begun").exists)
    assert platform.ask("POST", "/send", b"meanwhile", {"Content-Type": "text/plain"}).status == 202
    wait_until((platform.folder / "work" / "seen").exists)
    assert found.holds() == (0, 1)
    (slow / "may_end").touch()
    wait_until(lambda: found.holds() == (0, 0))


def test_an_object_that_has_come_is_a_message_of_s3(sqs: Storage) -> None:
    waiting = queue()
    provide([function(waiting)], sqs)
    bucket_notices.provide([Notice("UploadsBucket", "s3:ObjectCreated:*", waiting.name)], sqs)
    bucket = bucket_in(sqs)
    for name in (sqs.uploads, sqs.bucket):
        bucket.client.put_object(Bucket=name, Key="tenant=a/b c", Body=b"Refunds")
    bucket.client.delete_object(Bucket=sqs.uploads, Key="tenant=a/b c")
    asked: Any = {"QueueUrl": queue_url(sqs, waiting.name), "MaxNumberOfMessages": 10}
    test, told = (json.loads(message.get("Body", "")) for message in client(sqs).receive_message(**asked)["Messages"])
    assert test["Event"] == "s3:TestEvent"
    ((event, s3),) = ((record["eventName"], record["s3"]) for record in told["Records"])
    assert (event, s3["bucket"]["name"], s3["object"]["key"]) == ("ObjectCreated:Put", "uploads", "tenant%3Da%2Fb+c")
