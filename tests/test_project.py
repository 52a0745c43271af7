"""The repository keeps its own rules."""

import re
import sys
from pathlib import Path
from statistics import median, quantiles

import pytest

from dev.aws.template import read_template
from tests.support.source_code import (
    DEV,
    HANDLERS,
    LAYER,
    PRODUCT,
    ROOT,
    functions,
    lines,
    misnamed_exceptions,
    reads_environment,
    roots,
)

TEMPLATE = read_template()
# migrations, which never change
LONG_AND_APPLIED = {
    "0001_roles.sql",
    "0003_tenancy.sql",
    "0004_access.sql",
    "0006_executions.sql",
    "0010_legal_holds.sql",
    "0011_archive.sql",
    "0013_knowledge_bases.sql",
    "0014_chunks.sql",
    "0015_embeddings.sql",
    "0023_held_content.sql",
    "0077_n8n_connections.sql",
    "0025_grants.sql",
}
OURS = {"functions", "schema", "dev", "tests"}


def test_every_folder_of_functions_is_deployed_and_every_function_has_its_folder() -> None:
    deployed = {function.folder.resolve() for function in TEMPLATE.functions.values()}
    assert deployed == {path.parent for path in HANDLERS} | {ROOT / "schema"}


def test_a_function_is_one_file_that_imports_only_the_layer_and_packages() -> None:
    for path in HANDLERS:
        assert [p.name for p in path.parent.glob("*.py")] == ["handler.py"]
        assert not OURS & roots(path.read_text()), path


def test_the_layer_and_the_schema_import_nothing_of_ours_from_outside() -> None:
    for path in [*LAYER.rglob("*.py"), *(ROOT / "schema").rglob("*.py")]:
        assert not OURS & roots(path.read_text()), path


@pytest.mark.parametrize(
    "source",
    [
        "from dev import console",
        "def late():\n    import dev.console",
        "if True:\n    from dev.console import print",
        "importlib.import_module('dev.console')",
        "__import__('dev')",
    ],
)
def test_what_is_imported_anywhere_and_in_any_way_is_seen(source: str) -> None:
    assert "dev" in roots(source)


def test_a_handler_fits_a_screen() -> None:
    assert {path.parent.name: lines for path in HANDLERS if (lines := path.read_text().count("\n")) > 80} == {}


def test_no_file_is_longer_than_250_lines() -> None:
    files = [*PRODUCT, *DEV, *(ROOT / "schema").glob("*/*.sql")]
    assert {path.name: lines for path in files if (lines := path.read_text().count("\n")) > 250} == {}


def test_no_line_of_sql_is_longer_than_one_of_python() -> None:
    files = [path for path in (ROOT / "schema").glob("*/*.sql") if path.name not in LONG_AND_APPLIED]
    assert {
        f"{path.name}: {line}" for path in files for line in path.read_text().splitlines() if len(line) > 120
    } == set()


def test_no_function_shadows_the_standard_library() -> None:
    assert not {path.parent.name for path in HANDLERS} & sys.stdlib_module_names


def test_only_the_settings_read_the_environment() -> None:
    assert [path.name for path in PRODUCT if reads_environment(path.read_text())] == ["settings.py"]


@pytest.mark.parametrize(
    "source",
    ["os.environ['A']", "from os import environ", "from os import getenv as a", "import os as o\no.getenv('A')"],
)
def test_any_way_to_read_the_environment_is_seen(source: str) -> None:
    assert reads_environment(source)


def test_every_package_is_pinned_with_a_hash_and_no_index_is_named() -> None:
    for name in (
        "layers/dependencies/requirements",
        "layers/lake/requirements",
        "layers/documents/requirements",
        "layers/readers/requirements",
        "dev/requirements",
        "dev/runtime",
    ):
        text = (ROOT / f"{name}.txt").read_text()
        packages = re.findall(r"^[a-z0-9][^\s=]*==\S+", text, re.MULTILINE)
        assert len(packages) == len(re.findall(r"^[a-z0-9].*==.*\\\n    --hash", text, re.MULTILINE)), name
        assert "index" not in text and "://" not in text, name


@pytest.mark.parametrize(
    ("paths", "longest"), [(list(LAYER.rglob("*.py")), 24), ([*PRODUCT, *DEV], 32)], ids=["layer", "all"]
)
def test_functions_are_short(paths: list[Path], longest: int) -> None:
    lengths = [(lines(function), name) for name, function in functions(paths)]
    assert median(length for length, _ in lengths) <= 6
    assert quantiles((length for length, _ in lengths), n=10)[-1] <= 14
    assert [each for each in lengths if each[0] > longest] == []


def test_a_function_is_measured_without_its_docstring() -> None:
    source = ROOT / "tests/support/source_code.py"
    assert {name.rpartition(":")[2]: lines(f) for name, f in functions([source])}["lines"] == 5


def test_the_names_of_exceptions_end_in_error() -> None:
    assert {path: found for path in [*PRODUCT, *DEV] if (found := misnamed_exceptions(path.read_text()))} == {}


@pytest.mark.parametrize("base", ["Warning", "ValueError", "StopIteration", "errors.LockNotAvailable", "ServiceError"])
def test_an_exception_with_another_name_is_seen(base: str) -> None:
    assert misnamed_exceptions(f"class Sudden({base}): ...") == ["Sudden"]
    assert misnamed_exceptions("class Sudden(BaseModel): ...") == []
