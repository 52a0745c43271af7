"""The documentation: generated pages say what the code says, links lead somewhere, and named commands exist."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.docs.pages import REFERENCE, pages
from dev.docs.routes import applications, routes_of, scope_of

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "n8n/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text())


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """The page and the anchor that each relative link leads to."""
    for target in LINK.findall(prose(page)):
        if not target.startswith("https://"):
            path, _, anchor = target.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


def anchors(page: Path) -> set[str]:
    """Of each heading, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_a_generated_page_says_what_the_code_says(page: Path) -> None:
    assert page.read_text() == pages()[page], "Run `python -m dev docs`."


def test_every_scope_stands_in_the_reference() -> None:
    scopes = {scope_of(route) or "" for app in applications() for route in routes_of(app)}
    rows = re.findall(r"^\| (`.*?) \|", (REFERENCE / "roles-and-scopes.md").read_text(), re.MULTILINE)
    of_tenants = {scope for scope in scopes if scope and not scope.startswith(("me:", "platform:"))}
    assert set(re.findall(r"`(\w+:\w+)`", " ".join(rows))) == of_tenants


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_pages_and_headings_that_exist(page: Path) -> None:
    assert [target for target, _ in links(page) if not target.exists()] == []
    assert [(target.name, anchor) for target, anchor in links(page) if anchor and anchor not in anchors(target)] == []


def test_every_page_is_found_from_the_readme() -> None:
    found, new = set[Path](), {ROOT / "README.md"}
    while new:
        found |= new
        new = {
            target for page in new for target, _ in links(page) if target.suffix == ".md" and target.exists()
        } - found
    assert set(PAGES) - found == set()


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= 15_000


def test_every_command_that_is_named_exists() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    helped = subprocess.run(
        [sys.executable, "-m", "dev", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    commands = re.search(r"{([\w,]+)}", helped.stdout)
    assert commands
    assert set(re.findall(r"python -m dev (\w+)", text)) <= set(commands[1].split(","))
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`|&& )(?:[A-Z]+=\S+ )*make ([a-z0-9]+)", text, re.MULTILINE)) <= targets


def test_each_line_of_what_the_local_gateway_does_has_its_test() -> None:
    rows = re.findall(r"^\| (?!what|---)(.+) \|$", (REFERENCE / "local-gateway.md").read_text(), re.MULTILINE)
    named = [re.findall(r"`(test_\w+)`", row.rpartition(" | ")[2]) for row in rows]
    assert len(rows) >= 16
    assert all(named)
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for names in named for name in names if f"def {name}(" not in tests] == []


def test_every_file_and_sql_function_that_is_named_exists() -> None:
    text = "\n".join(prose(page) for page in PAGES)
    named = set(re.findall(r"`((?:layers|functions|schema|dev|tests|docs)/[\w./-]+|flomastr/[\w./-]+\.py)", text))
    folder = {"flomastr": ROOT / "layers/flomastr"}
    files = {name: folder.get(name.partition("/")[0], ROOT) / name for name in named if "NNNN" not in name}
    assert sorted(name for name, file in files.items() if not file.exists()) == []
    schema = "\n".join(file.read_text() for file in (ROOT / "schema").rglob("*.sql"))
    assert sorted(name for name in set(re.findall(r"`(app\.\w+)", text)) if not re.search(rf"{name}\b", schema)) == []


def sentences(page: Path) -> list[str]:
    """A row of a table and an item of a list end one too."""
    return re.split(r"(?<=[.;])\s|\n\n|\n(?=[|-])", prose(page))


def test_a_sql_function_is_defined_in_a_file_that_its_sentence_names() -> None:
    wrong = set[tuple[str, str]]()
    for page in PAGES:
        for sentence in sentences(page):
            files = re.findall(r"`(schema/(?:functions|migrations)/[\da-z_]+\.sql)`", sentence)
            defined = "".join((ROOT / file).read_text() for file in files)
            for name in re.findall(r"`(app\.\w+)`", sentence) if files else ():
                if not re.search(rf"^CREATE .*{name}\b", defined, re.MULTILINE):
                    wrong.add((page.name, name))
    assert wrong == set()


def defines(text: str, name: str) -> bool:
    return re.search(rf"^\s*(?:(?:async )?def|class|type) {name}\b|^{name}\b.*=", text, re.MULTILINE) is not None


def misplaced(page: str, sources: dict[str, str]) -> set[str]:
    """What a sentence names beside files of Python, when others define it. `sources` are texts by path."""
    files = [
        file.replace("flomastr/", "layers/flomastr/flomastr/", 1) if file.startswith("flomastr/") else file
        for file in re.findall(r"`([\w./-]+\.py)`", page)
    ]
    named = re.findall(r"`([A-Za-z_]\w*)(?:\([^`]*\))?`", page)
    return {
        name
        for name in (named if files else ())
        if any(defines(text, name) for text in sources.values())
        and not any(defines(sources.get(file, ""), name) for file in files)
    }


def python_sources() -> dict[str, str]:
    paths = [path for folder in ("layers", "functions", "schema", "dev") for path in (ROOT / folder).rglob("*.py")]
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths}


def test_a_python_name_is_defined_in_a_file_that_its_sentence_names() -> None:
    sources = python_sources()
    assert {
        (page.name, name) for page in PAGES for each in sentences(page) for name in misplaced(each, sources)
    } == set()


@pytest.mark.parametrize(
    ("sentence", "wrong"),
    [
        ("`create` in `flomastr/workflows/workflows.py`, called by `functions/workflows/handler.py`", set[str]()),
        ("`create` in `layers/flomastr/flomastr/workflows/recording.py`", {"create"}),
        ("`NEEDED_MIGRATION` of `flomastr/errors.py`", {"NEEDED_MIGRATION"}),
        ("`create`, whose file it does not say", set[str]()),
        ("`fsspec` in `flomastr/health.py`, a package", set[str]()),
    ],
)
def test_a_name_in_another_file_is_found(sentence: str, wrong: set[str]) -> None:
    assert misplaced(sentence, python_sources()) == wrong


def test_a_python_name_with_its_module_exists() -> None:
    sources = {Path(path).stem: text for path, text in python_sources().items() if path.startswith("layers")}
    sources |= {"db": sources["session"], "job": sources["jobs"]}
    named = {match for page in PAGES for match in re.findall(r"`(?:\w+\.)?([a-z_]+)\.(\w+)[`(]", prose(page))}
    known = {(module, name) for module, name in named if module in sources.keys() - {"app"} and name != "py"}
    assert ("pipeline", "execute") in known and ("db", "both") in known
    assert {(module, name) for module, name in known if not defines(sources[module], name)} == set()


def test_the_readme_names_each_place_that_a_reader_looks_for() -> None:
    rows = re.findall(r"^\| (.+\?) \| (.+) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(rows) == 6
    assert [
        question for question, answer in rows if not re.search(r"`[\w/]+\.(?:py|sql)`|\]\([\w/#.-]+\)", answer)
    ] == []
