"""The compact job: the files of a month that is over become few, and hold what they held."""

import threading
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from flomastr.archive import compaction_job, parquet
from flomastr.jobs import JobFailedError
from functions.archive.handler import lambda_handler as archive
from functions.compact.handler import lambda_handler
from functions.expire.handler import lambda_handler as expire
from tests.support.archive_env import NOW, ArchiveEnv
from tests.support.archived_tenants import MONTH, archived, archived_again, overwrite, wait
from tests.support.crash_points import steps
from tests.support.factories import Tenant


def manifest(env: ArchiveEnv, tenant: Tenant) -> Any:
    """Of the stored files: rows, checksums, bytes, bounds."""
    return env.superuser.execute(
        "SELECT count(*), sum(rows), sum(checksum), sum(bytes), sum(text_bytes), min(first_id::text),"
        "  max(last_id::text), max(stored_at) FROM app.archive_files WHERE tenant_id = %s AND state = 'stored'",
        (tenant.id,),
    ).fetchall()[0]


def test_the_files_of_a_month_that_is_over_become_one_that_holds_the_same(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    ids = [archived(env, tenant, workflow, day, day + 1)[0] for day in (3, 1, 9)]
    before, rows = manifest(env, tenant), env.rows(tenant)
    answer = env.run(lambda_handler)
    assert (answer["state"], answer["files_merged"], len(env.files(tenant))) == ("done", 3, 1)
    assert manifest(env, tenant) == (1, *before[1:])
    assert env.rows(tenant) == rows and set(ids) <= set(env.cold(tenant))
    assert "files_merged" not in env.run(lambda_handler)


def test_a_merged_file_is_newest_first_and_its_fences_are_the_lowest_ids_of_its_row_groups(
    env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flomastr.archive.parquet.ROW_GROUP", 2048)  # DuckDB's least
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    archived(env, tenant, workflow, 1)
    env.superuser.execute(
        "INSERT INTO app.workflow_executions (retention_class, id, tenant_id, workflow_id, status, started_at,"
        " finished_at,"
        "  created_at) SELECT 0, app.uuid7(at), %s, %s, 'success', at, at, at"
        " FROM generate_series(%s::timestamptz, %s, interval '1 minute') AS at",
        (tenant.id, workflow, MONTH + timedelta(days=2), MONTH + timedelta(days=5)),
    )
    env.run(archive)
    env.run(lambda_handler)
    ((row_group_min_ids,),) = env.superuser.execute(
        "SELECT row_group_min_ids FROM app.archive_files WHERE tenant_id = %s AND state = 'stored'", (tenant.id,)
    ).fetchall()
    ids = [row[0] for row in env.read(env.files(tenant), "id")]
    assert ids == sorted(ids, reverse=True) and len(ids) == 4322
    assert [str(min_id) for min_id in row_group_min_ids] == [ids[2047], ids[4095], ids[-1]]


def test_each_tenants_first_files_are_merged_before_any_tenants_second(
    env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, small = sorted((env.make.tenant(hot_ttl_days=7) for _ in range(2)), key=lambda tenant: tenant.id)
    merged = list[Any]()

    def merge(_: Any, files: list[compaction_job.SizedFile]) -> None:
        merged.append(files[0].tenant_id)

    workflows = {tenant: env.make.workflow(tenant) for tenant in (large, small)}
    for tenant, days in ((large, (1, 2, -31, -32)), (small, (1, 2))):
        for day in days:
            archived(env, tenant, workflows[tenant], day)
    monkeypatch.setattr(compaction_job, "merge", merge)
    monkeypatch.setattr("flomastr.jobs.THREADS", 1)
    env.run(lambda_handler)
    assert merged == [large.id, small.id, large.id]


def test_what_fills_the_memory_is_merged_alone_and_after_what_is_small(
    env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants = [env.make.tenant(hot_ttl_days=7) for _ in range(4)]
    for day in (1, 2):
        for tenant in tenants:
            archived(env, tenant, env.make.workflow(tenant), day)
    texts = "UPDATE app.archive_files SET text_bytes = 30000000 WHERE tenant_id <> %s"  # of 64 MB
    env.superuser.execute(texts, (tenants[2].id,))
    merged, write = list[Any](), compaction_job.write

    def write_alone(job: Any, files: Any, *args: Any) -> Any:
        assert threading.current_thread() is threading.main_thread() or files[0].tenant_id == tenants[2].id
        merged.append(files[0].tenant_id)
        return write(job, files, *args)

    monkeypatch.setattr(compaction_job, "write", write_alone)
    assert env.run(lambda_handler)["files_merged"] == 8
    assert merged[0] == tenants[2].id


def test_of_two_versions_of_a_row_the_one_that_was_stored_last_is_kept(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    first, second = archived(env, tenant, workflow, 1, 2)
    archived_again(env, tenant, workflow, first, "later")
    before = manifest(env, tenant)
    env.run(lambda_handler)
    kept = dict(env.read(env.files(tenant), "id, error_message"))
    assert kept == {str(first): "later", str(second): None}
    after = manifest(env, tenant)
    assert (before[1], after[1], after[3]) == (3, 2, before[3] * 2 // 3) and after[7] == before[7]


def test_months_that_are_not_over_for_a_week_and_files_that_are_alone_stay(env: ArchiveEnv) -> None:
    tenant, other = (env.make.tenant(hot_ttl_days=7) for _ in range(2))
    workflow = env.make.workflow(tenant)
    for day in (1, 2):
        archived(env, tenant, workflow, day)
    archived(env, other, env.make.workflow(other), 1)
    over = (MONTH + timedelta(days=32)).replace(day=1, hour=0) + timedelta(days=7)
    env.run(lambda_handler, over - timedelta(seconds=1))
    assert (len(env.files(tenant)), len(env.files(other))) == (2, 1)
    env.run(lambda_handler, over)
    assert (len(env.files(tenant)), len(env.files(other))) == (1, 1)


def test_a_file_does_not_become_larger_than_allowed_nor_older_than_what_it_jumps_over(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    for day in range(1, 6):
        archived(env, tenant, workflow, day, error_message="x" * (700 if day == 3 else 10))
    with patch.object(compaction_job, "MAX_TEXT_BYTES", 900):
        env.run(lambda_handler)
        assert len(env.files(tenant)) == 3  # 1 and 2, the large one, 4 and 5
        env.run(lambda_handler)
    assert len(env.files(tenant)) == 3 and len(env.cold(tenant)) == 5


@pytest.mark.parametrize("damage", ["flipped", "short", "missing", "rows", "checksum"])
def test_a_damaged_file_is_reported_and_nothing_is_merged_with_it(env: ArchiveEnv, damage: str) -> None:
    tenant, sound = (env.make.tenant(hot_ttl_days=7) for _ in range(2))
    for each in (tenant, sound):
        workflow = env.make.workflow(each)
        for day in (1, 2):
            archived(env, each, workflow, day)
    key = env.files(tenant)[0]
    content = env.object(key)
    middle = len(content) // 2
    if damage == "missing":
        env.bucket.client.delete_object(Bucket=env.bucket.name, Key=key)
    elif damage in ("flipped", "short"):
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        overwrite(env, key, flipped if damage == "flipped" else content[:-1])
    elif damage == "rows":
        env.superuser.execute("UPDATE app.archive_files SET rows = rows + 1 WHERE tenant_id = %s", (tenant.id,))
    else:
        env.superuser.execute("UPDATE app.archive_files SET checksum = checksum + 1 WHERE tenant_id = %s", (tenant.id,))
    with pytest.raises(JobFailedError, match="Unverified"):
        env.run(lambda_handler)
    assert (len(env.files(tenant)), env.files(tenant, "replaced")) == (2, [])
    assert len(env.files(sound)) == 1  # others are not kept waiting


def test_a_file_that_another_job_took_meanwhile_is_not_replaced(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    for day in (1, 2):
        archived(env, tenant, workflow, day)
    original = compaction_job.swap

    def late(*args: Any) -> None:
        env.superuser.execute(
            "UPDATE app.archive_files SET state = 'replaced'"
            " WHERE id = (SELECT id FROM app.archive_files ORDER BY id LIMIT 1)"
        )
        original(*args)

    with patch.object(compaction_job, "swap", late):
        assert env.run(lambda_handler)["files_changed"] == 2
    assert (len(env.files(tenant)), len(env.cold(tenant))) == (1, 1)


def test_killed_before_any_step_and_run_again_it_comes_to_the_same(env: ArchiveEnv) -> None:
    def prepared() -> Tenant:
        tenant = env.make.tenant(hot_ttl_days=7)
        workflow = env.make.workflow(tenant)
        for day in (1, 2):
            archived(env, tenant, workflow, day)
        return tenant

    tenant = prepared()
    rows = env.rows(tenant)
    for _ in steps(lambda: env.run(lambda_handler)):
        assert env.rows(tenant) == rows
        env.run(lambda_handler)
        wait(env)
        env.run(expire, NOW)
        assert (env.rows(tenant), len(env.files(tenant))) == (rows, 1)
        assert env.is_in_order()
        tenant = prepared()
        rows = env.rows(tenant)


def test_sql_and_python_agree_on_how_large_a_file_and_its_row_groups_may_be(env: ArchiveEnv) -> None:
    sizes = env.superuser.execute("SELECT app.rows_of_group(), app.text_bytes_of_file()").fetchall()
    assert sizes == [(8192, 64_000_000)]
    assert (parquet.ROW_GROUP, compaction_job.MAX_TEXT_BYTES) == sizes[0]
