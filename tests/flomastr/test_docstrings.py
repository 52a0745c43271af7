"""What another module calls says what comes in and out, and what it raises."""

import ast
from collections.abc import Iterator

import pytest

from tests.support.source_code import HANDLERS, LAYER, Function

type Name = tuple[str, str]  # module and function


def sources() -> dict[str, str]:
    paths = [path for path in LAYER.rglob("*.py") if path.name != "__init__.py"]
    layer = {".".join(path.relative_to(LAYER).with_suffix("").parts): path.read_text() for path in paths}
    return layer | {f"functions.{path.parent.name}": path.read_text() for path in HANDLERS}


def names_of_modules(tree: ast.AST, modules: set[str]) -> dict[str, str]:
    """What a module is called here, and which one it is."""
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    named = {alias.asname or alias.name: f"{node.module}.{alias.name}" for node in froms for alias in node.names}
    return {name: full for name, full in named.items() if full in modules}


def used(module: str, text: str, modules: set[str]) -> Iterator[Name]:
    """What a module takes from other modules of the layer, by name or as an attribute of theirs."""
    tree = ast.parse(text)
    called = names_of_modules(tree, modules)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in modules - {module}:
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in called:
            yield called[node.value.id], node.attr


def undocumented(sources: dict[str, str]) -> list[str]:
    """What is used elsewhere and does not say what it is for, or what it raises."""
    modules = {name for name in sources if name.startswith("flomastr.")}
    wanted = {name for module, text in sources.items() for name in used(module, text, modules)}
    functions = [(module, each) for module in modules for each in ast.parse(sources[module]).body]
    return sorted(
        f"{module}.{each.name}"
        for module, each in functions
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        and (module, each.name) in wanted
        and not is_documented(each)
    )


def is_documented(function: Function) -> bool:
    text = ast.get_docstring(function) or ""
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(function))
    return bool(text) and (not raises or "aises" in text)


def test_every_function_that_another_module_uses_says_what_it_does_and_raises() -> None:
    assert undocumented(sources()) == []


@pytest.mark.parametrize(
    "use", ["from flomastr.a import f", "from flomastr import a\na.f()", "from flomastr import a as b\nb.f()"]
)
@pytest.mark.parametrize(
    ("body", "is_enough"),
    [
        ("return 1", False),
        ("'Seconds.'", True),
        ("'Seconds.'\n  raise ValueError", False),
        ("'Seconds. Raises ValueError.'\n  raise ValueError", True),
    ],
)
@pytest.mark.parametrize("user", ["flomastr.c", "functions.c"])
def test_a_function_that_says_too_little_is_found(user: str, use: str, body: str, is_enough: bool) -> None:
    found = undocumented({"flomastr.a": f"def f():\n  {body}\n", user: use})
    assert found == ([] if is_enough else ["flomastr.a.f"])


def test_a_function_that_only_its_own_module_uses_need_not_say_anything() -> None:
    assert undocumented({"flomastr.a": "def f(): ...\nf()", "flomastr.c": "from flomastr.a import g"}) == []
