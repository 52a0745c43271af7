"""Messages: sent with what is written, and again by `requeue` for whatever is due and has none on its way."""

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import boto3
import psycopg
import pytest

from flomastr.embeddings import queue as embed_queue
from flomastr.embeddings import requeue_job
from flomastr.embeddings.queue import client
from functions.requeue.handler import lambda_handler
from tests.support.connected import connected
from tests.support.events import Context
from tests.support.kb_client import KnowledgeClient
from tests.support.s3 import Bucket


@dataclass
class Queue:
    client: Any
    url: str

    def received(self) -> list[Any]:
        """All that wait, taken out."""
        all: list[Any] = []
        asked = {"QueueUrl": self.url, "MaxNumberOfMessages": 10, "AttributeNames": ["MessageGroupId"]}
        while received := self.client.receive_message(**asked).get("Messages"):
            all += received
            for message in received:
                self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return all

    def messages(self) -> list[str]:
        return [message["Body"] for message in self.received()]


@pytest.fixture
def queue(bucket: Bucket) -> Iterator[Queue]:
    made: Any = boto3.client("sqs", endpoint_url=bucket.endpoint, region_name="us-east-1")  # pyright: ignore[reportUnknownMemberType]
    url = made.create_queue(QueueName=f"embed-{secrets.token_hex(4)}")["QueueUrl"]
    with connected(EMBED_QUEUE_URL=url, SQS_ENDPOINT=bucket.endpoint):
        client.cache_clear()
        yield Queue(made, url)
    client.cache_clear()


@pytest.fixture
def quiet(superuser: psycopg.Connection[Any]) -> None:
    """What other tests have left is not due."""
    superuser.execute("UPDATE app.embedding_tasks SET status = 'embedded' WHERE status = 'processing'")


def requeued(kb: KnowledgeClient) -> int:
    with connected(DATABASE_URL=kb.job_url):
        done = lambda_handler({}, Context(left_ms=120_000))
    assert done["state"] == "done"
    return done.get("messages_sent", 0)


def aged(kb: KnowledgeClient, minutes: int) -> None:
    kb.superuser.execute(
        "UPDATE app.embedding_tasks SET queued_at = queued_at - %s * interval '1 minute' WHERE tenant_id = %s",
        (minutes, kb.tenant.id),
    )


def test_what_is_written_is_sent_to_the_queue_and_what_needs_nothing_is_not(kb: KnowledgeClient, queue: Queue) -> None:
    kb.put("a", "One")
    messages = queue.messages()
    assert messages == [json.dumps(json.loads(body), separators=(",", ":")) for body in kb.tasks()]
    kb.work(messages)
    kb.put("a", "One", metadata={"team": "north"})
    assert queue.messages() == []
    kb.batch(*({"name": str(n), "content": f"Text {n}"} for n in range(25)))
    assert len(queue.messages()) == 25


def test_what_has_a_message_on_its_way_is_not_sent_again_until_that_must_be_lost(
    kb: KnowledgeClient, queue: Queue, quiet: None
) -> None:
    kb.put("a", "One")
    assert len(queue.messages()) == 1  # and is lost
    aged(kb, 14)
    assert requeued(kb) == 0
    aged(kb, 2)
    assert requeued(kb) == 1
    assert requeued(kb) == 0
    kb.work(queue.messages())
    assert kb.document("a")["status"] == "embedded"


def test_what_was_put_off_is_sent_when_it_is_due(kb: KnowledgeClient, queue: Queue, quiet: None) -> None:
    kb.put("a", "One")
    with kb.endpoint.answering(lambda _: (500, {})):
        kb.work(queue.messages())
    assert requeued(kb) == 0
    kb.due()
    assert requeued(kb) == 1


def test_a_new_model_is_sent_for_every_document(kb: KnowledgeClient, queue: Queue, quiet: None) -> None:
    kb.batch(*({"name": str(n), "content": f"Text {n}"} for n in range(12)))
    kb.work(queue.messages())
    kb.models("POST", body={"embedding_model": "model-b"})
    assert queue.messages() == []
    assert requeued(kb) == 12
    messages = queue.messages()
    assert {json.loads(body)["embedding_model"] for body in messages} == {"model-b"}
    assert kb.work(messages) == []
    assert kb.models().json[1]["embedded"] == 12


def test_what_a_worker_that_died_had_claimed_is_sent_when_its_time_is_over(
    kb: KnowledgeClient, queue: Queue, quiet: None
) -> None:
    kb.put("a", "One")
    (message,) = queue.messages()
    reserve = "SELECT app.claim_embedding(%(tenant_id)s, %(document_id)s, %(embedding_model)s, '10 minutes', 8)"
    kb.superuser.execute(reserve, json.loads(message))
    aged(kb, 16)
    assert requeued(kb) == 0
    kb.due()
    assert requeued(kb) == 1
    assert kb.work(queue.messages()) == []
    assert kb.document("a")["status"] == "embedded"


def test_a_queue_that_cannot_be_reached_loses_nothing(kb: KnowledgeClient, bucket: Bucket, quiet: None) -> None:
    assert kb.put("a", "One")["status"] == "processing"
    assert requeued(kb) == 0
    aged(kb, 16)
    assert requeued(kb) == requeued(kb) == 0  # tried each time, in vain
    kb.work()
    assert kb.document("a")["status"] == "embedded"


def test_a_retried_dead_letter_is_sent_to_the_queue(kb: KnowledgeClient, queue: Queue) -> None:
    kb.put("bad", "One")
    with kb.endpoint.answering(lambda _: (400, {})):
        kb.work(queue.messages())
    assert kb.retry(kb.dead_letters()[0]["id"]).status == 202
    assert kb.work(queue.messages()) == []
    assert kb.document("bad")["status"] == "embedded"


def test_no_tenant_stands_before_all_others(
    kb: KnowledgeClient, queue: Queue, quiet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    many, few = kb, kb.neighbour()
    many.batch(*({"name": str(n), "content": f"Text {n}"} for n in range(20)))
    few.put("one", "Small tenant")
    groups = [message["Attributes"]["MessageGroupId"] for message in queue.received()]
    assert groups == [str(many.tenant.id)] * 20 + [str(few.tenant.id)]  # by which the queue is fair
    aged(many, 20)
    aged(few, 16)
    monkeypatch.setattr(requeue_job, "BATCH", 4)
    assert requeued(kb) == 21
    sent = [json.loads(body)["tenant_id"] for body in queue.messages()]
    assert str(few.tenant.id) in sent[:4]


def test_a_thousand_that_are_due_are_sent_and_a_queue_that_takes_none_is_asked_once(
    kb: KnowledgeClient, queue: Queue, quiet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = kb.put("a", "One")["id"]
    kb.work(queue.messages())
    kb.superuser.execute(
        "WITH d AS (INSERT INTO app.documents (tenant_id, knowledge_base_id, name, content_type, content_hash, chunker)"
        "  SELECT tenant_id, knowledge_base_id, 'n' || n, 'text', content_hash, chunker FROM app.documents,"
        "  generate_series(1, 1000) AS n WHERE id = %s RETURNING *)"
        " INSERT INTO app.embedding_tasks"
        "  (tenant_id, knowledge_base_id, document_id, embedding_model, status, queued_at)"
        " SELECT tenant_id, knowledge_base_id, id, 'model-a', 'processing', NULL FROM d",
        (document,),
    )
    with monkeypatch.context() as patch:
        asked: list[int] = []

        def takes_none(_: str, batch: Sequence[tuple[UUID, str]]) -> bool:
            asked.append(len(batch))
            return False

        patch.setattr(embed_queue, "send_batch", takes_none)
        assert requeued(kb) == 0
        assert asked == [10]
    assert requeued(kb) == 1000
    assert requeued(kb) == 0
