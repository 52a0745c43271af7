"""What an error workflow says of an end gives way to what n8n's API or a log message says, in any order."""

from itertools import permutations
from typing import Any

import psycopg
import pytest

from tests.support.factories import Factory
from tests.support.n8n_capture import Instance, Json, executed, failed, instance, logged, stored

type Superuser = psycopg.Connection[Any]

POST = failed()
STARTED = logged("n8n.workflow.started", "2026-01-02T03:04:05Z")
WAITS = logged("n8n.workflow.failed", "2026-01-02T03:04:05.5Z")


def ended(status: str, **fields: Any) -> Json:
    return executed(status=status, finished=status == "success", **fields)


STORIES: list[tuple[list[Json], str]] = [  # what is said of one run, and what it then is
    ([POST], "error"),
    ([POST, ended("canceled")], "canceled"),
    ([POST, ended("crashed")], "crashed"),
    ([POST, ended("error")], "error"),
    ([POST, ended("success")], "success"),
    ([POST, ended("running", stoppedAt=None), ended("canceled")], "canceled"),
    ([POST, STARTED, logged("n8n.workflow.cancelled", "2026-01-02T03:04:06Z")], "canceled"),
    ([POST, STARTED, logged("n8n.workflow.crashed", "2026-01-02T03:04:06Z")], "crashed"),
    ([POST, STARTED, WAITS], "error"),
    ([POST, ended("crashed"), ended("error")], "error"),
    ([POST, ended("crashed"), ended("success")], "success"),
    ([POST, ended("canceled"), ended("crashed")], "canceled"),
    ([POST, failed(mode="trigger"), ended("waiting"), ended("canceled")], "canceled"),
]


def told(n8n: Instance, superuser: Superuser, items: list[Json], at_once: bool) -> tuple[Any, ...]:
    for part in [items] if at_once else [[item] for item in items]:
        n8n.send(*part)
    (row,) = stored(superuser, n8n.tenant)
    finished = row["finished_at"] if len(items) > 1 else None  # an error workflow does not say when
    return row["status"], row["error_message"], finished, str(row["execution_data"])


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(("story", "status"), STORIES)
def test_what_n8n_says_of_an_end_counts_in_any_order(
    make: Factory, superuser: Superuser, story: list[Json], status: str, at_once: bool
) -> None:
    ends = {told(instance(make), superuser, list(order), at_once) for order in permutations(story)}
    assert {end[0] for end in ends} == {status}
    assert len({(end[0], end[1], end[3]) for end in ends}) == 1
    assert {end[1] for end in ends} == {"It broke" if status != "success" else None}


def test_what_n8n_has_said_is_not_forgotten_by_a_repeated_post(make: Factory, superuser: Superuser) -> None:
    n8n = instance(make)
    n8n.send(POST)
    n8n.send(ended("error"))
    n8n.send(POST)
    n8n.send(ended("crashed"))
    assert [row["status"] for row in stored(superuser, n8n.tenant)] == ["error"]
    remembered = superuser.execute("SELECT FROM app.reported_failures WHERE tenant_id = %s", (n8n.tenant.id,))
    assert remembered.rowcount == 0
