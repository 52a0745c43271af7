"""Behind the queue of files that have come by uploads: makes documents of them."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr.observability import instrumented
from flomastr.uploads import ingestion


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    lost = ingestion.work(event.get("Records", []), context.get_remaining_time_in_millis() / 1000)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in lost]}
