"""The floor of a cold start: the packages that every endpoint stands on, and not a line of ours."""

from typing import Any

import fastapi
import mangum
import psycopg
from aws_lambda_powertools import Logger, Metrics, Tracer

IMPORTED = (fastapi, mangum, psycopg, Logger, Metrics, Tracer)


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    return {}
