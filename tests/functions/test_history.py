"""The archive over HTTP: single executions, summaries, files, and where the hot routes send what is archived."""

import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from functions.archive.handler import lambda_handler as archive_handler
from tests.flomastr.archive.conftest import env as made_env
from tests.support.archive_env import TODAY, ArchiveEnv
from tests.support.factories import Tenant
from tests.support.listing import HISTORY, HOT, ask

env = made_env


@pytest.fixture
def archived(env: ArchiveEnv) -> Iterator[tuple[ArchiveEnv, Tenant, UUID, UUID]]:
    """An archived execution and a hot one."""
    env.partitions_since(40)
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    data = {"mode": "webhook", "ü": [1.0, 1e300, None]}
    cold = env.execution(tenant, workflow, 20, execution_data=data, status="error", error_message="refused")
    hot = env.execution(tenant, workflow, 1)
    yield env, tenant, cold, hot


def test_an_execution_reads_the_same_before_and_after_its_archival(
    archived: tuple[ArchiveEnv, Tenant, UUID, UUID],
) -> None:
    env, tenant, cold, hot = archived
    before = [ask(env, tenant, f"{HOT}/{id}") for id in (cold, hot)]
    assert [answer.status for answer in before] == [200, 200]
    env.run(archive_handler)
    after = [ask(env, tenant, f"{HISTORY}/{id}") for id in (cold, hot)]
    assert [answer.json["tier"] for answer in after] == ["cold", "hot"]
    for past, was in zip(after, before, strict=True):
        assert past.body.replace(f',"tier":"{past.json["tier"]}"', "") == was.body
    assert after[1].headers["etag"] == before[1].headers["etag"]


def test_an_archived_execution_has_a_tag_that_stays(archived: tuple[ArchiveEnv, Tenant, UUID, UUID]) -> None:
    env, tenant, cold, _ = archived
    env.run(archive_handler)
    tags = {ask(env, tenant, f"{HISTORY}/{cold}").headers["etag"] for _ in range(2)}
    (tag,) = tags
    assert ask(env, tenant, f"{HISTORY}/{cold}", headers={"if-none-match": tag}).status == 304
    assert ask(env, tenant, f"{HISTORY}/{cold}", headers={"if-none-match": '"another"'}).status == 200


def test_what_is_archived_is_found_by_way_of_the_hot_route(archived: tuple[ArchiveEnv, Tenant, UUID, UUID]) -> None:
    env, tenant, cold, _ = archived
    env.run(archive_handler)
    query = {"tenant_id": tenant.slug}
    answer = ask(env, tenant, f"{HOT}/{cold}", query=query)
    assert (answer.status, answer.json["code"]) == (307, "archived")
    assert answer.headers["location"] == f"{HISTORY}/{cold}?tenant_id={tenant.slug}"
    assert ask(env, tenant, answer.headers["location"]).json["id"] == str(cold)
    assert ask(env, tenant, f"{HOT}/{cold}").headers["location"] == f"{HISTORY}/{cold}"


def test_what_is_archived_is_neither_changed_nor_deleted(archived: tuple[ArchiveEnv, Tenant, UUID, UUID]) -> None:
    env, tenant, cold, _ = archived
    env.run(archive_handler)
    put = ask(env, tenant, f"{HOT}/{cold}", "PUT", body={"error_message": "late"})
    deletion = ask(env, tenant, f"{HOT}/{cold}", "DELETE")
    for answer in (put, deletion):
        assert (answer.status, answer.json["code"]) == (409, "archived")
    assert ask(env, tenant, f"{HISTORY}/{cold}").json["error_message"] == "refused"


def test_what_never_was_and_what_is_another_tenants_is_not_found(
    archived: tuple[ArchiveEnv, Tenant, UUID, UUID],
) -> None:
    env, _, cold, hot = archived
    env.run(archive_handler)
    stranger = env.make.tenant(hot_ttl_days=7)
    for path in (
        f"{HOT}/{cold}",
        f"{HISTORY}/{cold}",
        f"{HISTORY}/{hot}",
        f"{HISTORY}/{uuid4()}",
        f"{HISTORY}/{UUID(int=2**128 - 1)}",
    ):
        assert ask(env, stranger, path).status == 404
    assert ask(env, stranger, f"{HOT}/{cold}", "DELETE").status == 404
    assert ask(env, stranger, HISTORY).json == []
    assert ask(env, stranger, "/routes/history/files").json == []
    assert ask(env, stranger, "/routes/history/statistics").json == []
    assert ask(env, stranger, f"{HISTORY}/stats/summary").json["total_executions"] == 0


def test_a_summary_over_both_tiers_equals_the_one_before_archival(env: ArchiveEnv) -> None:
    env.partitions_since(60)
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow, another = env.make.workflow(tenant), env.make.workflow(tenant)
    for number in range(60):
        status = ("success", "success", "error", "canceled", "running", "waiting", "crashed")[number % 7]
        started = TODAY - timedelta(days=number * 0.8)
        ended = started + timedelta(microseconds=number * 1_234_567 - 9) if number % 7 not in (4, 5) else None
        data = {"mode": ("webhook", "trigger", 1)[number % 3]} if number % 4 else None
        env.execution(
            tenant, (workflow, another)[number % 2], 0, status=status, started_at=started, finished_at=ended,
            execution_data=data,
        )  # fmt: skip
    queries = ["", "?days=30", "?days=20", f"?days=40&workflow_id={workflow}", "?days=1"]
    before = [ask(env, tenant, f"{HOT}/stats/summary{query}").json for query in queries]
    assert [ask(env, tenant, f"{HISTORY}/stats/summary{query}").json for query in queries] == before
    env.run(archive_handler)
    assert [ask(env, tenant, f"{HISTORY}/stats/summary{query}").json for query in queries] == before
    assert ask(env, tenant, f"{HOT}/stats/summary").json != before[0]
    everything = ask(env, tenant, f"{HISTORY}/stats/summary?days=3650").json
    assert (everything["total_executions"], everything["period_days"]) == (60, 3650)
    assert ask(env, tenant, f"{HISTORY}/stats/summary?days=3651").status == 422


def test_copies_that_were_restored_are_counted_once(archived: tuple[ArchiveEnv, Tenant, UUID, UUID]) -> None:
    env, tenant, cold, _ = archived
    env.run(archive_handler)
    before = ask(env, tenant, f"{HISTORY}/stats/summary").json
    copy(env, tenant, cold)
    assert ask(env, tenant, f"{HISTORY}/stats/summary").json == before
    assert [row["tier"] for row in ask(env, tenant, HISTORY).json] == ["hot", "hot"]
    counted = ask(env, tenant, HISTORY, headers={"prefer": "count=exact"})
    assert counted.headers["x-total-count"] == "2"


def copy(env: ArchiveEnv, tenant: Tenant, id: UUID) -> None:
    """As a rehydration makes it."""
    run = env.superuser.execute
    run(
        "INSERT INTO app.workflow_executions (retention_class, id, tenant_id, workflow_id, status, started_at,"
        " finished_at)"
        " SELECT 0, %s, tenant_id, id, 'error', %s, %s FROM app.workflows WHERE tenant_id = %s",
        (id, TODAY - timedelta(days=20), TODAY - timedelta(days=20) + timedelta(seconds=3), tenant.id),
    )
    run(
        "WITH made AS (INSERT INTO app.rehydrations (tenant_id, first_at, last_at, days, created_by)"
        " VALUES (%s, now() - interval '1 day', now(), 1, 'test') RETURNING tenant_id, id)"
        " INSERT INTO app.rehydrated_rows (tenant_id, id, rehydration_id, checksum)"
        " SELECT tenant_id, %s, id, 0 FROM made",
        (tenant.id, id),
    )


def test_the_files_of_a_tenant_are_listed_counted_and_handed_out(
    archived: tuple[ArchiveEnv, Tenant, UUID, UUID],
) -> None:
    env, tenant, cold, _ = archived
    key = env.make.session(tenant, env.make.workflow(tenant))
    env.superuser.execute(
        "UPDATE app.webchat_sessions SET updated_at = %s WHERE session_key = %s", (TODAY - timedelta(days=9), key)
    )
    env.run(archive_handler)
    chats, runs = ask(env, tenant, "/routes/history/files").json
    assert (chats["source"], runs["source"]) == ("webchat_sessions", "workflow_executions")
    started = TODAY - timedelta(days=20)
    assert runs["month"] == f"{started:%Y-%m}-01"
    assert (runs["rows"], datetime.fromisoformat(runs["first_at"])) == (1, started)
    assert datetime.fromisoformat(runs["last_at"]) == started + timedelta(milliseconds=1)  # the range ends before it
    statistics = {row["source"]: row for row in ask(env, tenant, "/routes/history/statistics").json}
    for file in (chats, runs):
        sums = statistics[file["source"]]
        assert sums["files"] == 1
        assert all(sums[name] == file[name] for name in ("rows", "bytes", "file_bytes", "first_at", "last_at"))
    download = ask(env, tenant, f"/routes/history/files/{runs['id']}/download").json
    with urllib.request.urlopen(download["url"]) as response:
        body = response.read()
        assert f"{runs['id']}.parquet" in response.headers["content-disposition"]
    assert (len(body), body[:4]) == (runs["file_bytes"], b"PAR1")
    left = datetime.fromisoformat(download["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=4) < left <= timedelta(minutes=5)
    stranger = env.make.tenant()
    assert ask(env, stranger, f"/routes/history/files/{runs['id']}/download").status == 404
    assert str(cold) not in json.dumps([chats, runs])


def test_files_that_do_not_count_yet_or_any_more_are_not_listed(
    archived: tuple[ArchiveEnv, Tenant, UUID, UUID],
) -> None:
    env, tenant, cold, hot = archived
    env.run(archive_handler)
    env.superuser.execute("UPDATE app.archive_files SET state = 'replaced' WHERE tenant_id = %s", (tenant.id,))
    paths = ("/routes/history/files", "/routes/history/statistics")
    answers: list[Any] = [ask(env, tenant, path).json for path in paths]
    assert answers == [[], []]
    assert [row["id"] for row in ask(env, tenant, HISTORY).json] == [str(hot)]
    assert ask(env, tenant, f"{HOT}/{cold}").status == 404
