"""Behind the queue of what is to be embedded: gives passages their vectors."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr.embeddings import worker
from flomastr.observability import instrumented


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    lost = worker.work(event.get("Records", []), context.get_remaining_time_in_millis() / 1000)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in lost]}
