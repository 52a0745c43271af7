"""Every few minutes: copies archived executions that somebody requested into Postgres, and reads n8n instances."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr import jobs
from flomastr.archive import rehydrate_job
from flomastr.jobs import Job
from flomastr.n8n import pull_job
from flomastr.observability import instrumented


def run(job: Job) -> None:
    """Together they are one function, so that they take one connection."""
    rehydrate_job.run(job)
    pull_job.run(job)


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return jobs.run("restore", run, event, context)
