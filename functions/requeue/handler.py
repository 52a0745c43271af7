"""Every minute: what is due to be embedded has a message in the queue."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr import jobs
from flomastr.embeddings import requeue_job
from flomastr.observability import instrumented


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return jobs.run("requeue", requeue_job.run, event, context)
