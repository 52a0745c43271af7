"""The erase job: of a tenant nothing is left but the receipt, of a person nothing in the tenant; others keep theirs."""

import json
import secrets
from typing import LiteralString
from uuid import UUID

import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import scalar_row

from flomastr import object_storage
from flomastr.jobs import Job, JobFailedError
from flomastr.retention import erasure_job
from flomastr.retention.erasures import Erasure, signature
from functions.archive.handler import lambda_handler as archive
from functions.erase.handler import lambda_handler
from functions.erasures.handler import lambda_handler as erasures
from functions.restore.handler import lambda_handler as restore
from tests.support.archive_env import TODAY, ArchiveEnv
from tests.support.archived_tenants import (
    archived,
    ask_for_restore,
    erasure_of,
    keep,
    large_data,
    old_chat,
    overwrite,
    receipt,
    remember,
)
from tests.support.connected import connected
from tests.support.crash_points import steps
from tests.support.events import call
from tests.support.factories import Tenant
from tests.support.full_tenant import add_alert, add_knowledge, add_rollups


class FullTenant:
    """A tenant with something everywhere, and with strings in it that are nowhere else."""

    def __init__(self, env: ArchiveEnv):
        make, self.marker = env.make, secrets.token_hex(8)
        self.tenant: Tenant = make.tenant(slug=f"slug-{self.marker}", name=f"name {self.marker}", hot_ttl_days=7)
        self.person = make.person(user_id=f"user_{self.marker}", email=f"{self.marker}@example.com")
        self.address = f"mailto:{self.marker}@example.com"
        make.member(self.tenant.id, make.person(user_id=self.address))
        env.superuser.execute(  # as they accept
            "UPDATE app.tenant_memberships SET user_id = %s WHERE user_id = %s", (self.user_id, self.address)
        )
        make.invitation(self.tenant.id, make.person(email=f"invited-{self.marker}@example.com"))
        self.key = make.api_key(self.tenant)
        self.workflow = make.workflow(self.tenant, name=f"workflow {self.marker}")
        make.preferences(self.tenant, self.person, theme=self.marker)
        env.superuser.execute(
            "UPDATE app.user_preferences SET preferences = '{}' WHERE user_id = %s", (self.person.user_id,)
        )
        make.recovery(self.tenant)
        make.tenant_action(self.tenant)
        add_knowledge(make, self.tenant, f"A passage of {self.marker}")
        remember(env, self.tenant, f"user:{self.person.user_id}", self.marker)
        data = {"mode": "webhook", "said": self.marker}
        archived(env, self.tenant, self.workflow, 1, 2, execution_data=data)
        ask_for_restore(env, self.tenant, until=2)
        env.run(restore)
        env.execution_at(self.tenant, self.workflow, TODAY, execution_data=data)
        for user_id in (self.user_id, f"other_{self.marker}"):
            old_chat(env, self.tenant, self.workflow, user_id, f"{user_id} said {self.marker}")
        env.run(archive)
        add_rollups(make, self.tenant)
        add_alert(make, self.tenant, self.marker)
        env.session(self.tenant, self.workflow, TODAY, user_id=self.user_id, messages=[{"content": self.marker}])
        env.release(env.hold(self.tenant))
        env.superuser.execute("INSERT INTO app.cold_policies VALUES (%s, 90)", (self.tenant.id,))
        keep(env, self.tenant, success_days=30, error_days=30)
        env.superuser.execute("INSERT INTO app.retention_class_changes VALUES (%s, 30)", (self.tenant.id,))
        env.superuser.execute(
            "INSERT INTO app.reported_failures (tenant_id, execution_id) VALUES (%s, app.uuid7())", (self.tenant.id,)
        )
        make.rejection(self.tenant, error=self.marker)
        large_data(env, self.tenant, self.marker)
        env.superuser.execute(
            "INSERT INTO app.n8n_names VALUES (%s, %s, %s, now())", (self.tenant.id, self.workflow, self.marker)
        )
        env.superuser.execute("INSERT INTO app.n8n_instances VALUES (%s, 1, 'prod')", (self.tenant.id,))
        env.superuser.execute(
            "INSERT INTO app.n8n_connections (tenant_id, number, n8n_url, api_key, next_pull_at)"
            " VALUES (%s, 1, %s, '\\x01', now() + interval '1 day')",
            (self.tenant.id, f"https://{self.marker}.example"),
        )
        env.superuser.execute(
            "INSERT INTO app.n8n_resets VALUES (%s, 1, '2026-01-01', '2026-01-02')", (self.tenant.id,)
        )
        for name in (self.tenant.id, self.key.id):
            env.superuser.execute("INSERT INTO app.rate_buckets VALUES (%s, now() + interval '1 day')", (str(name),))
        env.superuser.execute(
            "INSERT INTO app.erasures (tenant_id, user_id, state, requested_by) VALUES (%s, %s, 'done', 'test')",
            (self.tenant.id, f"former_{self.marker}"),
        )

    @property
    def user_id(self) -> str:
        return str(self.person.user_id)

    @property
    def strings(self) -> list[str]:
        return [self.marker, self.key.id, str(self.tenant.owner.user_id)]


def tables(env: ArchiveEnv) -> list[str]:
    found = env.superuser.cursor(row_factory=scalar_row).execute(
        "SELECT relname FROM pg_class"
        " WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"
    )
    return found.fetchall()


def text_of(env: ArchiveEnv, table: str) -> str:
    every = sql.SQL("SELECT coalesce(string_agg(t::text, ' '), '') FROM {} AS t").format(sql.Identifier("app", table))
    return env.superuser.execute(every).fetchall()[0][0]


def versions(env: ArchiveEnv, tenant: Tenant) -> list[tuple[str, str]]:
    """Everything that the bucket has or remembers of the tenant."""
    pages = env.bucket.client.get_paginator("list_object_versions").paginate(Bucket=env.bucket.name)
    found = [each for page in pages for each in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]]
    keys = [(str(each.get("Key")), str(each.get("VersionId"))) for each in found]
    return [(key, version) for key, version in keys if f"tenant={tenant.id}/" in key]


def rows_stored(env: ArchiveEnv, tenant: Tenant) -> set[str]:
    """Without the data of executions, which are no person's."""
    return {key for key, _ in versions(env, tenant) if not key.startswith("execution_data/")}


def tables_with(env: ArchiveEnv, strings: list[str]) -> set[str]:
    """The tables where one of the strings is found."""
    return {table for table in tables(env) if any(string in text_of(env, table) for string in strings)}


def cold_text(env: ArchiveEnv, tenant: Tenant) -> str:
    return json.dumps([str(env.read([key], "*")) for key in env.files(tenant)])


def counted(env: ArchiveEnv, tenant: Tenant) -> dict[str, int]:
    """How many rows each table has of the tenant, counted without the job's list of tables."""
    counts: dict[str, int] = {}
    for table in tables(env):
        column = "id" if table == "tenants" else "tenant_id"
        known = "SELECT FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s"
        if env.superuser.execute(known, (f"app.{table}", column)).rowcount:
            count = sql.SQL("SELECT count(*) FROM {} WHERE {} = %s")
            named = count.format(sql.Identifier("app", table), sql.Identifier(column))
            counts[table] = env.superuser.execute(named, (tenant.id,)).fetchall()[0][0]
    return counts


def erased(own: dict[str, int]) -> dict[str, int]:
    """The counts of a receipt: erasing the execution that was not archived leaves one more delta."""
    deltas = own["execution_deltas"] + 1
    return own | {"execution_deltas": deltas, "rate_buckets": 2, "cold_files": 2, "cold_rows": 4}


def test_of_an_erased_tenant_nothing_is_left_but_the_receipt(
    env: ArchiveEnv, capfd: pytest.CaptureFixture[str]
) -> None:
    gone, neighbour = FullTenant(env), FullTenant(env)
    before, rows, chats = (
        counted(env, neighbour.tenant),
        env.rows(neighbour.tenant),
        cold_text(env, neighbour.tenant),
    )
    own = counted(env, gone.tenant)
    assert {table for table, rows in own.items() if not rows} == {"leaving_rows"}  # nothing else is untried
    assert versions(env, gone.tenant)
    capfd.readouterr()
    asked = erasure_of(env, gone.tenant)
    answer = env.run(lambda_handler)
    logged = capfd.readouterr()
    assert (answer["state"], answer["erasures_done"]) == ("done", 1)
    assert tables_with(env, gone.strings) == set()
    assert counted(env, gone.tenant) == dict.fromkeys(own, 0) | {"erasures": 1}
    assert versions(env, gone.tenant) == []
    assert not any(string in logged.out + logged.err for string in gone.strings)
    assert (counted(env, neighbour.tenant), env.rows(neighbour.tenant)) == (before, rows)
    assert cold_text(env, neighbour.tenant) == chats
    counts = receipt(env, asked)["counts"]
    assert counts == erased(own)


def test_what_was_sent_and_not_read_goes_with_its_tenant(env: ArchiveEnv) -> None:
    gone, other = env.make.tenant(), env.make.tenant()
    uploads = env.bucket.uploads
    for tenant in (gone, other):
        uploads.client.put_object(Bucket=uploads.name, Key=f"tenant={tenant.id}/file", Body=b"Refunds")
    erasure_of(env, gone)
    assert env.run(lambda_handler)["erasures_done"] == 1
    assert uploads.keys(f"tenant={gone.id}/") == []
    assert uploads.keys(f"tenant={other.id}/") == [f"tenant={other.id}/file"]


def test_every_table_that_knows_tenants_is_erased(env: ArchiveEnv) -> None:
    steps = {*erasure_job.TENANT_STEPS, "tenants"}
    assert counted(env, env.make.tenant()).keys() == steps - {"rate_buckets"}


def test_the_receipt_is_signed_and_every_change_of_it_shows(env: ArchiveEnv) -> None:
    tenant, admin = env.make.tenant(), env.make.super_admin()
    asked = erasure_of(env, tenant)
    with connected(DATABASE_URL=env.app_url):
        assert call(erasures, "GET", f"/routes/erasures/{asked}", caller=admin).json["signature"] is None
    env.run(lambda_handler)
    with connected(DATABASE_URL=env.app_url):
        erasure = call(erasures, "GET", f"/routes/erasures/{asked}", caller=admin).json
    assert (erasure["state"], erasure["counts"]["tenants"]) == ("done", 1)
    assert erasure["signature"] == signature(Erasure.model_validate(erasure))
    for change in ({"counts": {"tenants": 2}}, {"tenant_id": str(asked)}, {"finished_at": "2026-01-01T00:00:00Z"}):
        assert signature(Erasure.model_validate(erasure | change)) != erasure["signature"]


def test_a_tenant_under_a_hold_is_not_erased_until_the_hold_is_released(env: ArchiveEnv) -> None:
    held, other = env.make.tenant(hot_ttl_days=7), env.make.tenant()
    archived(env, held, env.make.workflow(held), 1)
    hold = env.hold(held)
    first, second = erasure_of(env, held), erasure_of(env, other)
    rows = env.rows(held)
    assert env.run(lambda_handler)["erasures_waiting"] == 1  # which is no failure, however long it lasts
    assert (env.rows(held), receipt(env, first)["state"]) == (rows, "pending")
    assert receipt(env, second)["state"] == "done"  # nobody waits for it
    env.release(hold)
    env.run(lambda_handler)
    assert (receipt(env, first)["state"], versions(env, held)) == ("done", [])


def test_a_hold_that_is_placed_between_two_batches_keeps_the_rest(
    env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = env.make.tenant()
    workflow = env.make.workflow(tenant)
    for _ in range(3):
        env.execution_at(tenant, workflow, TODAY)
    asked = erasure_of(env, tenant)
    add_counts = erasure_job.add_counts

    def hold_after(job: Job, erasure: Erasure, counts: dict[str, int]) -> None:
        add_counts(job, erasure, counts)
        if counts.get("workflow_executions"):
            monkeypatch.undo()
            held.append(env.hold(tenant))

    held: list[UUID] = []
    monkeypatch.setattr(erasure_job, "BATCH", 1)
    monkeypatch.setattr(erasure_job, "add_counts", hold_after)
    assert env.run(lambda_handler)["erasures_waiting"] == 1
    assert (len(held), len(env.hot(tenant)), receipt(env, asked)["state"]) == (1, 2, "running")
    env.release(held[0])
    env.run(lambda_handler)
    done = receipt(env, asked)
    assert (done["state"], done["counts"]["workflow_executions"]) == ("done", 3)


@pytest.mark.parametrize("statement", ["UPDATE app.erasures SET state = 'done'", "DELETE FROM app.erasures"])
def test_no_request_can_change_or_remove_an_erasure(env: ArchiveEnv, statement: LiteralString) -> None:
    tenant = env.make.tenant()
    asked = erasure_of(env, tenant)
    with pytest.raises(InsufficientPrivilege):
        env.make.within(tenant.id, statement, {})
    assert receipt(env, asked)["state"] == "pending"


def test_a_tenant_that_is_not_deleted_is_not_erased(env: ArchiveEnv) -> None:
    tenant = env.make.tenant()
    asked = erasure_of(env, tenant)
    env.superuser.execute("UPDATE app.tenants SET deleted_at = NULL")
    with pytest.raises(JobFailedError, match="not deleted"):
        env.run(lambda_handler)
    assert receipt(env, asked)["state"] == "pending" and counted(env, tenant)["tenants"] == 1


@pytest.mark.parametrize("other", ["archive", "compact", "expire", "recover", "restore"])
def test_it_waits_for_the_jobs_that_write_to_the_cold_tier(env: ArchiveEnv, other: str) -> None:
    asked = erasure_of(env, env.make.tenant())
    lock = "SELECT {}(hashtextextended('flomastr.job.' || %s, 0))"
    env.superuser.execute(sql.SQL(lock).format(sql.Identifier("pg_advisory_lock")), (other,))
    assert env.run(lambda_handler)["state"] == "unfinished"
    env.superuser.execute(sql.SQL(lock).format(sql.Identifier("pg_advisory_unlock")), (other,))
    assert env.run(lambda_handler)["state"] == "done"
    assert receipt(env, asked)["state"] == "done"


def test_of_an_erased_person_nothing_is_left_in_the_tenant_and_others_keep_theirs(env: ArchiveEnv) -> None:
    home, elsewhere = FullTenant(env), FullTenant(env)
    user_id = home.user_id
    env.make.member(elsewhere.tenant.id, home.person)
    env.make.preferences(elsewhere.tenant, home.person, theme="dark")
    executions, before = env.hot(home.tenant), counted(env, home.tenant)
    asked = erasure_of(env, home.tenant, user_id)
    env.run(lambda_handler)
    done = receipt(env, asked)
    expected = {
        "user_preferences": 1,
        "tenant_memberships": 1,
        "webchat_sessions": 1,
        "idempotency_keys": 1,
        "row_history": 3,
    }
    assert done["counts"] == expected | {"invitations": 0, "cold_files": 1, "cold_rows": 1}
    assert tables_with(env, [user_id]) == {"erasures", "tenant_memberships", "user_preferences"}  # elsewhere
    assert tables_with(env, [home.address]) == set()
    after = counted(env, home.tenant)
    assert after == before | {table: before[table] - count for table, count in expected.items()} | {
        "erasures": 2,
        "archive_files": 2,
    }
    assert user_id not in cold_text(env, home.tenant)
    assert f"other_{home.marker} said" in cold_text(env, home.tenant)
    assert rows_stored(env, home.tenant) == set(env.files(home.tenant))
    assert (env.hot(home.tenant), env.is_in_order()) == (executions, True)


def test_an_erasure_ends_while_its_person_is_written_about(env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = env.make.tenant()
    workflow = env.make.workflow(tenant)
    env.session(tenant, workflow, TODAY, user_id="ghost")
    asked, add_counts = erasure_of(env, tenant, "ghost"), erasure_job.add_counts

    def and_write(job: Job, erasure: Erasure, counts: dict[str, int]) -> None:
        add_counts(job, erasure, counts)
        if counts.get("webchat_sessions"):
            env.session(tenant, env.make.workflow(tenant), TODAY, user_id="ghost")

    monkeypatch.setattr(erasure_job, "add_counts", and_write)
    assert env.run(lambda_handler)["erasures_done"] == 1
    done = receipt(env, asked)
    assert (done["state"], done["counts"]["webchat_sessions"]) == ("done", 3)


def test_a_file_that_held_nobody_else_is_gone(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    old_chat(env, tenant, env.make.workflow(tenant), "o'person", "Hello")
    env.run(archive)
    assert len(env.files(tenant)) == 1
    erasure_of(env, tenant, "o'person")
    env.run(lambda_handler)
    assert (versions(env, tenant), counted(env, tenant)["archive_files"]) == ([], 0)


def test_a_damaged_file_keeps_a_persons_erasure_open(env: ArchiveEnv) -> None:
    tenant = env.make.tenant(hot_ttl_days=7)
    old_chat(env, tenant, env.make.workflow(tenant), "user_1", "Hello")
    env.run(archive)
    (key,) = env.files(tenant)
    overwrite(env, key, b"PAR1")
    asked = erasure_of(env, tenant, "user_1")
    with pytest.raises(JobFailedError, match="not what was sent"):
        env.run(lambda_handler)
    assert (receipt(env, asked)["state"], env.files(tenant)) == ("running", [key])


def test_a_run_lists_the_bucket_once_and_takes_tenants_in_turn(
    env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    many, few = env.make.tenant(), env.make.tenant()
    for tenant, person in ((many, "one"), (many, "two"), (many, "three"), (few, "one")):
        erasure_of(env, tenant, person)
    listed, listing = list[str](), object_storage.folders_of_tenants

    def counted_listing(source: str) -> dict[str, list[str]]:
        listed.append(source)
        return listing(source)

    monkeypatch.setattr(object_storage, "folders_of_tenants", counted_listing)
    assert env.run(lambda_handler)["erasures_done"] == 4
    done = env.superuser.execute("SELECT tenant_id FROM app.erasures ORDER BY finished_at").fetchall()
    assert {tenant for (tenant,) in done[:2]} == {many.id, few.id}
    assert listed == ["row_history", "webchat_sessions"]


def test_the_last_owner_is_not_erased(env: ArchiveEnv) -> None:
    tenant = env.make.tenant()
    asked = erasure_of(env, tenant, str(tenant.owner.user_id))
    with pytest.raises(JobFailedError, match="last owner"):
        env.run(lambda_handler)
    assert receipt(env, asked)["state"] != "done"


@pytest.mark.timeout(400)
def test_killed_again_and_again_a_step_later_each_time_a_tenant_is_gone_and_each_row_was_counted_once(
    env: ArchiveEnv,
) -> None:
    gone = FullTenant(env)
    own = counted(env, gone.tenant)
    asked = erasure_of(env, gone.tenant)
    assert list(steps(lambda: env.run(lambda_handler), every=7))
    done = receipt(env, asked)
    assert (done["state"], done["counts"]) == ("done", erased(own))
    assert (tables_with(env, gone.strings), versions(env, gone.tenant)) == (set(), [])


def test_killed_again_and_again_a_step_later_each_time_a_person_is_gone_and_nobody_else(env: ArchiveEnv) -> None:
    home = FullTenant(env)
    asked = erasure_of(env, home.tenant, home.user_id)
    assert list(steps(lambda: env.run(lambda_handler)))
    counts = receipt(env, asked)["counts"]
    assert (counts["cold_rows"], counts["webchat_sessions"], counts["tenant_memberships"]) == (1, 1, 1)
    assert tables_with(env, [home.user_id]) == {"erasures"}
    assert rows_stored(env, home.tenant) == set(env.files(home.tenant))
    assert f"other_{home.marker} said" in cold_text(env, home.tenant)
