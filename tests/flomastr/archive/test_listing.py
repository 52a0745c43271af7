"""One list over both tiers: what is archived is listed as it was before, and nobody sees where the border is."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from dev.paths import ROOT
from flomastr import object_storage
from flomastr.archive import export_job, file_lifecycle
from flomastr.object_storage import StorageUnavailableError
from functions.archive.handler import lambda_handler as archive_handler
from tests.support.archive_env import TODAY, ArchiveEnv
from tests.support.factories import Tenant
from tests.support.listing import HISTORY, HOT, ask, pages, tiers

CAPTURED = ROOT / "dev" / "samples" / "executions_pages.json"
ODD: list[dict[str, Any]] = [
    {"mode": "manual", "number": 1e300, "small": 1e-300, "whole": 1.0, "big": 2**70, "minus": -0.0, "long": 0.1 + 0.2},
    {"text": "naïve 東京 \U0001f600 \u2028 \x7f \\ \" ' / <>&", "": {"": []}, "a\nb": "\t", "e\u0301": "\u00e9"},
    {"nothing": None, "list": [[], {}, [None, True, False]], "0": 0, "deep": {"a": {"b": {"c": [1, 2.50, 1e2]}}}},
    {},
]
STATUSES = ["success", "success", "error", "crashed", "canceled", "running", "waiting"]
QUERIES = ["limit=50", "limit=7", "limit=50&include_data=true", "limit=20&status=error", "limit=3&status=running"]


def fill(env: ArchiveEnv) -> tuple[Tenant, UUID]:
    """Executions of fifty days, every kind of data and status, on both sides of the border."""
    env.partitions_since(60)
    tenant = env.make.tenant(hot_ttl_days=7)
    workflows = [env.make.workflow(tenant) for _ in range(2)]
    captured = [run["data"] for page in json.loads(CAPTURED.read_text()) for run in page["data"]]
    data, random = captured[:30] + ODD, Random(4)
    for number in range(130):
        started = TODAY - timedelta(
            days=random.choice((random.uniform(0, 2), random.uniform(2, 50))), microseconds=number
        )
        status = random.choice(STATUSES)
        ended = started + timedelta(microseconds=random.randrange(10**9)) if status not in STATUSES[-2:] else None
        env.execution(
            tenant,
            workflows[number % 2],
            0,
            n8n_execution_id=random.choice((None, f"{number} ä")),
            status=status,
            started_at=started,
            finished_at=ended,
            created_at=started + timedelta(milliseconds=random.randrange(100)),
            execution_data=data[number % len(data)],
            error_message="It \"failed\": 'ü'\n\\" if status == "error" else None,
        )
    return tenant, workflows[0]


@pytest.fixture
def full_tenant(env: ArchiveEnv) -> Iterator[tuple[ArchiveEnv, Tenant, list[str]]]:
    """And all ways to list them."""
    tenant, workflow = fill(env)
    yield env, tenant, [*QUERIES, f"limit=10&workflow_id={workflow}", f"limit=4&workflow_id={workflow}&status=error"]


def listed(env: ArchiveEnv, tenant: Tenant, path: str, queries: list[str]) -> list[list[str]]:
    return [pages(env, tenant, f"{path}?{query}") for query in queries]


def manifest(env: ArchiveEnv, tenant: Tenant) -> list[Any]:
    found = env.superuser.execute(
        "SELECT id, state FROM app.archive_files WHERE tenant_id = %s ORDER BY id", (tenant.id,)
    )
    return found.fetchall()


def test_a_list_over_the_border_equals_the_list_before_archival(
    full_tenant: tuple[ArchiveEnv, Tenant, list[str]],
) -> None:
    env, tenant, queries = full_tenant
    before = listed(env, tenant, HOT, queries)
    assert listed(env, tenant, HISTORY, queries) == before
    env.run(archive_handler)
    assert set(tiers(env, tenant).values()) == {"hot", "cold"}
    assert listed(env, tenant, HISTORY, queries) == before
    assert listed(env, tenant, HOT, queries) != before


def test_it_does_so_between_all_steps_of_the_job(
    full_tenant: tuple[ArchiveEnv, Tenant, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    env, tenant, _ = full_tenant
    queries = ["limit=50", "limit=50&status=success"]
    before = listed(env, tenant, HOT, queries)
    steps, seen = list[str](), list[Any]()

    def looked_at(module: Any, name: str) -> None:
        step: Callable[..., Any] = getattr(module, name)

        def between(*args: Any, **kwargs: Any) -> Any:
            result = step(*args, **kwargs)
            if (now := manifest(env, tenant)) not in seen:
                assert listed(env, tenant, HISTORY, queries) == before
                steps.append(name)
                seen.append(now)
            return result

        monkeypatch.setattr(module, name, between)

    for module, name in (
        (export_job, "prepare"),
        (file_lifecycle, "write"),
        (export_job, "drop_partition"),
        (export_job, "archive_rows"),
    ):
        looked_at(module, name)
    env.run(archive_handler)
    assert {"prepare", "write", "drop_partition"} <= set(steps)
    assert "cold" in tiers(env, tenant).values()


def test_a_row_that_leaves_while_it_is_listed_is_listed_once(
    full_tenant: tuple[ArchiveEnv, Tenant, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hot rows are read, the job runs, the manifest is read."""
    env, tenant, _ = full_tenant
    before = pages(env, tenant, f"{HISTORY}?limit=250")
    ids = env.hot(tenant)
    env.run(archive_handler)
    for row in env.cold(tenant):
        assert row in ids
    copies = env.read([key for key in env.files(tenant)][:1], "id, workflow_id, status, started_at, finished_at")
    for id, workflow, status, started, finished in copies:
        env.superuser.execute(
            "INSERT INTO app.workflow_executions"
            " (retention_class, id, tenant_id, workflow_id, status, started_at, finished_at)"
            " VALUES (0, %s, %s, %s, %s, %s, %s)",
            (id, tenant.id, workflow, status, started, finished),
        )
    rows = ask(env, tenant, f"{HISTORY}?limit=250").json
    assert [row["id"] for row in rows] == [row["id"] for page in before for row in json.loads(page)]
    assert {row["tier"] for row in rows if row["id"] in {copy[0] for copy in copies}} == {"hot"}


def test_of_two_versions_the_hot_one_counts_also_where_the_archived_one_matches_a_filter(env: ArchiveEnv) -> None:
    env.partitions_since(40)
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    ids = [env.execution(tenant, workflow, age, status="error") for age in (20, 21, 22, 23)]
    env.run(archive_handler)
    env.superuser.execute(
        "INSERT INTO app.workflow_executions (retention_class, id, tenant_id, workflow_id, status, started_at)"
        " VALUES (0, %s, %s, %s, 'success', %s)",
        (ids[0], tenant.id, workflow, TODAY - timedelta(days=20)),
    )
    assert list(tiers(env, tenant, "status=error&limit=2")) == [str(id) for id in ids[1:3]]
    assert tiers(env, tenant, "status=success") == {str(ids[0]): "hot"}


def test_an_offset_counts_the_rows_of_both_tiers(full_tenant: tuple[ArchiveEnv, Tenant, list[str]]) -> None:
    env, tenant, _ = full_tenant
    before = [ask(env, tenant, f"{HOT}?limit=9&offset={offset}").json for offset in (0, 10, 100, 125, 130, 500)]
    env.run(archive_handler)
    for offset, rows in zip((0, 10, 100, 125, 130, 500), before, strict=True):
        past = ask(env, tenant, f"{HISTORY}?limit=9&offset={offset}").json
        assert [row["id"] for row in past] == [row["id"] for row in rows]


def test_the_count_is_that_of_both_tiers(full_tenant: tuple[ArchiveEnv, Tenant, list[str]]) -> None:
    env, tenant, queries = full_tenant

    def counts(path: str) -> list[str]:
        asked = [ask(env, tenant, f"{path}?{query}", headers={"prefer": "count=exact"}) for query in queries]
        return [answer.headers["x-total-count"] for answer in asked]

    before = counts(HOT)
    env.run(archive_handler)
    assert counts(HISTORY) == before
    assert counts(HOT) != before


@pytest.mark.parametrize("data", [{"text": "x" * 900_000}, {"numbers": [1] * 300_000}], ids=("text", "numbers"))
def test_a_page_with_data_ends_before_four_megabytes_on_either_side(env: ArchiveEnv, data: dict[str, Any]) -> None:
    """Postgres writes a space after each comma, an answer does not."""
    env.partitions_since(40)
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    for number in range(12):
        env.execution(tenant, workflow, number * 2, execution_data=data)
    before = pages(env, tenant, f"{HOT}?include_data=true")
    assert sum(len(json.loads(page)) for page in before) == 12
    env.run(archive_handler)
    after = pages(env, tenant, f"{HISTORY}?include_data=true")
    assert "".join(page[1:-1] + "," for page in after) == "".join(page[1:-1] + "," for page in before)
    assert all(len(page) < 5_000_000 for page in after)


def test_what_is_hot_is_listed_without_the_archive(env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    env.partitions_since(40)
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    for age in (0.1, 0.2, 0.3, 20):
        env.execution(tenant, workflow, age)
    env.run(archive_handler)

    def unreachable(*_: Any) -> bytes:
        raise StorageUnavailableError

    monkeypatch.setattr(object_storage, "read", unreachable)
    assert ask(env, tenant, f"{HISTORY}?limit=2").status == 200
    answer = ask(env, tenant, f"{HISTORY}?limit=3")  # the row beyond it would be archived
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    assert ask(env, tenant, f"{HISTORY}/stats/summary").status == 503


def test_a_file_that_is_compacted_away_meanwhile_is_looked_for_again(
    env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.partitions_since(40)
    tenant = env.make.tenant(hot_ttl_days=7)
    id = env.execution(tenant, env.make.workflow(tenant), 20)
    env.run(archive_handler)
    reading, found = object_storage.read, list[str]()

    def missing_at_first(key: str, start: int, end: int) -> bytes:
        if not found:
            found.append(key)
            raise object_storage.ObjectMissingError
        return reading(key, start, end)

    monkeypatch.setattr(object_storage, "read", missing_at_first)
    assert tiers(env, tenant) == {str(id): "cold"}
    assert found


def test_a_file_that_is_lost_is_reported_and_not_taken_for_an_empty_one(
    env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.partitions_since(40)
    tenant = env.make.tenant(hot_ttl_days=7)
    env.execution(tenant, env.make.workflow(tenant), 20)
    env.run(archive_handler)

    def missing(key: str, start: int, end: int) -> bytes:
        raise object_storage.ObjectMissingError

    monkeypatch.setattr(object_storage, "read", missing)
    answer = ask(env, tenant, f"{HISTORY}?limit=250")
    assert (answer.status, answer.json["code"]) == (503, "archive_unreadable")
