"""What the repository's Python says of itself, read as a syntax tree: what imports what, and how long functions are."""

import ast
import builtins
from collections.abc import Iterable, Iterator
from pathlib import Path

import psycopg.errors

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers/flomastr"
HANDLERS = sorted((ROOT / "functions").glob("*/handler.py"))
PRODUCT = [path for folder in ("functions", "layers", "schema") for path in sorted((ROOT / folder).rglob("*.py"))]
DEV = sorted((ROOT / "dev").rglob("*.py"))
BY_NAME = {"import_module", "__import__"}

type Function = ast.FunctionDef | ast.AsyncFunctionDef


def imported(source: str) -> Iterator[str]:
    """Every name that an import names, also one inside a function, and one that is imported by its name as a text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in BY_NAME:
            named = node.args[0] if node.args else None
            assert isinstance(named, ast.Constant), "a module that is imported by its name is named in place"
            yield str(named.value)


def roots(source: str) -> set[str]:
    """The packages that a source imports from."""
    return {name.partition(".")[0] for name in imported(source)}


def reads_environment(source: str) -> bool:
    wanted = {"environ", "environb", "getenv", "getenvb"}
    attributes = {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    return bool(wanted & (attributes | {name.removeprefix("os.") for name in imported(source)}))


def misnamed_exceptions(source: str) -> list[str]:
    """Exceptions whose names do not end in Error, by what they are derived from."""
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef)
        and any(is_exception(ast.unparse(base).rpartition(".")[2]) for base in node.bases)
        and not node.name.endswith("Error")
    ]


def is_exception(base: str) -> bool:
    known = getattr(builtins, base, None) or getattr(psycopg.errors, base, None)
    is_known = isinstance(known, type) and issubclass(known, BaseException)
    return is_known or base.endswith(("Error", "Exception", "Warning"))


def functions(paths: Iterable[Path]) -> Iterator[tuple[str, Function]]:
    """Each function, however nested, by its file and name."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT)}:{node.name}", node


def lines(function: Function) -> int:
    """The length of a function without its docstring and decorators."""
    first = function.body[0]
    docstring = ast.get_docstring(function, clean=False)
    says = docstring is not None and (first.end_lineno or 0) - first.lineno + 1
    return (function.end_lineno or 0) - function.lineno + 1 - int(says)
