"""What is slow to load is loaded only where it is needed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLOW = ("duckdb", "fsspec", "boto3")
READS_FILES = {"archive", "compact", "erase", "expire", "history", "restore"}  # have the layer with DuckDB
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/handler.py"))


def loaded(function: str) -> set[str]:
    code = f"import sys, functions.{function}.handler; print(*(name for name in {SLOW} if name in sys.modules))"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/flomastr'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(printed.stdout.split())


@pytest.mark.parametrize("function", sorted(set(FUNCTIONS) - READS_FILES))
def test_other_functions_load_neither_duckdb_nor_an_s3_client(function: str) -> None:
    assert loaded(function) == set()


def test_history_loads_no_s3_client_before_it_reads_a_file() -> None:
    assert loaded("history") == {"duckdb", "fsspec"}
