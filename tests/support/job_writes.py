"""What jobs may come to write, as their source says: SQL that their code holds, and the SQL functions that it calls."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import psycopg

from dev.paths import ROOT
from tests.support.reached import definitions, reached

JOBS = (
    "partitions",
    "archive",
    "expire",
    "compact",
    "restore",
    "erase",
    "requeue",
    "rollup",
    "alert",
    "backup",
    "drill",
    "embed",
    "recover",
)
# what is written as an administrator of another database
ELSEWHERE = {("flomastr.recovery.receipts", "replay")}
WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE)(?: INTO| FROM)?\s+app\.(\w+)")
UPSERTS = re.compile(r"INSERT INTO\s+app\.(\w+)(?:(?!INSERT INTO).)*?DO UPDATE", re.DOTALL)
CALLS = re.compile(r"app\.(\w+)\s*\(")
BODIES = """
SELECT proname, coalesce(nullif(prosrc, ''), pg_get_functiondef(oid)) FROM pg_proc
WHERE pronamespace = 'app'::regnamespace AND NOT prosecdef
"""
TRIGGERS = """
SELECT c.relname, p.proname FROM pg_trigger AS t
JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND p.pronamespace = 'app'::regnamespace
"""


def texts() -> Iterator[str]:
    """The constants of the code that the handlers of jobs can come to."""
    for job in JOBS:
        for module, name in reached(ROOT / "functions" / job / "handler.py") - ELSEWHERE:
            for part in definitions(module)[name]:
                yield from constants(part)


def constants(part: ast.AST) -> Iterator[str]:
    for node in ast.walk(part):
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.Call(func=ast.Name(id="delete_rows"), args=[ast.Constant(value=table)]):
                yield f"DELETE FROM app.{table}"
            case _:
                pass


def job_writes(conn: psycopg.Connection[Any]) -> set[tuple[str, str]]:
    """Table and verb. Triggers that a job's writes fire run as the job as well."""
    bodies: dict[str, str] = dict(conn.execute(BODIES).fetchall())
    triggers: list[tuple[str, str]] = conn.execute(TRIGGERS).fetchall()
    written: set[tuple[str, str]] = set()
    called: set[str] = set()
    todo = list(set(texts()))
    while todo:
        text = re.sub(r"--.*", "", todo.pop())
        written |= {(table, verb) for verb, table in WRITES.findall(text)}
        written |= {(table, "UPDATE") for table in UPSERTS.findall(text)}
        fired = {function for table, function in triggers if table in {name for name, _ in written}}
        new = ({*CALLS.findall(text)} | fired) - called
        called |= new
        todo += [bodies[name] for name in new & bodies.keys()]
    return written
