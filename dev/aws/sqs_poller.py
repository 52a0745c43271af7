"""Queues that feed functions: dev/services/s3_server.py serves them, and this poller invokes functions with batches."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dev.aws.authorizer import Invoke
from dev.aws.events import Event
from dev.aws.sandbox import EventTooLargeError, FunctionFailedError
from dev.aws.template import Function, Queue
from dev.console import console
from dev.errors import StartupError
from dev.services.object_storage import Storage

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType
    from mypy_boto3_sqs.type_defs import MessageAttributeValueOutputTypeDef, MessageTypeDef

ACCOUNT, REGION = "123456789012", "us-east-1"  # where moto has its queues
MESSAGES = 10  # SQS hands over no more at once
PAUSE = 0.25  # between looks into empty queues: to wait there would keep Ctrl-C waiting


def queue_url(storage: Storage, queue: str) -> str:
    return f"{storage.endpoint}/{ACCOUNT}/{queue}"


def queue_arn(queue: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"


def client(storage: Storage) -> "SQSClient":
    return boto3.client(  # pyright: ignore[reportUnknownMemberType]
        "sqs",
        endpoint_url=storage.endpoint,
        region_name=REGION,
        aws_access_key_id=storage.key,
        aws_secret_access_key=storage.key,
        config=Config(proxies={}, retries={"total_max_attempts": 1}),  # this machine is not far away
    )


def provide(functions: Iterable[Function], storage: Storage) -> None:
    """Make the queues that functions are fed from, and those of their dead letters, unless they exist."""
    if queues := [queue for function in functions for queue in function.queues]:
        sqs = client(storage)
        for queue in queues:
            _provide(queue, sqs, storage)


def _provide(queue: Queue, sqs: "SQSClient", storage: Storage) -> None:
    attributes: dict[QueueAttributeNameType, str] = {"VisibilityTimeout": str(queue.visibility_timeout)}
    if dead := queue.dead_letters:
        sqs.create_queue(QueueName=dead.queue)
        redrive = {"deadLetterTargetArn": queue_arn(dead.queue), "maxReceiveCount": dead.receives}
        attributes["RedrivePolicy"] = json.dumps(redrive)
    sqs.create_queue(QueueName=queue.name)
    sqs.set_queue_attributes(QueueUrl=queue_url(storage, queue.name), Attributes=attributes)


async def deliver(functions: Iterable[Function], storage: Storage, invoke: Invoke) -> None:
    """Run until cancelled: each function gets one batch after the other, and waits for no other function."""
    sqs = client(storage)
    fed = [
        [_Source(function.name, queue, queue_url(storage, queue.name), sqs) for queue in function.queues]
        for function in functions
        if function.queues
    ]
    try:
        await asyncio.gather(*(_feed(sources, invoke) for sources in fed))
    except (BotoCoreError, ClientError) as error:
        raise StartupError(f"The queues do not answer any more: {error}") from error


async def _feed(sources: Sequence["_Source"], invoke: Invoke) -> None:
    while True:
        had = [await source.deliver(invoke) for source in sources]
        if not any(had):
            await asyncio.sleep(PAUSE)


@dataclass(frozen=True)
class _Source:
    """A queue and the function that is fed from it. What is not deleted is visible again after its time."""

    function: str
    queue: Queue
    url: str
    sqs: "SQSClient"

    async def deliver(self, invoke: Invoke) -> bool:
        """Hand over a batch, if there is one; whether there was."""
        batch = await asyncio.to_thread(self._receive)
        if batch and (done := await self._done(batch, invoke)):
            await asyncio.to_thread(self._delete, done)
        return bool(batch)

    def _receive(self) -> list["MessageTypeDef"]:
        received = self.sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=min(self.queue.batch_size, MESSAGES),
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return received.get("Messages", [])

    def _delete(self, messages: Sequence["MessageTypeDef"]) -> None:
        self.sqs.delete_message_batch(
            QueueUrl=self.url,
            Entries=[
                {"Id": str(number), "ReceiptHandle": message.get("ReceiptHandle", "")}
                for number, message in enumerate(messages)
            ],
        )

    async def _done(self, batch: list["MessageTypeDef"], invoke: Invoke) -> list["MessageTypeDef"]:
        """The messages that the function is through with."""
        event = json.dumps(sqs_event(self.queue.name, batch), ensure_ascii=False).encode()
        try:
            answer = await invoke(self.function, event)
            failed = self._failed(answer, {message.get("MessageId", "") for message in batch})
        except FunctionFailedError as failure:
            console.print(str(failure), markup=False)
            return []
        except EventTooLargeError:
            console.print(
                f"{self.function} was not given {len(batch)} messages, which are more than 6 MB", markup=False
            )
            return []
        return [message for message in batch if message.get("MessageId") not in failed]

    def _failed(self, answer: bytes, batch: set[str]) -> set[str]:
        if not self.queue.reports_failures:
            return set()
        failed = _named(answer)
        if failed <= batch:
            return failed
        raise FunctionFailedError(f"{self.function} names failures that are no messages of its batch")


def _named(answer: bytes) -> set[str]:
    """The messages that the answer calls failed; what names none is the empty name."""
    match json.loads(answer):
        case {"batchItemFailures": [*failures]}:
            return {_identifier(failure) for failure in failures}
        case _:
            return set()


def _identifier(failure: object) -> str:
    match failure:
        case {"itemIdentifier": str(identifier)}:
            return identifier
        case _:
            return ""


def sqs_event(queue: str, messages: Iterable["MessageTypeDef"]) -> Event:
    """What Lambda makes of messages."""
    return {"Records": [_record(queue, message) for message in messages]}


def _record(queue: str, message: "MessageTypeDef") -> Event:
    attributes = message.get("MessageAttributes", {})
    return {
        "messageId": message.get("MessageId"),
        "receiptHandle": message.get("ReceiptHandle"),
        "body": message.get("Body"),
        "attributes": message.get("Attributes"),
        "messageAttributes": {name: _attribute(value) for name, value in attributes.items()},
        "md5OfBody": message.get("MD5OfBody"),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn(queue),
        "awsRegion": REGION,
    }


def _attribute(attribute: "MessageAttributeValueOutputTypeDef") -> Event:
    lists: dict[str, list[str]] = {"stringListValues": [], "binaryListValues": []}  # which SQS names, but never fills
    if "BinaryValue" in attribute:
        value = {"binaryValue": b64encode(attribute["BinaryValue"]).decode()}
    else:
        value = {"stringValue": attribute.get("StringValue")}
    return {**value, **lists, "dataType": attribute["DataType"]}
