"""Logs, traces and metrics, made once. Service and namespace come from the template's POWERTOOLS_* variables."""

import json
import logging
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache, wraps
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.logging import correlation_paths

logger = Logger()
tracer = Tracer(auto_patch=False)  # patching imports botocore, which costs a cold start 130 ms
metrics = Metrics()
warnings.filterwarnings("ignore", "No application metrics to publish")  # not every invocation has something to count
logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns of refused pipelines, which we log

MOST_VALUES = 100  # of one metric, that CloudWatch takes in a line
measured: dict[tuple[str, str], list[float]] = {}  # since the last line, by name and unit

type LambdaHandler = Callable[..., Any]


def instrumented(handler: LambdaHandler) -> LambdaHandler:
    """Logs, traces and measures every invocation."""
    measured = metrics.log_metrics(timed(handler))  # pyright: ignore[reportUnknownMemberType]
    traced = tracer.capture_lambda_handler(measured, capture_response=False)
    return logger.inject_lambda_context(  # pyright: ignore[reportUnknownVariableType]
        traced, correlation_id_path=correlation_paths.API_GATEWAY_HTTP, clear_state=True
    )


def timed(handler: LambdaHandler) -> LambdaHandler:
    """Measures how long each invocation takes and whether it fails. How many there are is the number of samples."""

    @wraps(handler)
    def handle(event: dict[str, Any], context: Any) -> Any:
        has_failed = True
        try:
            with measuring("Latency"):
                answer = handler(event, context)
            has_failed = is_failure(answer)
            return answer
        finally:
            count("Failures", has_failed)
            emit()

    return handle


def is_failure(answer: Any) -> bool:
    """Whether a function's answer over HTTP says that the service failed: a status of 500 or above."""
    match answer:
        case {"statusCode": int(status)}:
            return status >= 500
        case _:
            return False


@contextmanager
def measuring(name: str) -> Generator[None]:
    """Measures how many milliseconds the block takes."""
    began = time.perf_counter()
    try:
        yield
    finally:
        measure(name, "Milliseconds", (time.perf_counter() - began) * 1000)


def count(name: str, number: int = 1) -> None:
    """Measures a number. The average of one that is 0 or 1 is a share."""
    measure(name, "Count", int(number))


def measure(name: str, unit: str, value: float) -> None:
    """Keeps a finite value for the line of this invocation."""
    values = measured.setdefault((name, unit), [])
    values.append(value)
    if len(values) == MOST_VALUES:
        emit()


def emit() -> None:
    """What was measured, as one line of CloudWatch's embedded metric format.

    Powertools takes five times as long for it, which is more than 3 % of a request: it is for what is measured rarely.
    """
    values = ",".join(f'"{name}":{found}' for (name, _), found in measured.items())
    about = f'"Timestamp":{int(time.time() * 1000)},"CloudWatchMetrics":[{described(tuple(measured))}]'
    print(f'{{"_aws":{{{about}}},"service":{json.dumps(metrics.service)},{values}}}')
    measured.clear()


@cache
def described(names: tuple[tuple[str, str], ...]) -> str:
    named = [{"Name": name, "Unit": unit} for name, unit in names]
    return json.dumps({"Namespace": metrics.namespace, "Dimensions": [["service"]], "Metrics": named})
