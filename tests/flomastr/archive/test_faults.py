"""What goes wrong on the way to the cold tier: nothing is lost, somebody is alarmed, and the next run makes it good."""

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from flomastr import object_storage
from flomastr.archive import export_job, file_lifecycle, manifest, parquet
from flomastr.archive.file_lifecycle import UnverifiedError
from flomastr.jobs import Job, JobFailedError
from functions.archive.handler import lambda_handler
from tests.support.archive_env import TODAY, ArchiveEnv, emitted
from tests.support.archived_tenants import old_chat
from tests.support.factories import Tenant

type Spoil = Callable[[bytes], bytes | None]


@pytest.fixture
def tenant(env: ArchiveEnv) -> Tenant:
    """With executions in a partition that is due and in the overflow partition, and a chat."""
    env.partitions_since(1)
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    for number in range(20):
        env.execution(tenant, workflow, 7.9, n8n_execution_id=str(number))
        env.execution(tenant, workflow, 30, retention_class=0)
    env.session(tenant, workflow, TODAY - timedelta(days=30))
    return tenant


def flip(body: bytes, index: int) -> bytes:
    return body[:index] + bytes([body[index] ^ 1]) + body[index + 1 :]


def statistics(body: bytes) -> int:
    """Where the footer says which is the lowest or highest id: the last text of the tenant's or a row's id."""
    return body.rindex(b"-7", 0, len(body) - 8)


SPOILT: dict[str, Spoil] = {
    "a flipped byte": lambda body: flip(body, len(body) // 3),
    "a flipped byte at the start": lambda body: flip(body, 0),
    "a flipped byte in the statistics": lambda body: flip(body, statistics(body)),
    "a flipped byte in the footer's length": lambda body: flip(body, len(body) - 8),
    "a byte too few": lambda body: body[:-1],
    "half of it": lambda body: body[: len(body) // 2],
    "nothing": lambda body: b"",
    "a byte too many": lambda body: body + b"\0",
    "no object": lambda body: None,
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_an_object_that_is_not_what_was_sent_blocks_the_drop(
    env: ArchiveEnv, tenant: Tenant, spoil: Spoil, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def spoilt_put(key: str, path: Path) -> None:
        body = spoil(path.read_bytes())
        if body is None:
            env.bucket.client.delete_object(Bucket=env.bucket.name, Key=key)
        else:
            env.bucket.client.put_object(Bucket=env.bucket.name, Key=key, Body=body)

    monkeypatch.setattr(object_storage, "put", spoilt_put)
    fails_then_succeeds(env, tenant, "ArchiveUnverified", monkeypatch, capsys)


WRONG = {
    "a row too few": "SELECT * FROM ({}) AS rows OFFSET 1",
    "no row": "SELECT * FROM ({}) AS rows LIMIT 0",
    "a row twice": "(SELECT * FROM ({0}) AS rows) UNION ALL (SELECT * FROM ({0}) AS rows LIMIT 1)",
    "a row twice and another not at all": (
        "(SELECT * FROM ({0}) AS rows OFFSET 1) UNION ALL (SELECT * FROM ({0}) AS rows OFFSET 1 LIMIT 1)"
    ),
}
CHANGED = {"workflow_id": "'x'", "created_at": "created_at + interval '1 microsecond'"}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_file_without_exactly_the_planned_rows_blocks_the_drop(
    env: ArchiveEnv, tenant: Tenant, wrong: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    export = parquet.export

    def wrong_export(query: str, path: Path) -> None:
        export(wrong.format(query), path)

    monkeypatch.setattr(parquet, "export", wrong_export)
    fails_then_succeeds(env, tenant, "ArchiveUnverified", monkeypatch, capsys)


@pytest.mark.parametrize("column", CHANGED)
def test_a_file_with_a_wrong_value_blocks_the_drop(
    env: ArchiveEnv, tenant: Tenant, column: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write = parquet.write

    def wrong_write(rows: parquet.Relation, path: Path) -> None:
        changed = f"(SELECT * REPLACE ({CHANGED[column]} AS {column}) FROM {rows.sql})"
        write(parquet.Relation(changed, rows.parameters), path)

    monkeypatch.setattr(parquet, "write", wrong_write)
    fails_then_succeeds(env, tenant, "ArchiveUnverified", monkeypatch, capsys)


@contextmanager
def unavailable() -> Generator[str]:
    class Answer(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_error(503)

        do_PUT = do_GET = do_POST = answer

        def log_message(self, format: str, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def silent() -> Generator[str]:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def gone() -> Generator[str]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("outage", [unavailable, silent, gone])
def test_while_the_storage_does_not_answer_nothing_leaves(
    env: ArchiveEnv,
    tenant: Tenant,
    outage: Callable[[], Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with outage() as endpoint:
        patience = Config(read_timeout=0.3, retries={"total_max_attempts": 1})
        client = boto3.client("s3", endpoint_url=endpoint, config=patience)  # pyright: ignore[reportUnknownMemberType]
        monkeypatch.setattr(object_storage, "client", lambda: client)
        fails_then_succeeds(env, tenant, "ArchiveUnwritten", monkeypatch, capsys)


@pytest.mark.parametrize("full", [0, 1], ids=["for the file", "for its copy"])
def test_with_a_full_disk_nothing_leaves(
    env: ArchiveEnv,
    tenant: Tenant,
    full: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scratch = file_lifecycle.scratch

    @contextmanager
    def on_a_full_disk(file: manifest.File) -> Generator[tuple[Path, Path]]:
        with scratch(file) as paths:
            paths[full].symlink_to("/dev/full")
            yield paths

    monkeypatch.setattr(file_lifecycle, "scratch", on_a_full_disk)
    fails_then_succeeds(env, tenant, "ArchiveUnwritten", monkeypatch, capsys)


def fails_then_succeeds(
    env: ArchiveEnv, tenant: Tenant, metric: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, hot, chats = env.rows(tenant), env.hot(tenant), env.chats(tenant)
    for _ in range(2):  # a second night of it is no worse
        capsys.readouterr()
        with pytest.raises((JobFailedError, object_storage.StorageUnavailableError)):
            env.run(lambda_handler)
        metrics = emitted(capsys.readouterr().out)
        assert metrics[metric] and set(metrics[metric]) == {1}
        assert metrics["JobFailed"] == [1]
        assert env.last_run()["state"] == "failed"
        assert (env.hot(tenant), env.rows(tenant), env.chats(tenant)) == (hot, before, chats)
        assert env.files(tenant) == []
    monkeypatch.undo()
    assert env.run(lambda_handler)["state"] == "done"
    assert (env.hot(tenant), env.rows(tenant), env.chats(tenant)) == ([], before, chats)
    assert (env.sessions(tenant), env.is_in_order()) == ([], True)


def test_a_connection_that_ends_while_it_exports_is_opened_anew(
    env: ArchiveEnv, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = env.rows(tenant)
    export = parquet.export

    def after_the_end(query: str, path: Path) -> None:
        env.superuser.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'flomastr-archive' AND datname = current_database()"
        )
        export(query, path)

    monkeypatch.setattr(parquet, "export", after_the_end)
    assert env.run(lambda_handler)["state"] == "done"
    assert (env.hot(tenant), env.rows(tenant)) == ([], before)


def test_chats_of_one_tenant_that_cannot_be_archived_stop_no_other_tenant(
    env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other = (env.make.tenant() for _ in range(2))
    for tenant in (first, other):
        old_chat(env, tenant, env.make.workflow(tenant), "user_1", "Hello")
    write = file_lifecycle.write

    def fail(job: Job, file: manifest.File) -> None:
        if file.tenant_id == first.id:
            raise UnverifiedError("Is not what was sent.")
        write(job, file)

    monkeypatch.setattr(export_job, "ROWS", 1)
    monkeypatch.setattr(file_lifecycle, "write", fail)
    with pytest.raises(JobFailedError):
        env.run(lambda_handler)
    assert (len(env.sessions(first)), env.sessions(other)) == (1, [])
