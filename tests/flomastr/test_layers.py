"""An import of the shared layer only ever points down: from a floor to a lower one, or within its package."""

from collections.abc import Collection
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.source_code import LAYER, imported

FLOORS = (
    {"alerts", "drills", "doctor", "uploads"},
    {"retention", "analytics", "readers", "tenant_recovery"},
    {"knowledge", "archive", "recovery", "n8n"},
    {"embeddings", "tenancy", "workflows", "languages", "outbound"},
    {"http", "large_data"},
    {"auth", "health", "jobs", "job_runs"},
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


def imports() -> Graph:
    """Of each module, the modules and packages of the layer that it imports."""
    known = modules() | {f"flomastr.{path.name}": path for path in PACKAGES}
    return {
        name: {target for full in imported(path.read_text()) if (target := meant(full, known)) and target != name}
        for name, path in modules().items()
    }


def meant(full: str, known: Collection[str]) -> str | None:
    """The module or package in which an imported name is, if it is one of the layer's."""
    while full and full not in known:
        full = full.rpartition(".")[0]
    return full or None


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


@pytest.mark.parametrize(
    "source",
    [
        "from flomastr.tenancy import slugs",
        "from flomastr.tenancy.slugs import RESERVED",
        "import flomastr.tenancy.slugs as words",
        "from flomastr import tenancy",
        "def late():\n    from flomastr.tenancy import slugs",
        "importlib.import_module('flomastr.tenancy.slugs')",
        "import_module('flomastr.tenancy')",
    ],
)
def test_an_import_that_points_up_is_found_in_each_form(source: str) -> None:
    known = {"flomastr.tenancy", "flomastr.tenancy.slugs"}
    (target,) = {meant(full, known) for full in imported(source)}
    assert target
    assert pointing_up({"flomastr.database.session": {target}}) == [f"flomastr.database.session imports {target}"]


@pytest.mark.parametrize("source", ["import_module(name)", "from .tenancy import slugs"])
def test_an_import_of_which_nobody_sees_what_it_names_is_refused(source: str) -> None:
    with pytest.raises(AssertionError):
        list(imported(source))


def test_init_files_are_empty() -> None:
    assert [path for path in LAYER.rglob("__init__.py") if path.read_text()] == []


def test_packages_are_small() -> None:
    assert len(list(LAYER.glob("flomastr/*.py"))) <= 12
    assert {path.name for path in PACKAGES if len(list(path.glob("[!_]*.py"))) > 14} == set()
