"""A backup is one consistent snapshot of everything, or there is none."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from unittest.mock import patch

import psycopg
import pytest
from zstandard import ZstdDecompressor

from dev.paths import ROOT
from flomastr.jobs import JobFailedError
from flomastr.recovery import backup_job, backup_manifest, backup_retention, backup_storage, backup_verify
from flomastr.recovery.backup_catalogue import UnreadableError
from flomastr.recovery.backup_job import EmptyError, TooLargeError
from tests.support.backup_env import BackupEnv, bucket_of_its_own
from tests.support.s3 import Bucket


class Killed(BaseException):
    pass


def copied_by_the_next(env: BackupEnv) -> set[str]:
    """The relations of which the next backup writes objects."""
    env.backup()
    newest = env.newest()
    return {part.relation.name for part in newest.parts if newest.id in part.key}


@pytest.fixture
def workflow(env: BackupEnv) -> str:
    return str(env.make.workflow(env.make.tenant()))


def test_a_backup_that_is_taken_among_writers_sees_each_transaction_whole_or_not_at_all(
    env: BackupEnv, workflow: str
) -> None:
    """Each writer changes a workflow and an execution together, in tables that are copied at different times."""
    ended = threading.Event()
    tenant, execution = env.superuser.execute(
        "INSERT INTO app.workflow_executions (retention_class, id, tenant_id, workflow_id, status, started_at)"
        " SELECT 0, app.uuid7(), tenant_id, id, 'running', now() FROM app.workflows WHERE id = %s"
        " RETURNING tenant_id, id",
        (workflow,),
    ).fetchall()[0]
    began = threading.Event()

    def write() -> None:
        with psycopg.connect(env.superuser.info.dsn, password=env.server.password) as conn:
            number = 0
            while not ended.is_set():
                number += 1
                conn.execute("UPDATE app.workflows SET description = %s WHERE id = %s", (str(number), workflow))
                conn.execute(
                    "UPDATE app.workflow_executions SET error_message = %s WHERE tenant_id = %s AND id = %s",
                    (str(number), tenant, execution),
                )
                conn.commit()
                began.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert began.wait(20)
        env.backup()
    finally:
        ended.set()
        writer.join()
    rows = {
        part.relation.name: b"".join(b"".join(lines) for lines in lines_of(env, part.relation.name))
        for part in env.newest().parts
        if part.relation.name in ("workflows", "workflow_executions_overflow")
    }
    described = column(env, rows["workflows"], "workflows", workflow, "description")
    message = column(env, rows["workflow_executions_overflow"], "workflow_executions_overflow", str(execution))
    assert int(described) >= 1
    assert described == message


def lines_of(env: BackupEnv, name: str) -> Iterator[list[bytes]]:
    from flomastr.recovery import backup_copy

    manifest = env.newest()
    part = next(part for part in manifest.parts if part.relation.name == name)
    return backup_copy.lines_of(backup_copy.read(part, manifest))


def column(env: BackupEnv, text: bytes, name: str, id: str, wanted: str = "error_message") -> bytes:
    columns = next(part.relation.columns for part in env.newest().parts if part.relation.name == name)
    (line,) = [line for line in text.splitlines() if line.split(b"\t")[columns.index("id")] == id.encode()]
    return line.split(b"\t")[columns.index(wanted)]


def test_an_object_is_what_its_name_says(env: BackupEnv) -> None:
    env.backup()
    part = next(part for part in env.newest().parts if part.relation.name == "tenants")
    assert part.key.endswith("/tenants.copy.zst")
    assert ZstdDecompressor().decompressobj().decompress(env.object(part.key)).count(b"\n") == part.rows


def test_what_has_not_changed_is_referred_to(env: BackupEnv, workflow: str) -> None:
    env.settle()
    env.backup()
    assert copied_by_the_next(env) <= {"job_runs"}
    assert backup_verify.verify(env.newest()) == []


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ("UPDATE app.workflows SET description = 'new' WHERE id = %s", {"workflows"}),
        ("DELETE FROM app.workflows WHERE id = %s", {"workflows"}),
        ("UPDATE app.workflows SET description = description WHERE id = %s", {"workflows"}),
        ("SELECT FROM app.workflows WHERE id = %s FOR UPDATE", set[str]()),
    ],
)
def test_what_has_changed_is_copied_anew(env: BackupEnv, workflow: str, change: str, changed: set[str]) -> None:
    env.settle()
    env.backup()
    env.superuser.execute(change.encode(), (workflow,))
    assert copied_by_the_next(env) - {"job_runs"} == changed


def test_what_was_not_yet_committed_at_the_last_backup_is_copied_by_the_next(env: BackupEnv, workflow: str) -> None:
    with psycopg.connect(env.superuser.info.dsn, password=env.server.password) as other:
        other.execute("UPDATE app.workflows SET description = 'late' WHERE id = %s", (workflow,))
        env.backup()
    assert "workflows" in copied_by_the_next(env)


def test_an_object_that_is_gone_is_written_anew(env: BackupEnv) -> None:
    env.backup()
    part = next(part for part in env.newest().parts if part.relation.name == "tenants")
    backup_storage.remove([part.key])
    assert "tenants" in copied_by_the_next(env)
    assert backup_verify.verify(env.newest()) == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("step", "number"),
    [("Upload.finish", 1), ("Upload.finish", 20), ("put_new", 1)],
)
def test_a_backup_that_is_killed_is_none(env: BackupEnv, step: str, number: int, when: str) -> None:
    numbers = count(1)
    owner, name = (backup_storage.Upload, "finish") if step == "Upload.finish" else (backup_storage, step)
    original = getattr(owner, name)

    def killing(*args: object) -> None:
        mine = next(numbers)
        if mine == number and when == "before":
            raise Killed
        original(*args)
        if mine == number:
            raise Killed

    with patch.object(owner, name, killing), pytest.raises(Killed):
        env.backup()
    is_complete = (step, when) == ("put_new", "after")  # killed before its record: a backup, to which none refers
    assert len(env.keys("manifests/")) == is_complete
    assert env.superuser.execute("SELECT FROM app.backups").rowcount == 0
    env.backup()
    assert backup_verify.verify(env.newest()) == []


RUN = """
import sys
from functions.backup.handler import lambda_handler
from flomastr.recovery import backup_storage
from tests.support.events import Context
original = backup_storage.Upload.finish
def finish(upload):
    original(upload)
    print(upload.key, flush=True)
backup_storage.Upload.finish = finish
lambda_handler({}, Context(left_ms=600_000))
"""


def test_a_process_that_is_killed_leaves_objects_and_no_manifest(env: BackupEnv) -> None:
    environment = os.environ | {"DATABASE_URL": env.job_url, "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/flomastr'}"}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    key = process.stdout.readline().strip()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert key in env.keys("objects/")
    assert env.keys("manifests/") == []


@pytest.mark.parametrize(
    "hidden",
    [
        "DROP POLICY job ON app.workflows",
        "ALTER POLICY job ON app.workflows USING (tenant_id IS NULL)",
        "REVOKE SELECT ON app.user_roles FROM flo_job",
        "CREATE POLICY narrow ON app.workflows AS RESTRICTIVE FOR SELECT TO flo_job USING (name = 'active')",
        "CREATE TABLE app.new_one ()",
    ],
)
def test_a_table_that_jobs_do_not_see_as_a_whole_is_no_backup(env: BackupEnv, hidden: str) -> None:
    env.superuser.execute(hidden.encode())
    with pytest.raises(UnreadableError):
        env.backup()
    assert env.keys("manifests/") == []


def test_a_table_that_has_lost_all_its_rows_is_no_backup(env: BackupEnv) -> None:
    env.superuser.execute("INSERT INTO app.user_roles (email, role) VALUES ('somebody@example.com', 'user')")
    env.backup()
    before = env.keys("manifests/")
    env.superuser.execute("TRUNCATE app.user_roles")
    with pytest.raises(EmptyError, match="user_roles"):
        env.backup()
    assert env.keys("manifests/") == before


def test_what_does_not_fit_into_the_time_is_told_before_it_begins(env: BackupEnv) -> None:
    with patch.object(backup_job, "BYTES_PER_SECOND", 10), pytest.raises(TooLargeError, match="s are left"):
        env.backup()


def ids(*moments: str) -> list[str]:
    return [f"{moment}T003000Z-00000000" for moment in moments]


def test_kept_are_seven_days_five_weeks_and_twelve_months() -> None:
    first = datetime(2024, 1, 1, tzinfo=UTC)
    days = [f"{first + timedelta(days=n):%Y%m%d}" for n in range(731)]  # to 2025-12-31
    kept = sorted(id[:8] for id in backup_retention.kept(ids(*days)))
    months = [
        *("20250131", "20250228", "20250331", "20250430", "20250531", "20250630", "20250731", "20250831"),
        *("20250930", "20251031", "20251130", "20251231"),
    ]
    weeks = ["20251207", "20251214", "20251221", "20251228", "20251231"]
    last = ["20251225", "20251226", "20251227", "20251228", "20251229", "20251230", "20251231"]
    assert kept == sorted({*months, *weeks, *last})


def test_days_without_a_backup_end_none_of_those_that_there_are() -> None:
    few = ids("20240101", "20250601", "20251231")
    assert backup_retention.kept(few) == set(few)


def test_a_backup_that_is_taken_after_an_accident_ends_none_of_the_two_days_before_it() -> None:
    times = ("29T120000", "29T180000", "30T003000", "30T120000", "31T003000", "31T140000")
    accident = [f"202512{time}Z-00000000" for time in times]
    assert set(accident) - backup_retention.kept(accident) == {accident[0]}


def test_a_backup_past_its_time_goes_with_objects_that_no_other_has(env: BackupEnv) -> None:
    env.backup()
    old = env.newest()
    for day in range(1, 32):  # an old one that nothing needs, among enough newer ones
        renamed(old, f"202001{day:02}T000000Z-0000000a")
    orphan = f"{backup_storage.PREFIX}objects/20200101T000000Z-0000000b/tenants.copy.zst"
    env.bucket.client.put_object(Bucket=env.bucket.name, Key=orphan, Body=b"of a run that was killed")
    counts = env.backup()
    assert counts["backups_deleted"] == 23  # all but six days and two Sundays
    assert orphan not in env.bucket.keys()
    assert all(backup_verify.verify(backup_manifest.read(key)) == [] for key in backup_manifest.all_keys()[-2:])


def renamed(manifest: backup_manifest.Manifest, id: str) -> None:
    backup_manifest.write(manifest.model_copy(update={"id": id}), None)


def test_while_a_manifest_is_damaged_nothing_is_deleted(env: BackupEnv) -> None:
    env.backup()
    renamed(env.newest(), "20200101T000000Z-0000000a")
    key = backup_manifest.all_keys()[0]
    env.bucket.client.put_object(Bucket=env.bucket.name, Key=key, Body=b"{}")
    objects = env.bucket.keys(f"{backup_storage.PREFIX}objects/")
    with pytest.raises(JobFailedError, match=key):
        env.backup()
    assert set(objects) <= set(env.bucket.keys())


def test_where_the_bucket_has_object_lock_backups_withstand_deletion_and_what_is_referred_to_again_for_longer(
    env: BackupEnv, bucket: Bucket
) -> None:
    with bucket_of_its_own(bucket, ObjectLockEnabledForBucket=True) as own:
        env.settle()
        env.backup()
        first = env.newest()
        key = next(part.key for part in first.parts if part.relation.name == "tenants")
        assert until(own, key) == pytest.approx((first.taken_at + timedelta(days=7)).timestamp(), abs=2)
        assert until(own, backup_manifest.all_keys()[0]) == until(own, key)
        env.backup()
        second = env.newest()
        assert second.id != first.id
        assert key in {part.key for part in second.parts}
        assert until(own, key) == pytest.approx((second.taken_at + timedelta(days=7)).timestamp(), abs=2)


def until(own: Bucket, key: str) -> float:
    return own.client.head_object(Bucket=own.name, Key=key)["ObjectLockRetainUntilDate"].timestamp()
