"""Every minute: what is due to be embedded or read has a message in its queue, and words of before are indexed anew."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr import jobs
from flomastr.embeddings import requeue_job
from flomastr.jobs import Job
from flomastr.languages import words_job
from flomastr.observability import instrumented
from flomastr.uploads import due_job


def run(job: Job) -> None:
    """Messages first, which take a moment. Together they are one function, so that they take one connection."""
    requeue_job.run(job)
    due_job.run(job)
    words_job.run(job)


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return jobs.run("requeue", run, event, context)
