"""Every few minutes: archived executions that somebody asked for come back for some days."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr import jobs
from flomastr.archive import rehydrate_job
from flomastr.observability import instrumented


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return jobs.run("restore", rehydrate_job.run, event, context)
