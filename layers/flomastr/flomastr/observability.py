"""Logs, traces and metrics, made once. Service and namespace come from the template's POWERTOOLS_* variables."""

import logging
import warnings
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.logging import correlation_paths

logger = Logger()
tracer = Tracer(auto_patch=False)  # patching imports botocore, which costs a cold start 130 ms
metrics = Metrics()
warnings.filterwarnings("ignore", "No application metrics to publish")  # not every invocation has something to count
logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns of refused pipelines, which we log

type LambdaHandler = Callable[..., Any]


def instrumented(handler: LambdaHandler) -> LambdaHandler:
    """Logs, traces and measures every invocation."""
    measured = metrics.log_metrics(handler, capture_cold_start_metric=True)  # pyright: ignore[reportUnknownMemberType]
    traced = tracer.capture_lambda_handler(measured, capture_response=False)
    return logger.inject_lambda_context(  # pyright: ignore[reportUnknownVariableType]
        traced, correlation_id_path=correlation_paths.API_GATEWAY_HTTP, clear_state=True
    )
