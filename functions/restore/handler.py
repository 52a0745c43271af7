"""Every few minutes: copies archived executions that somebody requested into Postgres, and reads n8n instances."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr import jobs
from flomastr.archive import rehydrate_job
from flomastr.n8n import pull_job
from flomastr.observability import instrumented


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One function, so that they take one connection. Two jobs: none that waits for `restore` waits for slow hosts."""
    try:
        restored = jobs.run("restore", rehydrate_job.run, event, context)
    except Exception:
        jobs.run("pull", pull_job.run, event, context)
        raise
    return restored | {"pull": jobs.run("pull", pull_job.run, event, context)}
