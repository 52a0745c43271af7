"""ErrorCode has exactly the codes that Python and SQL raise, and docs/reference/errors.md their statuses."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from dev.docs.errors import EXPLANATIONS
from flomastr.errors import ErrorCode, NotModifiedError, ServiceError

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers/flomastr"
SQL = "\n".join(path.read_text() for path in sorted((ROOT / "schema").glob("*/*.sql")))
RAISED = re.compile(r"errcode = 'FL(\d{3})', constraint = '(\w+)'")
REJECTION = re.compile(r"errcode = CASE rejection WHEN '(\w+)' THEN 'FL(\d{3})' ELSE 'FL(\d{3})' END")
WITHOUT_CODE = re.compile(r"errcode = 'FL404', message = 'There is no such partition")  # of jobs alone
NOT_FOR_CALLERS = {"already_answered", "rows_changed", "seal_broken"}  # database.session and the jobs catch them

ERRCODE = re.compile(r"\berrcode\s*(?::?=|=>)", re.IGNORECASE)

type Statuses = dict[str, set[int]]


def raised_by_sql() -> Iterator[tuple[str, int]]:
    for status, code in RAISED.findall(SQL):
        yield code, int(status)
    ((missing, first, second),) = REJECTION.findall(SQL)
    rejections = re.findall(r"THEN '(\w+)'", re.findall(r"CASE\s((?:\s*WHEN [^\n]*\n)+)\s*END AS rejection", SQL)[0])
    yield from ((code, int(first if code == missing else second)) for code in rejections)


def raised_by_python() -> Iterator[tuple[str, int]]:
    for path in LAYER.rglob("*.py"):
        module = import_module(".".join(path.relative_to(LAYER).with_suffix("").parts))
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.ClassDef(name=name):
                    error = getattr(module, name, None)
                case ast.Call(func=ast.Name(id=name)):
                    error = error_of(getattr(module, name, None))
                case _:
                    continue
            if not (isinstance(error, type) and issubclass(error, ServiceError)):
                continue
            own = node.body if isinstance(node, ast.ClassDef) else node.args
            for code in codes_in(own):
                yield code, error.status.value


def error_of(called: Any) -> Any:
    """The class of the error that is called, or that a function returns."""
    return called if isinstance(called, type) else getattr(called, "__annotations__", {}).get("return")


def codes_in(nodes: list[Any]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.Assign(value=ast.Attribute(value=ast.Name("ErrorCode"), attr=name)):
                yield ErrorCode[name].value
            case ast.AnnAssign(value=ast.Attribute(value=ast.Name("ErrorCode"), attr=name)):
                yield ErrorCode[name].value
            case ast.Attribute(value=ast.Name("ErrorCode"), attr=name):
                yield ErrorCode[name].value
            case _:
                pass


def statuses() -> Statuses:
    found: Statuses = defaultdict(set)
    for code, status in (*raised_by_sql(), *raised_by_python()):
        found[code].add(status)
    return found


def test_the_codes_are_exactly_those_that_sql_and_python_raise() -> None:
    raised = statuses().keys()
    assert raised >= NOT_FOR_CALLERS
    assert raised - NOT_FOR_CALLERS == set(ErrorCode)


def test_the_page_explains_each_code_with_its_statuses() -> None:
    assert [explanation.code for explanation in EXPLANATIONS] == sorted(ErrorCode)
    documented = {explanation.code: set(explanation.statuses) for explanation in EXPLANATIONS}
    assert documented == {code: found for code, found in statuses().items() if code not in NOT_FOR_CALLERS}


def test_outcomes_of_a_batch_are_no_error_codes() -> None:
    outcomes = set(re.findall(r"'(\w+)'", re.findall(r"CASE(?:(?!CASE).)*?END AS outcome", SQL, re.DOTALL)[0]))
    assert outcomes >= {"created", "updated", "unchanged"}
    assert outcomes.isdisjoint(ErrorCode)


def test_an_answer_without_a_body_has_no_code_of_its_own() -> None:
    assert "code" not in vars(NotModifiedError)


def test_every_error_that_sql_raises_is_read_here() -> None:
    read = sum(len(pattern.findall(SQL)) for pattern in (RAISED, REJECTION, WITHOUT_CODE))
    assert len(ERRCODE.findall(SQL)) == read
