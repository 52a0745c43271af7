"""Every day: partitions for the executions of the next fourteen."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr import partitions
from flomastr.observability import instrumented, metrics


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    made = partitions.keep_ready()
    metrics.add_metric(name="PartitionsMade", unit="Count", value=made)
    return {"made": made}
