"""Every few minutes: copies archived executions that somebody requested into Postgres for some days."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr import jobs
from flomastr.archive import rehydrate_job
from flomastr.observability import instrumented


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return jobs.run("restore", rehydrate_job.run, event, context)
