"""What a real n8n posted, replayed: doubled, shuffled and by many clients at once. The same rows stay."""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from typing import Any

import psycopg
import pytest

from tests.support.factories import Factory
from tests.support.n8n_capture import Json, error_posts, instance, pages, report, stored

type Superuser = psycopg.Connection[Any]

CLIENTS = 8


@pytest.fixture(scope="module")
def clients() -> Iterator[ProcessPoolExecutor]:
    """Sandboxes in processes of their own, each with its connection."""
    with ProcessPoolExecutor(CLIENTS, get_context("spawn")) as clients:
        yield clients


@pytest.fixture(scope="module")
def expected(make: Factory, superuser: Superuser) -> list[Json]:
    """The rows of one who read the public API once, from its first page to its last."""
    n8n = instance(make)
    for page in pages():
        assert {result["outcome"] for result in n8n.post(page).json["results"]} == {"created"}
    return stored(superuser, n8n.tenant)


def bodies(chance: random.Random, *, named: bool) -> Iterator[Any]:
    """Every post and every execution twice, in any order, singly, in small batches, and as pages."""
    runs = [run if named else {**run, "workflowData": None} for page in pages() for run in page["data"]]
    items = [*runs, *error_posts()] * 2
    chance.shuffle(items)
    while items:
        batch = [items.pop() for _ in range(min(len(items), chance.choice((1, 1, 2, 5))))]
        yield chance.choice((batch, {"data": batch, "nextCursor": None})) if len(batch) > 1 else batch[0]


def test_what_was_posted_makes_the_rows_that_n8n_reports(expected: list[Json]) -> None:
    runs = {run["id"]: run for page in pages() for run in page["data"]}
    assert len(expected) == len(runs) == 306
    for row in expected:
        run = runs[row["n8n_execution_id"]]
        assert (row["n8n_workflow_id"], row["name"]) == (run["workflowId"], run["workflowData"]["name"])
        assert (row["status"], row["mode"]) == (run["status"], run["mode"])
        assert row["execution_data"] == {"mode": run["mode"], **run["data"]}
        assert row["error_message"] == run["data"]["resultData"].get("error", {}).get("message")
        times = (row["started_at"].timestamp(), row["finished_at"].timestamp())
        assert times == (moment(run["startedAt"]), moment(run["stoppedAt"]))


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize("seed", range(4))
def test_posts_doubled_shuffled_and_at_once_leave_the_same_rows(
    make: Factory, superuser: Superuser, clients: ProcessPoolExecutor, expected: list[Json], seed: int
) -> None:
    n8n = instance(make)
    chance = random.Random(seed)
    sent = [clients.submit(report, n8n.key.token(), body) for body in bodies(chance, named=True)]
    outcomes = Counter[str]()
    for answer in (future.result() for future in sent):
        assert answer.status == 202, answer.body
        outcomes.update(result["outcome"] for result in answer.json["results"])
    assert outcomes["created"] == 306
    assert outcomes.total() == 2 * (306 + 15)
    assert outcomes.keys() <= {"created", "updated", "unchanged"}
    assert stored(superuser, n8n.tenant) == expected


def test_workflows_that_only_some_posts_name_are_named_all_the_same(
    make: Factory, superuser: Superuser, clients: ProcessPoolExecutor, expected: list[Json]
) -> None:
    n8n = instance(make)
    sent = [clients.submit(report, n8n.key.token(), body) for body in bodies(random.Random(9), named=False)]
    assert {future.result().status for future in sent} == {202}
    named = {row["n8n_workflow_id"]: row["name"] for row in stored(superuser, n8n.tenant)}
    reported = {post["workflow"]["id"]: post["workflow"]["name"] for post in error_posts()}
    assert named == {id: reported.get(id, id) for id in named}
    assert len(stored(superuser, n8n.tenant)) == len(expected)
