"""The queue of documents to embed. A message names a task; app.embedding_tasks says what is left to do for it."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from flomastr.observability import logger, metrics
from flomastr.settings import settings

MAX_MESSAGES = 10  # in one call to SQS


class Task(BaseModel):
    """The passages of one document that one model has not embedded yet."""

    model_config = ConfigDict(frozen=True)

    tenant_id: UUID
    document_id: UUID
    embedding_model: str


def tasks_of(tenant_id: UUID, document_id: UUID, models: Iterable[str]) -> list[Task]:
    """One task for each model that has still to embed the document."""
    return [Task(tenant_id=tenant_id, document_id=document_id, embedding_model=model) for model in models]


@cache
def client() -> Any:
    """Imported here, since it loads boto3: only where there is something to send."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1})
    return cast(Any, boto3).client("sqs", endpoint_url=settings().sqs_endpoint or None, config=config)


def send(tasks: Iterable[Task]) -> list[Task]:
    """Sends a message for each task. Returns those not sent, which `requeue` sends later; the first failure ends it."""
    waiting = list(tasks)
    while waiting and send_batch(settings().embed_queue_url, bodies_of(waiting[:MAX_MESSAGES])):
        waiting = waiting[MAX_MESSAGES:]
    if waiting:
        metrics.add_metric(name="EmbeddingsNotQueued", unit="Count", value=len(waiting))
    return waiting


def bodies_of(tasks: Iterable[Task]) -> list[tuple[UUID, str]]:
    return [(task.tenant_id, task.model_dump_json()) for task in tasks]


def send_batch(url: str, bodies: Sequence[tuple[UUID, str]]) -> bool:
    """Whether SQS took all of at most MAX_MESSAGES messages, each of a tenant. Where not, some may have been sent."""
    from botocore.exceptions import BotoCoreError, ClientError

    entries = [  # a fair queue: one tenant's many messages do not hold up another's
        {"Id": str(index), "MessageBody": body, "MessageGroupId": str(tenant)}
        for index, (tenant, body) in enumerate(bodies)
    ]
    try:
        taken = client().send_message_batch(QueueUrl=url, Entries=entries)
    except (BotoCoreError, ClientError) as error:
        logger.warning("The queue cannot be reached: requeue will send it", error=type(error).__name__)
        return False
    return len(taken.get("Successful", [])) == len(bodies)
