"""What the code of a function can call, as its source says: names are followed from the handler through the layer."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from dev.paths import ROOT

LAYER = ROOT / "layers" / "flomastr"

type Defined = tuple[str, str]  # module, and what it defines at its top, or a method


@cache
def tree(module: str) -> ast.Module | None:
    """Of a module of the layer, or of a file that is named by its path."""
    path = Path(module) if module.endswith(".py") else LAYER / f"{module.replace('.', '/')}.py"
    return ast.parse(path.read_text()) if path.exists() else None


@cache
def imported(module: str) -> dict[str, Defined]:
    """Names that a module has from the layer, wherever in it they are imported. A whole module has no second part."""
    names: dict[str, Defined] = {}
    for node in ast.walk(tree(module) or ast.Module([], [])):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("flomastr"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                names[alias.asname or alias.name] = (inner, "") if tree(inner) else (str(node.module), alias.name)
    return names


@cache
def definitions(module: str) -> dict[str, list[ast.AST]]:
    """What stands under each name; a method under its own name, as who calls it says no class."""
    found: dict[str, list[ast.AST]] = {}
    for node in (tree(module) or ast.Module([], [])).body:
        for name, part in named(node):
            found.setdefault(name, []).append(part)
    return found


def named(node: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name, node
        case ast.ClassDef(name=name, body=body):
            for part in body:
                is_method = isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
                yield (f".{part.name}" if is_method and not overrides(part) else name), part
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            yield name, node
        case ast.TypeAlias(name=ast.Name(id=name)):
            yield name, node
        case ast.Import() | ast.ImportFrom():
            pass
        case _:
            yield "", node  # runs with the import


def overrides(part: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it is called by what its class inherits from."""
    return any(isinstance(decorator, ast.Name) and decorator.id == "override" for decorator in part.decorator_list)


def mentioned(module: str, part: ast.AST, modules: set[str]) -> Iterator[Defined]:
    """What the part names: of its module, of modules that it imports, and methods of whatever object."""
    for node in ast.walk(part):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                yield imported(module).get(name, (module, name))
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if imported(module).get(name, ("", "x"))[1] == "":
                yield imported(module)[name][0], attr
            case ast.Attribute(attr=attr):
                yield from ((other, f".{attr}") for other in modules)
            case _:
                pass


def closure(start: str) -> set[str]:
    """The modules that are imported, some of them late."""
    found, todo = {start}, [start]
    while todo:
        new = {module for module, _ in imported(todo.pop()).values()} - found
        found |= new
        todo += new
    return found


def reached(path: Path) -> set[Defined]:
    """All that the handler's file can come to."""
    start = str(path)
    modules = closure(start)
    todo = [(start, name) for name in definitions(start)] + [(module, "") for module in modules]
    found: set[Defined] = set()
    while todo:
        place = todo.pop()
        if place in found or place[1] not in definitions(place[0]):
            continue
        found.add(place)
        todo += [m for part in definitions(place[0])[place[1]] for m in mentioned(place[0], part, modules)]
    return found
