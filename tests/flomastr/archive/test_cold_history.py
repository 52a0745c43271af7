"""The history of rows leaves Postgres for files, from where the audit trail reads it on."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from dev.services.postgres import Cluster
from flomastr.archive import export_job, file_lifecycle, parquet
from flomastr.archive.file_lifecycle import UnverifiedError
from flomastr.archive.manifest import File
from flomastr.archive.parquet import Relation
from flomastr.jobs import Job, JobFailedError
from flomastr.retention import erasure_job
from flomastr.tenant_recovery import audit_trail
from functions.archive.handler import lambda_handler as archive
from functions.compact.handler import lambda_handler as compact
from functions.erase.handler import lambda_handler as erase
from functions.expire.handler import lambda_handler as expire
from functions.history.handler import lambda_handler as history
from functions.recovery.handler import lambda_handler as recovery
from functions.workflows.handler import lambda_handler as workflows
from tests.support.archive_env import TODAY, ArchiveEnv
from tests.support.archived_tenants import erasure_of, large_data, overwrite, receipt
from tests.support.factories import Tenant
from tests.support.killed_runs import runs
from tests.support.recovery_env import RecoveryEnv, recovery_env
from tests.support.s3 import Bucket

AUDIT = "/routes/recovery/audit"
SOME = 8  # steps of a run are left out: each takes a second to try


@pytest.fixture
def env(server: Cluster, bucket: Bucket) -> Iterator[RecoveryEnv]:
    with recovery_env(server, bucket) as env:
        yield env


def changed(env: RecoveryEnv, tenant: Tenant, workflow: UUID, **changes: Any) -> None:
    answer = env.ask(workflows, tenant, "PUT", f"/routes/workflows/{workflow}", body=changes)
    assert answer.status == 200, answer.body


def grow_old(env: ArchiveEnv, days: int = 60, since: int = 0) -> int:
    """What has been recorded after a number was so many days ago, in weeks of then. Returns the last number."""
    then = TODAY - timedelta(days=days)
    for week in (0, 14):
        env.superuser.execute("SELECT app.create_history_partitions(%s)", (then + timedelta(days=week),))
    ago = timedelta(days=days)
    env.superuser.execute(
        "UPDATE app.recorded_transactions SET committed_at = committed_at - %s WHERE first_seq > %s", (ago, since)
    )
    env.superuser.execute("UPDATE app.row_history SET recorded_at = recorded_at - %s WHERE seq > %s", (ago, since))
    return env.superuser.execute("SELECT max(seq) FROM app.row_history").fetchall()[0][0]


def hot_changes(env: ArchiveEnv, tenant: Tenant) -> int:
    found = env.superuser.execute("SELECT count(*) FROM app.row_history WHERE tenant_id = %s", (tenant.id,))
    return found.fetchall()[0][0]


def weeks(env: ArchiveEnv) -> int:
    """That have ended long enough ago to be dropped."""
    due = "SELECT count(*) FROM app.history_partitions() WHERE ends <= %s - interval '30 days'"
    return env.superuser.execute(due, (TODAY,)).fetchall()[0][0]


def as_hot(trail: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [change | {"tier": "hot"} for change in trail]


def cold(trail: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [change for change in trail if change["tier"] == "cold"]


def test_what_is_archived_is_told_as_it_was_while_hot(env: RecoveryEnv) -> None:
    make, platform = env.platform.make, env.platform
    tenant, other = make.tenant(), make.tenant()
    workflow = make.workflow(tenant, name="First")
    make.workflow(other, name="Of another tenant")
    changed(env, tenant, workflow, name="Second")
    changed(env, tenant, workflow, name="Third", description="x" * 2000)
    last = grow_old(platform)
    changed(env, tenant, workflow, name="Fourth", description="short")
    deleted = make.workflow(tenant, name="Deleted")
    assert env.ask(workflows, tenant, "DELETE", f"/routes/workflows/{deleted}").status == 200
    grow_old(platform, days=20, since=last)
    before = env.audit(tenant)
    assert {change["tier"] for change in before} == {"hot"}

    assert platform.run(archive)["changes_archived"] > 3
    after = env.audit(tenant)
    assert as_hot(after) == before
    tiers = [change["tier"] for change in after]
    assert tiers == sorted(tiers, reverse=True) and tiers[0] == "hot" and tiers[-1] == "cold"
    names = [(c["before"], c["after"]) for c in after if c["table"] == "workflows" and c["row_ids"] == [str(workflow)]]
    assert [(before and before["name"], after["name"]) for before, after in names[:3]] == [
        ("Third", "Fourth"), ("Second", "Third"), ("First", "Second"),
    ]  # fmt: skip
    assert platform.run(expire)["history_weeks_dropped"] > 0
    assert (weeks(platform), env.audit(tenant)) == (0, after)


def test_pages_offsets_counts_and_filters_go_over_both_tiers(env: RecoveryEnv) -> None:
    tenant = env.platform.make.tenant()
    workflow = env.platform.make.workflow(tenant)
    for number in range(4):
        changed(env, tenant, workflow, name=f"Cold {number}")
    last = grow_old(env.platform)
    for number in range(3):
        changed(env, tenant, workflow, name=f"Hot {number}")
    whole = env.audit(tenant)
    env.platform.run(archive)
    grow_old(env.platform, days=0, since=last)

    pages, query = list[Any](), {"limit": 2}
    link = f"{AUDIT}?limit=2"
    while link:
        answer = env.ask(recovery, tenant, "GET", AUDIT, query=query)
        assert answer.status == 200, answer.body
        pages += answer.json
        link = answer.headers.get("link", "")
        query = dict(part.split("=", 1) for part in link.partition("?")[2].partition(">")[0].split("&") if link)
    assert as_hot(pages) == whole

    counting = {"prefer": "count=exact"}
    counted = env.ask(recovery, tenant, "GET", AUDIT, query={"limit": 1, "offset": 5}, headers=counting)
    assert (as_hot(counted.json), counted.headers["x-total-count"]) == (whole[5:6], str(len(whole)))
    assert env.ask(recovery, tenant, "GET", AUDIT, query={"offset": 500}).json == []
    matching = {"table": "workflows", "action": "update", "row_id": str(workflow), "actor": whole[0]["actor"]}
    assert as_hot(env.audit(tenant, **matching)) == [c for c in whole if c["action"] == "update"]
    counted = env.ask(recovery, tenant, "GET", AUDIT, query=matching, headers=counting)
    assert counted.headers["x-total-count"] == "7"
    old = env.audit(tenant, last_at=(TODAY - timedelta(days=31)).isoformat())
    assert {change["tier"] for change in old} == {"cold"} and len(old) < len(whole)
    assert env.audit(tenant, actor="user:nobody") == []


def test_what_is_archived_is_said_to_be_out_of_reach_of_recoveries(env: RecoveryEnv) -> None:
    tenant = env.platform.make.tenant()
    workflow = env.platform.make.workflow(tenant)
    changed(env, tenant, workflow, name="Long ago")
    grow_old(env.platform, days=37)
    env.platform.run(archive)
    (change, *_) = env.audit(tenant)
    assert change["tier"] == "cold"
    answer = env.recovery(tenant, "POST", "preview", body={"transaction": change["transaction"]})
    assert (answer.status, "archived" in answer.json["detail"]) == (404, True)
    answer = env.recovery(tenant, "POST", "preview", body={"at": change["at"]})
    assert (answer.status, "audit trail" in answer.json["detail"]) == (422, True)


def test_a_hold_keeps_history_hot_until_it_is_released(env: RecoveryEnv) -> None:
    platform = env.platform
    tenant, free = platform.make.tenant(), platform.make.tenant()
    for each in (tenant, free):
        changed(env, each, platform.make.workflow(each), name="Changed")
    hold = platform.hold(tenant)
    grow_old(platform)
    before = hot_changes(platform, tenant)
    answer = env.ask(history, tenant, "GET", "/routes/history/preview")
    assert answer.json["row_history"] == {"rows": 0, "bytes": 0}
    platform.run(archive)
    assert (hot_changes(platform, tenant), hot_changes(platform, free)) == (before, 0)
    platform.run(expire)
    assert (hot_changes(platform, tenant), weeks(platform)) == (before, 0)

    platform.release(hold)
    preview = env.ask(history, tenant, "GET", "/routes/history/preview").json["row_history"]
    assert platform.run(archive)["changes_archived"] == preview["rows"] == before
    assert hot_changes(platform, tenant) == 0


def test_a_week_that_is_not_archived_is_not_dropped_and_neither_is_who_changed_it(env: RecoveryEnv) -> None:
    tenant = env.platform.make.tenant()
    changed(env, tenant, env.platform.make.workflow(tenant), name="Changed")
    grow_old(env.platform)
    before = env.audit(tenant)
    assert env.platform.run(expire)["state"] == "done"
    assert env.audit(tenant) == before
    env.platform.run(archive)
    assert env.platform.run(expire)["recorded_transactions_forgotten"] > 0
    assert as_hot(env.audit(tenant)) == before


def test_files_of_a_month_are_merged_and_end_by_the_policy_of_the_tenant(env: RecoveryEnv) -> None:
    platform = env.platform
    tenant = platform.make.tenant()
    workflow = platform.make.workflow(tenant)
    grow_old(platform, days=75)
    platform.run(archive)
    last = platform.superuser.execute("SELECT max(seq) FROM app.row_history").fetchall()[0][0] or 0
    changed(env, tenant, workflow, name="Changed")
    grow_old(platform, days=75, since=last)
    platform.run(archive)
    before = env.audit(tenant)
    assert len(platform.files(tenant)) == 2
    platform.run(compact)
    assert (len(platform.files(tenant)), env.audit(tenant)) == (1, before)
    (listed,) = env.ask(history, tenant, "GET", "/routes/history/files").json
    assert listed["source"] == "row_history"
    assert listed["first_at"] <= before[-1]["at"] <= before[0]["at"] < listed["last_at"]

    platform.superuser.execute("INSERT INTO app.cold_policies (tenant_id, cold_ttl_days) VALUES (%s, 80)", (tenant.id,))
    platform.run(expire)
    assert cold(env.audit(tenant)) == before
    platform.superuser.execute("UPDATE app.cold_policies SET cold_ttl_days = 70")
    platform.run(expire)
    assert cold(env.audit(tenant)) == []


def test_a_file_that_comes_out_wrong_keeps_its_rows_hot(env: RecoveryEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    from flomastr import object_storage

    tenant = env.platform.make.tenant()
    grow_old(env.platform)
    before, put = hot_changes(env.platform, tenant), object_storage.put

    def flip(key: str, path: Any) -> None:
        put(key, path)
        body = bytearray(env.platform.object(key))
        body[len(body) // 2] ^= 1
        overwrite(env.platform, key, bytes(body))

    monkeypatch.setattr(object_storage, "put", flip)
    with pytest.raises(JobFailedError, match="is not what was sent"):
        env.platform.run(archive)
    assert (hot_changes(env.platform, tenant), env.platform.files(tenant)) == (before, [])
    monkeypatch.undo()
    env.platform.run(archive)
    assert (hot_changes(env.platform, tenant), len(env.platform.files(tenant))) == (0, 1)


def changes(env: ArchiveEnv, tenant: Tenant) -> list[Any]:
    """Every change, hot or cold, byte for byte; one that is stored twice is listed twice."""
    hot = env.superuser.execute(
        "SELECT h.xid::text, t.actor, t.request_id, h.table_name, h.action, h.row_id::text, h.old::text,"
        " (extract(EPOCH FROM h.recorded_at) * 1000000)::bigint, h.old ->> 'user_id'"
        " FROM app.row_history AS h JOIN app.recorded_transactions AS t USING (tenant_id, xid) WHERE tenant_id = %s",
        (tenant.id,),
    ).fetchall()
    columns = "transaction, actor, request_id, table_name, action, row_id, old, epoch_us(recorded_at), user_id"
    return sorted(hot + env.read(env.files(tenant), columns), key=str)


def test_killed_at_any_step_no_change_is_lost_and_none_is_there_twice(env: RecoveryEnv, tmp_path: Path) -> None:
    platform = env.platform
    tenant = platform.make.tenant()
    workflow, last, whole = platform.make.workflow(tenant), 0, list[Any]()
    with runs(platform, tmp_path) as processes:
        step, killed = 1, True
        while killed:
            changed(env, tenant, workflow, name=f"Killed at {step}")
            last = grow_old(platform, since=last)
            whole = changes(platform, tenant)
            killed = processes.killed_at(step)
            assert changes(platform, tenant) == whole, step
            step += SOME
    while platform.run(archive)["state"] == "skipped":  # until Postgres has noticed that the killed run is gone
        pass
    assert (changes(platform, tenant), hot_changes(platform, tenant)) == (whole, 0)
    assert platform.is_in_order() and step > 20


def test_an_erased_person_is_in_no_file_of_history(env: RecoveryEnv) -> None:
    platform, make = env.platform, env.platform.make
    tenant, person, invited = make.tenant(), make.person(), "invited@example.com"
    changed(env, tenant, make.workflow(tenant), name="Stays")
    membership = platform.superuser.execute(
        "INSERT INTO app.tenant_memberships (tenant_id, user_id, status) VALUES (%s, %s, 'pending') RETURNING id",
        (tenant.id, invited),
    ).fetchall()[0]
    last = grow_old(platform)
    platform.run(archive)
    accept = "UPDATE app.tenant_memberships SET user_id = %s, status = 'active' WHERE id = %s"
    platform.superuser.execute(accept, (person.user_id, *membership))
    make.preferences(tenant, person, theme="light")
    platform.superuser.execute("UPDATE app.user_preferences SET preferences = '{}' WHERE tenant_id = %s", (tenant.id,))
    platform.superuser.execute("DELETE FROM app.tenant_memberships WHERE id = %s", membership)
    grow_old(platform, since=last)
    platform.run(archive)
    trail = env.audit(tenant)
    text = str([platform.read(platform.files(tenant), "old, user_id")])
    assert f"'{person.user_id}'" in text and invited in text

    asked = erasure_of(platform, tenant, person.user_id)
    platform.run(erase)
    assert receipt(platform, asked)["counts"]["cold_rows"] == 5
    text = str([platform.read(platform.files(tenant), "old, user_id, row_ids")])
    assert str(person.user_id) not in text and invited not in text
    assert [c for c in env.audit(tenant) if c["table"] == "workflows"] == [
        c for c in trail if c["table"] == "workflows"
    ]
    assert platform.is_in_order()


def test_an_erased_tenant_has_no_file_of_history(env: RecoveryEnv) -> None:
    tenant = env.platform.make.tenant()
    grow_old(env.platform)
    env.platform.run(archive)
    assert len(env.platform.files(tenant)) == 1
    asked = erasure_of(env.platform, tenant)
    env.platform.run(erase)
    assert receipt(env.platform, asked)["state"] == "done"
    assert [key for key in env.platform.bucket.keys() if str(tenant.id) in key] == []


def test_an_erasure_that_is_killed_between_two_files_finds_the_address_still(
    env: RecoveryEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, make = env.platform, env.platform.make
    tenant, person, invited = make.tenant(), make.person(), "mailto:invited@example.com"
    membership = platform.superuser.execute(
        "INSERT INTO app.tenant_memberships (tenant_id, user_id, status) VALUES (%s, %s, 'pending') RETURNING id",
        (tenant.id, invited),
    ).fetchall()[0]
    last = grow_old(platform, days=75)
    platform.run(archive)
    accept = "UPDATE app.tenant_memberships SET user_id = %s, status = 'active' WHERE id = %s"
    platform.superuser.execute(accept, (person.user_id, *membership))
    last = grow_old(platform, days=75, since=last)
    platform.run(archive)
    platform.superuser.execute("DELETE FROM app.tenant_memberships WHERE id = %s", membership)
    grow_old(platform, days=40, since=last)
    platform.run(archive)
    platform.run(compact)  # so that the file with the address is the younger one
    _, addresses = ([*map(str, platform.read([key], "old"))] for key in platform.files(tenant))
    assert invited in str(addresses)

    asked = erasure_of(platform, tenant, person.user_id)
    rewrite = erasure_job.rewrite_without

    def rewrite_one(*args: Any) -> None:
        rewrite(*args)
        raise UnverifiedError("Killed.")

    monkeypatch.setattr(erasure_job, "rewrite_without", rewrite_one)
    with pytest.raises(JobFailedError):
        platform.run(erase)
    monkeypatch.undo()
    platform.run(erase)
    assert receipt(platform, asked)["state"] == "done"
    text = str(platform.read(platform.files(tenant), "old, user_id"))
    assert str(person.user_id) not in text and invited not in text


def test_one_tenants_file_that_fails_stops_no_other_tenant(env: RecoveryEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *others = sorted((env.platform.make.tenant() for _ in range(3)), key=lambda tenant: tenant.id)
    grow_old(env.platform)
    before, write = hot_changes(env.platform, first), file_lifecycle.write

    def fail(job: Job, file: File) -> None:
        if file.tenant_id == first.id:
            raise UnverifiedError("Is not what was sent.")
        write(job, file)

    monkeypatch.setattr(export_job, "ROWS", before)
    monkeypatch.setattr(file_lifecycle, "write", fail)
    with pytest.raises(JobFailedError):
        env.platform.run(archive)
    assert [hot_changes(env.platform, tenant) for tenant in (first, *others)] == [before, 0, 0]


def test_ids_of_inserted_rows_count_as_text_of_a_file(env: RecoveryEnv) -> None:
    tenant = env.platform.make.tenant()
    env.platform.superuser.execute(
        "INSERT INTO app.row_history (tenant_id, xid, table_name, action, row_ids)"
        " SELECT %s, pg_current_xact_id(), 'workflows', 'insert', array_agg(app.uuid7())"
        " FROM generate_series(1, 1000)",
        (tenant.id,),
    )
    grow_old(env.platform)
    env.platform.run(archive)
    planned = "SELECT text_bytes FROM app.archive_files WHERE tenant_id = %s"
    assert env.platform.superuser.execute(planned, (tenant.id,)).fetchall()[0][0] > 37_000


def test_no_recovery_goes_back_to_before_a_change_that_is_archived(env: RecoveryEnv) -> None:
    tenant = env.platform.make.tenant()
    workflow = env.platform.make.workflow(tenant)
    changed(env, tenant, workflow, name="Archived")
    grow_old(env.platform, days=45)
    env.platform.superuser.execute("UPDATE app.restore_points SET taken_at = taken_at - interval '50 days'")
    at = {"at": (TODAY - timedelta(days=48)).isoformat()}
    assert env.recovery(tenant, "POST", "preview", body=at).status == 200
    env.platform.run(archive)
    answer = env.recovery(tenant, "POST", "preview", body=at)
    assert (answer.status, "audit trail" in answer.json["detail"]) == (422, True)


def test_large_images_are_not_all_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = "(SELECT *, repeat(chr((97 + n % 26)::int), 400000) AS old FROM range({}, {}) AS r (n))"
    files = list[File]()
    for first in range(1, 1050, 150):
        ids = [UUID(int=number) for number in (first, first + 149)]
        files.append(File.model_construct(first_id=ids[0], last_id=ids[1], rows=150))
        rows = f"SELECT printf('00000000-0000-0000-0000-%012x', n) AS id, 'row' AS row_id, old FROM {images}"
        parquet.write(Relation(f"({rows.format(first, first + 150)})"), tmp_path / f"{ids[0]}.parquet")
    monkeypatch.setattr(File, "path", property(lambda file: str(tmp_path / f"{file.first_id}.parquet")))
    change = {
        "id": str(UUID(int=0)),
        "row_id": "row",
        "action": "update",
        "table_name": "workflows",
        "old": "{}",
        "bytes": 2,
    }
    others = (change | {"row_id": f"other {n}"} for n in range(248))
    monkeypatch.setattr(audit_trail, "MOST_TOLD", 5_000_000)
    parquet.duck().execute("SET GLOBAL memory_limit = '300MB'")
    try:
        told, second, *_ = audit_trail.with_later(files, [change, change, *others])
    finally:
        parquet.duck().execute(f"SET GLOBAL memory_limit = '{parquet.MEMORY_LIMIT}'")
    assert (told["later"].count(","), told["are_all"]) == (9, False)  # 4 MB of them
    assert (second["later"].count(","), second["are_all"]) == (1, False)  # what the page has room for


def test_a_change_whose_actor_is_not_known_is_told(env: RecoveryEnv) -> None:
    tenant = env.platform.make.tenant()
    env.platform.make.workflow(tenant)
    grow_old(env.platform)
    env.platform.superuser.execute("DELETE FROM app.recorded_transactions WHERE tenant_id = %s", (tenant.id,))
    env.platform.run(archive)
    assert {change["actor"] for change in env.audit(tenant)} == {""}


def test_a_month_of_history_that_fails_leaves_no_address_behind_an_erasure(
    env: RecoveryEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, make = env.platform, env.platform.make
    tenant, person, invited = make.tenant(), make.person(), "invited@example.com"
    membership = platform.superuser.execute(
        "INSERT INTO app.tenant_memberships (tenant_id, user_id, status) VALUES (%s, %s, 'pending') RETURNING id",
        (tenant.id, invited),
    ).fetchall()[0]
    accept = "UPDATE app.tenant_memberships SET user_id = %s, status = 'active' WHERE id = %s"
    platform.superuser.execute(accept, (person.user_id, *membership))
    last = grow_old(platform, days=100)
    platform.superuser.execute("DELETE FROM app.tenant_memberships WHERE id = %s", membership)
    grow_old(platform, days=45, since=last)
    write, months = file_lifecycle.write, set[Any]()

    def fail_the_oldest(job: Job, file: File) -> None:
        months.add(file.month)
        if file.month == min(months):
            raise UnverifiedError("Is not what was sent.")
        write(job, file)

    monkeypatch.setattr(file_lifecycle, "write", fail_the_oldest)
    with pytest.raises(JobFailedError):
        platform.run(archive)
    monkeypatch.undo()
    asked = erasure_of(platform, tenant, person.user_id)
    platform.run(erase)
    assert receipt(platform, asked)["state"] == "done"
    left = platform.superuser.execute("SELECT old::text FROM app.row_history WHERE tenant_id = %s", (tenant.id,))
    assert invited not in str(left.fetchall()) + str(platform.read(platform.files(tenant), "old"))


def test_archived_changes_of_large_data_tell_how_large_it_was_and_keep_no_object(env: RecoveryEnv) -> None:
    platform = env.platform
    tenant = platform.make.tenant()
    id = platform.execution(tenant, platform.make.workflow(tenant), 1)
    steps = {f"step {number}": "x" * 100 for number in range(40)}
    in_row = large_data(platform, tenant, "y" * 300_000, id, **steps)
    for value in (Jsonb(in_row), None):
        platform.superuser.execute("UPDATE app.workflow_executions SET execution_data = %s WHERE id = %s", (value, id))
    grow_old(platform)
    before = env.audit(tenant)
    assert before[0]["before"] == {"execution_data": {"omitted_bytes": in_row["flomastr_object"]["bytes"]}}
    assert platform.run(expire)["objects_removed"] == 0
    platform.run(archive)
    platform.superuser.execute("UPDATE app.execution_objects SET check_at = check_at - interval '7 days'")
    assert platform.run(expire)["objects_removed"] == 1
    assert as_hot(env.audit(tenant)) == before
