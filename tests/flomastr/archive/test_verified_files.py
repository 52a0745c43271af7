"""Files of a partition are secured several at once, and what was read back is not read again within hours."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flomastr import object_storage
from flomastr.archive import compaction_job, export_job, file_lifecycle
from flomastr.jobs import JobFailedError
from functions.archive.handler import lambda_handler
from functions.compact.handler import lambda_handler as compact
from tests.support.archive_env import ArchiveEnv
from tests.support.archived_tenants import MONTH
from tests.support.factories import Tenant


@pytest.fixture
def tenants(env: ArchiveEnv) -> list[Tenant]:
    """Each has one execution in the same partition, which is due."""
    env.partitions_since(1)
    tenants = [env.make.tenant(hot_ttl_days=7) for _ in range(4)]
    for tenant in tenants:
        env.execution(tenant, env.make.workflow(tenant), 7.9)
    return tenants


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    keys, fetch = list[str](), object_storage.fetch

    def watched(key: str, path: Path) -> str:
        keys.append(key)
        return fetch(key, path)

    monkeypatch.setattr(object_storage, "fetch", watched)
    return keys


def together_at(module: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four threads wait for each other there."""
    original, together = getattr(module, name), threading.Barrier(4, timeout=60)

    def wait(*args: Any) -> Any:
        together.wait()
        return original(*args)

    monkeypatch.setattr(module, name, wait)


def test_files_of_a_partition_are_written_at_the_same_time(
    env: ArchiveEnv, tenants: list[Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    together_at(file_lifecycle, "write", monkeypatch)
    assert env.run(lambda_handler)["rows_archived"] == len(tenants)
    assert [(env.hot(tenant), len(env.cold(tenant))) for tenant in tenants] == [([], 1)] * len(tenants)
    assert env.is_in_order()


def test_rows_of_several_tenants_leave_the_overflow_partition_at_the_same_time(
    env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants = [env.make.tenant(hot_ttl_days=7) for _ in range(4)]
    for tenant in tenants:
        env.execution_at(tenant, env.make.workflow(tenant), MONTH, retention_class=0)
    together_at(file_lifecycle, "write", monkeypatch)
    assert env.run(lambda_handler)["rows_archived"] == 4
    assert [(env.hot(tenant), len(env.cold(tenant))) for tenant in tenants] == [([], 1)] * 4
    assert env.is_in_order()


def test_files_of_several_tenants_are_merged_at_the_same_time(env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    tenants = [env.make.tenant(hot_ttl_days=7) for _ in range(4)]
    for day in (1, 2):
        for tenant in tenants:
            env.execution_at(tenant, env.make.workflow(tenant), MONTH + timedelta(days=day), retention_class=0)
        env.run(lambda_handler)
    together_at(compaction_job, "write", monkeypatch)
    assert env.run(compact)["files_merged"] == 8
    assert [(len(env.files(tenant)), len(env.cold(tenant))) for tenant in tenants] == [(1, 2)] * 4


def test_one_file_that_fails_keeps_the_partition_and_the_others_are_not_written_again(
    env: ArchiveEnv, tenants: list[Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    put, keys, failing = object_storage.put, list[str](), f"tenant={tenants[0].id}"

    def put_but_one(key: str, path: Path) -> None:
        keys.append(key)
        put(key, Path("/dev/null") if failing in key else path)

    with monkeypatch.context() as patched:
        patched.setattr(object_storage, "put", put_but_one)
        with pytest.raises(JobFailedError, match="not what was sent"):
            env.run(lambda_handler)
    assert [len(env.hot(tenant)) for tenant in tenants] == [1] * len(tenants)
    verified = [key for tenant in tenants for key in env.files(tenant, "verified")]
    keys.clear()
    failing = "none"
    monkeypatch.setattr(object_storage, "put", put_but_one)
    assert env.run(lambda_handler)["rows_archived"] == len(tenants)
    assert not set(keys) & set(verified)
    assert env.is_in_order()


def leave_verified(env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a run that ends before its drop."""

    def end_before(*_: object) -> None:
        pass

    with monkeypatch.context() as patched:
        patched.setattr(export_job, "drop_partition", end_before)
        env.run(lambda_handler)


@pytest.mark.parametrize(("age", "times"), [(timedelta(hours=5.9), 0), (timedelta(hours=6.1), 1)], ids=str)
def test_a_verified_file_is_read_again_after_six_hours(
    env: ArchiveEnv,
    tenants: list[Tenant],
    fetched: list[str],
    age: timedelta,
    times: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leave_verified(env, monkeypatch)
    env.superuser.execute("UPDATE app.archive_files SET verified_at = verified_at - %s", (age,))
    fetched.clear()
    assert env.run(lambda_handler)["rows_archived"] == len(tenants)
    assert len(fetched) == times * len(tenants)


def flip(body: bytes) -> bytes:
    return body[:100] + bytes([body[100] ^ 1]) + body[101:]


def shorten(body: bytes) -> bytes:
    return body[:-1]


def lose(_: bytes) -> None:
    pass


@pytest.mark.parametrize("spoil", [flip, shorten, lose])
def test_an_object_that_changed_since_it_was_verified_blocks_the_drop(
    env: ArchiveEnv,
    tenants: list[Tenant],
    spoil: Callable[[bytes], bytes | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leave_verified(env, monkeypatch)
    (key,) = env.files(tenants[0], "verified")
    body = spoil(env.object(key))
    if body is None:
        env.bucket.client.delete_object(Bucket=env.bucket.name, Key=key)
    else:
        env.bucket.client.put_object(Bucket=env.bucket.name, Key=key, Body=body)
    with pytest.raises(JobFailedError, match="Unverified"):
        env.run(lambda_handler)
    assert [len(env.hot(tenant)) for tenant in tenants] == [1] * len(tenants)
    assert env.run(lambda_handler)["rows_archived"] == len(tenants)
    assert env.is_in_order()
