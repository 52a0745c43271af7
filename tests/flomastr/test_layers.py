"""An import of the shared layer only ever points down: from a floor to a lower one, or within its package."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers/flomastr"
FLOORS = (
    {"retention"},
    {"knowledge", "archive"},
    {"embeddings", "tenancy", "workflows"},
    {"http"},
    {"auth", "health", "jobs"},
    {"database", "object_storage"},
    {"settings"},
    {"errors", "observability", "caller", "uuid7"},
)
FLOOR = {name: height for height, names in enumerate(reversed(FLOORS)) for name in names}
PACKAGES = sorted(path.parent for path in LAYER.glob("flomastr/*/__init__.py"))

type Graph = dict[str, set[str]]


def modules() -> dict[str, Path]:
    files = {path for path in LAYER.rglob("*.py") if path.name != "__init__.py"}
    return {".".join(path.relative_to(LAYER).with_suffix("").parts): path for path in files}


def imported(source: str) -> Iterator[str]:
    """Every name that an import names, also one inside a function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports() -> Graph:
    """Of each module, the modules of the layer that it imports."""
    known = modules()
    return {
        name: {
            target
            for full in imported(path.read_text())
            for target in (full, full.rpartition(".")[0])
            if target in known and target != name
        }
        for name, path in known.items()
    }


def top(module: str) -> str:
    """The package of a module, or the module itself at the root."""
    return module.split(".")[1]


def pointing_up(graph: Graph) -> list[str]:
    return sorted(
        f"{module} imports {target}"
        for module, targets in graph.items()
        for target in targets
        if top(module) != top(target) and FLOOR[top(module)] <= FLOOR[top(target)]
    )


def test_every_package_and_module_has_its_floor() -> None:
    assert {top(module) for module in modules()} == FLOOR.keys()


def test_no_import_points_up() -> None:
    assert pointing_up(imports()) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    TopologicalSorter(imports()).prepare()


@pytest.mark.parametrize(("upper", "lower"), [(min(a), min(b)) for a, b in pairwise(FLOORS)])
def test_an_import_that_points_up_is_found(upper: str, lower: str) -> None:
    assert pointing_up({f"flomastr.{lower}": {f"flomastr.{upper}"}}) == [f"flomastr.{lower} imports flomastr.{upper}"]


def test_an_import_inside_a_function_is_found() -> None:
    assert list(imported("def late():\n    from flomastr.http import app\n")) == ["flomastr.http.app"]


def test_init_files_are_empty() -> None:
    assert [path for path in LAYER.rglob("__init__.py") if path.read_text()] == []


def test_packages_are_small() -> None:
    assert len(list(LAYER.glob("flomastr/*.py"))) <= 12
    assert {path.name for path in PACKAGES if len(list(path.glob("[!_]*.py"))) > 14} == set()
