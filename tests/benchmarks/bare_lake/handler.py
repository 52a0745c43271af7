"""The same floor for the jobs of the archive, which write Parquet files with DuckDB besides."""

from typing import Any

import duckdb
import fastapi
import mangum
import psycopg
from aws_lambda_powertools import Logger, Metrics, Tracer

IMPORTED = (duckdb, fastapi, mangum, psycopg, Logger, Metrics, Tracer)


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    return {}
