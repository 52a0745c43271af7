"""The repository keeps its own rules."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

from dev.aws.template import read_template

ROOT = Path(__file__).parent.parent
TEMPLATE = read_template()
HANDLERS = sorted((ROOT / "functions").glob("*/handler.py"))
PRODUCT = [path for folder in ("functions", "layers", "schema") for path in (ROOT / folder).rglob("*.py")]


def test_every_folder_of_functions_is_deployed_and_every_function_has_its_folder() -> None:
    deployed = {function.folder.resolve() for function in TEMPLATE.functions.values()}
    assert deployed == {path.parent for path in HANDLERS} | {ROOT / "schema"}


def test_a_function_is_one_file_that_imports_only_the_layer_and_packages() -> None:
    for path in HANDLERS:
        assert [p.name for p in path.parent.glob("*.py")] == ["handler.py"]
        imported = re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.MULTILINE)
        assert not {"functions", "schema", "dev", "tests"} & set(imported), path


def test_a_handler_fits_a_screen() -> None:
    assert {path.parent.name: lines for path in HANDLERS if (lines := path.read_text().count("\n")) > 80} == {}


def test_no_file_is_longer_than_250_lines() -> None:
    files = [*PRODUCT, *(ROOT / "dev").rglob("*.py"), *(ROOT / "schema").glob("*/*.sql")]
    assert {path.name: lines for path in files if (lines := path.read_text().count("\n")) > 250} == {}


def test_no_function_shadows_the_standard_library() -> None:
    assert not {path.parent.name for path in HANDLERS} & sys.stdlib_module_names


def test_only_the_settings_read_the_environment() -> None:
    readers = [path.name for path in PRODUCT if re.search(r"os\.environ|getenv", path.read_text())]
    assert readers == ["settings.py"]


def test_every_package_is_pinned_with_a_hash_and_no_index_is_named() -> None:
    for name in (
        "layers/dependencies/requirements",
        "layers/lake/requirements",
        "layers/documents/requirements",
        "dev/requirements",
        "dev/runtime",
    ):
        text = (ROOT / f"{name}.txt").read_text()
        packages = re.findall(r"^[a-z0-9][^\s=]*==\S+", text, re.MULTILINE)
        assert len(packages) == len(re.findall(r"^[a-z0-9].*==.*\\\n    --hash", text, re.MULTILINE)), name
        assert "index" not in text and "://" not in text, name


def test_functions_are_short() -> None:
    lengths = [f.end_lineno - f.lineno + 1 for f in nodes(ast.FunctionDef, ast.AsyncFunctionDef) if f.end_lineno]
    assert median(lengths) <= 6
    assert quantiles(lengths, n=10)[-1] <= 14


def test_the_names_of_exceptions_end_in_error() -> None:
    for each in nodes(ast.ClassDef):
        bases = [ast.unparse(base).rpartition(".")[2] for base in each.bases]
        if any(base.endswith(("Error", "Exception")) for base in bases):
            assert each.name.endswith("Error"), each.name


def nodes[Node: ast.AST](*kinds: type[Node]) -> Iterator[Node]:
    for path in (*PRODUCT, *(ROOT / "dev").rglob("*.py")):
        yield from (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds))
