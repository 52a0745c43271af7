"""What is slow to load is loaded only where it is needed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLOW = ("duckdb", "fsspec", "boto3", "pgvector")
READS_FILES = {
    "archive",
    "backup",
    "compact",
    "drill",
    "erase",
    "expire",
    "history",
    "recovery",
    "restore",
    "rollup",
}  # have the layer with DuckDB
ASKS_AWS = {"smoke"}  # by the client of Lambda's runtime, and nobody waits for it
HANDLES_VECTORS = {"chunks", "doctor", "embed", "knowledge_search"}
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/handler.py"))


# Forks for each function, since most of what they load is the same. Whether that is slow is seen in each of them.
IMPORTS = f"""
import importlib, os, sys
import aws_lambda_powertools, fastapi, mangum, psycopg, pydantic
for function in sys.argv[1:]:
    if os.fork() == 0:
        importlib.import_module(f"functions.{{function}}.handler")
        print(function, *(name for name in {SLOW} if name in sys.modules), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0, function
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """What is slow, by the function that loads it."""
    printed = subprocess.run(
        [sys.executable, "-c", IMPORTS, *FUNCTIONS],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/flomastr'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return {function: set(names) for function, *names in map(str.split, printed.stdout.splitlines())}


@pytest.mark.parametrize("function", sorted(set(FUNCTIONS) - READS_FILES - ASKS_AWS))
def test_other_functions_load_neither_duckdb_nor_an_s3_client(loaded: dict[str, set[str]], function: str) -> None:
    assert loaded[function] == ({"pgvector"} if function in HANDLES_VECTORS else set())


def test_history_loads_no_s3_client_before_it_reads_a_file(loaded: dict[str, set[str]]) -> None:
    assert loaded["history"] == {"duckdb", "fsspec"}
