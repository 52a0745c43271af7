"""docs/reference/connections.md: how many sandboxes and connections each function may have, by size of the cluster."""

from collections.abc import Iterator
from typing import Any, cast

from samcli import yamlhelper

from dev.aws.template import TEMPLATE
from dev.docs.tables import table
from flomastr.recovery.backup_snapshot import WORKERS

PER_GIGABYTE = 25  # connections that DigitalOcean gives a cluster
RESERVED = 3  # of these, for superusers
# DuckDB's among them, the pool's not; others have one
OF_A_RUN = {"Archive": 2, "Backup": 1 + WORKERS, "Doctor": 0, "RestoreBackup": 0}
SLOW = ("Slow", "Search")
PAGE = """\
# Connections

`python -m dev docs` generates this page from `template.yaml`.

A cluster has 25 connections for each gigabyte of memory, 3 of which are kept for superusers. Jobs, `embed` and
`migrate` connect directly. The rest is for the transaction pool, which all other functions share: make it of this
size. Each sandbox of a function asks the pool for a connection as long as a transaction lasts. Those whose
statements take long (documents, analytics, search) have fewer sandboxes than the pool has connections, so that one
is always left for the quick ones, which take milliseconds each. A tenant searches three times at once at most.

{sums}

The parameter `ClusterMemory` chooses the column. It reserves concurrency, of which an AWS account has 1,000 at
first, or less when it is new, and 100 stay for functions that reserve none. `unknown` reserves none.

{functions}

What happens beyond that, `make bench` measures: ten sandboxes write without a pause for a minute through a pool of two
connections, which each write keeps for 1.2 s. On two cores with much else to do 63 of some 170 answers were 503, the
slowest came after 6.4 s, and five seconds later the pool had its two connections and served as fast as before. One
sandbox of `Executions` had one connection and between 61 and 64 MB over 20,000 warm requests.
"""

type Mapping = dict[str, dict[str, int]]


def page() -> str:
    sandboxes, functions = read()
    sizes = [size for size in sandboxes if size != "unknown"]
    head = ("gigabytes", *sizes)
    return PAGE.format(
        sums=table(head, ((label, *map(str, row)) for label, row in sums(sandboxes, functions, sizes))),
        functions=table(("sandboxes", *sizes), rows(sandboxes, functions, sizes)),
    )


def read() -> tuple[Mapping, dict[str, str | int]]:
    """What the template maps, and of each function with a database the kind or the number of its sandboxes."""
    template = cast(dict[str, Any], yamlhelper.yaml_parse(TEMPLATE.read_text()))  # pyright: ignore[reportUnknownMemberType]
    usual = kind_of(template["Globals"]["Function"])
    functions = {
        name.removesuffix("Function"): kind_of(found["Properties"], usual)
        for name, found in template["Resources"].items()
        if found["Type"] == "AWS::Serverless::Function"
    }
    return template["Mappings"]["Sandboxes"], functions


def kind_of(properties: dict[str, Any], usual: str | int = "") -> str | int:
    if "ReservedConcurrentExecutions" not in properties:
        return usual
    _, bound, _ = cast(list[Any], properties["ReservedConcurrentExecutions"]["Fn::If"])
    return bound if isinstance(bound, int) else cast(str, bound["Fn::FindInMap"][2])


def sums(sandboxes: Mapping, functions: dict[str, str | int], sizes: list[str]) -> Iterator[tuple[str, list[int]]]:
    all_of = [PER_GIGABYTE * int(size) - RESERVED for size in sizes]
    direct = [sum(connections(name, kind, sandboxes[size]) for name, kind in functions.items()) for size in sizes]
    yield "connections", all_of
    yield "direct ones, at most", direct
    yield "the pool's", [everything - some for everything, some in zip(all_of, direct, strict=True)]
    yield (
        "sandboxes with slow statements",
        [sum(sandboxes[size][kind] for kind in functions.values() if kind in SLOW) for size in sizes],
    )
    yield (
        "sandboxes of all functions",
        [
            sum(kind if isinstance(kind, int) else sandboxes[size][kind] for kind in functions.values())
            for size in sizes
        ],
    )


def connections(name: str, kind: str | int, of_size: dict[str, int]) -> int:
    """That a function opens beside the pool."""
    if kind == "Embed":
        return of_size["Embed"]
    return kind * OF_A_RUN.get(name, 1) if isinstance(kind, int) else 0


def rows(sandboxes: Mapping, functions: dict[str, str | int], sizes: list[str]) -> Iterator[tuple[str, ...]]:
    kinds: dict[str | int, list[str]] = {}
    for name, kind in functions.items():
        kinds.setdefault(kind, []).append(name)
    for kind, names in kinds.items():
        values = [str(kind if isinstance(kind, int) else sandboxes[size][kind]) for size in sizes]
        yield (", ".join(names), *values)
