"""What is restored is what was backed up, or the restore says by name what is not."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from psycopg.errors import UniqueViolation

from dev.errors import StartupError
from dev.restore import restore as restore_command
from dev.services.postgres import Cluster
from flomastr.recovery import backup_manifest, backup_verify, receipts, restore, restore_load
from flomastr.recovery.backup_catalogue import EXCLUDED
from flomastr.recovery.backup_manifest import DamagedError, Manifest, Part
from flomastr.recovery.receipts import Receipt
from flomastr.recovery.restore import CatalogueError, RefusedError
from schema.migrate import migrate
from tests.support.backup_env import BackupEnv, database_of, named, unnamed_env
from tests.support.factories import archived_file, new_id
from tests.support.s3 import Bucket

OF_THE_CLUSTER = {*EXCLUDED, "job_runs"}  # not copied, or written meanwhile
FILLED = ("workflows", "workflow_executions_overflow")


def part_of(manifest: Manifest, name: str) -> Part:
    return next(part for part in manifest.parts if part.relation.name == name)


@pytest.fixture(scope="session")
def shared(server: Cluster, bucket: Bucket, furnished: str) -> Iterator[BackupEnv]:
    with unnamed_env(server, bucket, furnished) as env:
        with named(env.bucket):
            env.backup()
        yield env


@pytest.fixture
def backed_up(shared: BackupEnv) -> Iterator[BackupEnv]:
    """With one backup. No test changes its rows."""
    with named(shared.bucket):
        yield shared


@pytest.fixture
def manifest(backed_up: BackupEnv) -> Manifest:
    return backed_up.newest()


def test_a_restored_database_has_every_row_and_keeps_what_migrations_promise(
    backed_up: BackupEnv, manifest: Manifest
) -> None:
    before = backed_up.contents()
    with backed_up.empty() as url:
        counts = restore.restore(url, manifest)
        migrate(url)
        after = backed_up.contents(database_of(url))
        with backed_up.at(url) as conn, pytest.raises(UniqueViolation):
            conn.execute(
                "INSERT INTO app.workflow_executions (tenant_id, id, retention_class, workflow_id, status,"
                " started_at, n8n_execution_id) SELECT tenant_id, id, retention_class, workflow_id,"
                " status, started_at, n8n_execution_id FROM app.workflow_executions WHERE n8n_execution_id = 'e0'"
            )
    assert counts["rows"] == manifest.rows > 100
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} <= OF_THE_CLUSTER


def test_restored_partitions_are_those_that_there_were_with_their_indexes_and_triggers(
    backed_up: BackupEnv, manifest: Manifest
) -> None:
    with backed_up.empty() as url:
        restore.restore(url, manifest, workers=4)
        assert backed_up.shape(database_of(url)) == backed_up.shape()


def flip(data: bytes) -> bytes:
    return data[:40] + bytes([data[40] ^ 1]) + data[41:]


DAMAGES: dict[str, Callable[[bytes, bytes], bytes | None]] = {
    "truncated": lambda own, other: own[:-3],
    "flipped": lambda own, other: flip(own),
    "swapped": lambda own, other: other,
    "empty": lambda own, other: b"",
    "missing": lambda own, other: None,
}


def test_a_damaged_object_is_found_by_its_name(backed_up: BackupEnv, manifest: Manifest) -> None:
    part, other = part_of(manifest, "workflows"), part_of(manifest, "tenants")
    own, others = backed_up.object(part.key), backed_up.object(other.key)
    with backed_up.empty() as url:
        for damage, damaged in DAMAGES.items():
            backed_up.write(part.key, damaged(own, others))
            try:
                (problem,) = backup_verify.verify(manifest)
                with pytest.raises(DamagedError, match=part.key):
                    restore.restore(url, manifest)
            finally:
                backed_up.write(part.key, own)
            assert problem.startswith(part.key), damage
            assert (other.key in problem) == (damage == "swapped")
            assert rows_in(backed_up, url, "workflows") == 0
    assert backup_verify.verify(manifest) == []


def rows_in(env: BackupEnv, url: str, name: str) -> int:
    with env.at(url) as conn:
        return conn.execute(f"SELECT count(*) FROM app.{name}".encode()).fetchall()[0][0]


def test_a_manifest_that_was_changed_is_not_believed(backed_up: BackupEnv) -> None:
    (key,) = backed_up.keys("manifests/")
    own = backed_up.object(key)
    backed_up.write(key, own.replace(b'"rows":1', b'"rows":2', 1))
    try:
        with pytest.raises(DamagedError, match=key):
            backed_up.newest()
    finally:
        backed_up.write(key, own)


def with_a_statement(part: Part, place: str) -> Part:
    """Who may write into the bucket may write this."""
    said = "FOR VALUES FROM ('1') TO ('2'); CREATE ROLE intruder" if place == "bound" else "CREATE ROLE intruder"
    return part.model_copy(
        update={"relation": part.relation.model_copy(update={place: said if place == "bound" else [said]})}
    )


@pytest.mark.parametrize("place", ["bound", "indexes"])
def test_a_manifest_says_nothing_that_is_executed_but_bounds_and_indexes(
    backed_up: BackupEnv, manifest: Manifest, place: str
) -> None:
    parts = [with_a_statement(part, place) if part.relation.bound else part for part in manifest.parts]
    forged = manifest.model_copy(update={"id": f"{manifest.id}0", "parts": parts})
    key = backup_manifest.write(forged, None)
    try:
        with pytest.raises(DamagedError, match=f"{key} is of another version, or not ours"):
            backed_up.newest()
    finally:
        backed_up.write(key, None)
    assert backed_up.newest() == manifest


def test_the_latest_backup_is_none_of_tomorrow(backed_up: BackupEnv, manifest: Manifest) -> None:
    tomorrow = backup_manifest.new_id(datetime.now(UTC) + timedelta(days=1))
    key = backup_manifest.write(manifest.model_copy(update={"id": tomorrow}), None)
    try:
        assert backed_up.newest() == manifest
        assert backup_manifest.find(tomorrow).id == tomorrow
    finally:
        backed_up.write(key, None)


def test_a_restore_that_is_killed_goes_on_where_it_was(backed_up: BackupEnv, manifest: Manifest) -> None:
    names = [part.relation.name for part in manifest.parts]
    original = restore_load.load
    calls: list[str] = []

    def killing(conn: Any, manifest: Manifest, part: Part, choice: Any) -> int:
        if len(calls) == 30 or (part.relation.name == "workflow_executions_overflow" and calls.count("killed") == 1):
            calls.append("killed")
            raise KeyboardInterrupt
        calls.append(part.relation.name)
        return original(conn, manifest, part, choice)

    with backed_up.empty() as url:
        for _ in range(2):
            with patch.object(restore_load, "load", killing), pytest.raises(KeyboardInterrupt):
                restore.restore(url, manifest)
        again = restore.restore(url, manifest)
        migrate(url)
        after = backed_up.contents(database_of(url))
    assert 0 < again["rows"] < manifest.rows
    assert again["tables"] == len(names)
    assert after["workflows"] == backed_up.contents()["workflows"]


def test_only_an_empty_database_with_the_schema_of_the_backup_is_filled(
    backed_up: BackupEnv, manifest: Manifest
) -> None:
    with backed_up.empty() as url:
        other = manifest.model_copy(update={"migrations": dict(list(manifest.migrations.items())[:-1])})
        with pytest.raises(RefusedError, match=f"up to {max(other.migrations)}"):
            restore.restore(url, other)
        with backed_up.at(url) as conn:
            conn.execute("INSERT INTO app.tenants (slug, name) VALUES ('somebody', 'Somebody')")
        with pytest.raises(RefusedError, match="app.tenants has rows".replace(".", "[.]")):
            restore.restore(url, manifest)


CHANGED_RIGHTS = {
    "GRANT SELECT ON app.execution_deltas TO flo_app": "+ table execution_deltas",
    "ALTER POLICY tenant ON app.workflows USING (true)": "+ policy workflows tenant",
    "DROP TRIGGER keep_held ON app.alert_events": "- trigger alert_events keep_held",
    "GRANT UPDATE (slug) ON app.tenants TO flo_job": "+ column tenants slug",
    "ALTER TABLE app.documents DROP CONSTRAINT documents_pkey CASCADE": "- constraint documents",
}


def test_rights_that_differ_from_the_backups_end_the_restore(backed_up: BackupEnv, manifest: Manifest) -> None:
    with backed_up.empty() as url:
        with backed_up.at(url) as conn:
            for change in CHANGED_RIGHTS:
                conn.execute(change.encode())
        with pytest.raises(CatalogueError) as raised:
            restore.restore(url, manifest)
    assert [named for named in CHANGED_RIGHTS.values() if named not in str(raised.value)] == []


def test_one_tenant_is_restored_alone(backed_up: BackupEnv, manifest: Manifest) -> None:
    tenants = backed_up.superuser.execute("SELECT id::text FROM app.tenants ORDER BY id LIMIT 2").fetchall()
    with backed_up.empty() as url:
        restore.restore(url, manifest, tenant=tenants[0][0])
        migrate(url)
        with backed_up.at(url) as conn:
            found = conn.execute("SELECT DISTINCT tenant_id::text FROM app.workflows").fetchall()
            executions = conn.execute("SELECT count(*) FROM app.workflow_executions").fetchall()
            words = conn.execute("SELECT count(*) FROM app.reserved_slugs").fetchall()
    assert found == [tenants[0]]
    counted = "SELECT count(*) FROM app.workflow_executions WHERE tenant_id = %s"
    assert executions == backed_up.superuser.execute(counted, tenants[0]).fetchall() != [(0,)]
    assert words == backed_up.superuser.execute("SELECT count(*) FROM app.reserved_slugs").fetchall()


def test_what_is_not_in_the_backup_is_refused_by_name(backed_up: BackupEnv, manifest: Manifest) -> None:
    unknown = str(new_id())
    with backed_up.empty() as url:
        with pytest.raises(RefusedError, match=f"{manifest.id} has no tenant whose id is {unknown}"):
            restore.restore(url, manifest, tenant=unknown)
        with pytest.raises(RefusedError, match=f"{manifest.id} has no table workflow"):
            restore.restore(url, manifest, tables=["tenants", "workflow"])
        with backed_up.at(url) as conn:
            assert conn.execute("SELECT to_regclass('app.restored_parts')").fetchall() == [(None,)]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "^Name a database: make restore FROM=latest DATABASE_URL="),
        ("postgresql://doadmin:...@...:25060/flomastr", "^DATABASE_URL is no URL of a database"),
        ("nonsense", "^Postgres: missing"),
    ],
)
def test_a_restore_into_no_database_says_so(backed_up: BackupEnv, tmp_path: Path, url: str, words: str) -> None:
    with pytest.raises(StartupError, match=words):
        restore_command("latest", url, [], "", 1, tmp_path)


def test_one_table_is_restored_with_those_that_it_refers_to(backed_up: BackupEnv, manifest: Manifest) -> None:
    with backed_up.empty() as url:
        counts = restore.restore(url, manifest, tables=["workflows"])
        contents = backed_up.contents(database_of(url))
    assert counts["tables"] == 2
    assert len(contents["workflows"]) == part_of(manifest, "workflows").rows
    assert len(contents["tenants"]) == part_of(manifest, "tenants").rows
    assert contents["tenant_memberships"] == []


def test_what_was_erased_after_the_backup_is_erased_again(env: BackupEnv) -> None:
    gone, kept = env.make.tenant(), env.make.tenant()
    person = env.make.person()
    env.make.member(kept.id, person)
    env.backup()
    manifest = env.newest()
    moment = manifest.taken_at
    of_tenant = Receipt(id=new_id(), tenant_id=gone.id, user_id=None, requested_by="us", created_at=moment)
    of_person = Receipt(id=new_id(), tenant_id=kept.id, user_id=person.user_id, requested_by="us", created_at=moment)
    for receipt in (of_tenant, of_person, of_person):
        receipts.keep(receipt)
    with env.empty() as url:
        assert restore.restore(url, manifest)["erasures"] == 2
        with env.at(url) as conn:
            asked = dict(conn.execute("SELECT id, state FROM app.erasures WHERE requested_by = 'us'").fetchall())
            assert asked == {of_tenant.id: "pending", of_person.id: "pending"}
            deleted = conn.execute("SELECT id FROM app.tenants WHERE deleted_at IS NOT NULL").fetchall()
            assert (gone.id,) in deleted
            assert (kept.id,) not in deleted


def test_a_restored_partition_that_was_sealed_is_sealed_anew_before_it_is_archived(env: BackupEnv) -> None:
    name = env.superuser.execute("SELECT partition_name FROM app.partitions() LIMIT 1").fetchall()[0][0]
    env.superuser.execute("SELECT app.seal_partition(%s)", (name,))
    env.backup()
    with env.empty() as url:
        restore.restore(url, env.newest())
        with env.at(url) as conn:
            found = conn.execute("SELECT broken_at IS NOT NULL FROM app.sealed_partitions").fetchall()
    assert found == [(True,)]


def test_a_restored_database_numbers_changes_on_behind_those_that_are_archived(env: BackupEnv) -> None:
    tenant, last = env.make.tenant(), 1_000_000
    archived_file(env.superuser, tenant, UUID(int=last - 5), UUID(int=last), source="row_history")
    env.backup()
    with env.empty() as url:
        restore.restore(url, env.newest())
        migrate(url)
        with env.at(url) as conn:
            sequences = conn.execute(
                "SELECT relname::text FROM pg_class WHERE relkind = 'S' AND relnamespace = 'app'::regnamespace"
            ).fetchall()
            conn.execute("UPDATE app.workflows SET name = name || '!'")
            numbers = [seq for (seq,) in conn.execute("SELECT seq FROM app.row_history ORDER BY seq").fetchall()]
            ids = conn.execute("SELECT app.change_id(%s)", (numbers[0],)).fetchall()
    assert sequences == [("row_history_seq",)]
    assert numbers == [*range(last + 1, last + 1 + len(numbers))]
    assert ids == [(UUID(int=last + 1),)]
