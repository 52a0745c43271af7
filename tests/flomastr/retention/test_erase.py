"""The erase job: of a tenant nothing is left but the receipt, of a person nothing in the tenant; others keep theirs."""

import json
import secrets

import pytest
from psycopg import sql
from psycopg.rows import scalar_row

from flomastr.jobs import JobFailed
from flomastr.retention import erasure_job
from flomastr.retention.erasures import Erasure, signature
from functions.archive.handler import lambda_handler as archive
from functions.erase.handler import lambda_handler
from functions.erasures.handler import lambda_handler as erasures
from functions.restore.handler import lambda_handler as restore
from tests.support.archive_env import TODAY, World
from tests.support.archived_tenants import archived, ask_for_restore, erasure_of, old_chat, overwrite, receipt, remember
from tests.support.connected import connected
from tests.support.crash_points import steps
from tests.support.events import call
from tests.support.factories import Tenant
from tests.support.full_tenant import furnish_knowledge

COUNTED = {"cold_files", "cold_rows", "tenants"}


class Furnished:
    """A tenant with something everywhere, and with strings in it that are nowhere else."""

    def __init__(self, world: World):
        make, self.marker = world.make, secrets.token_hex(8)
        self.tenant: Tenant = make.tenant(slug=f"slug-{self.marker}", name=f"name {self.marker}", hot_ttl_days=7)
        self.person = make.person(user_id=f"user_{self.marker}", email=f"{self.marker}@example.com")
        make.member(self.tenant.id, self.person)
        make.invitation(self.tenant.id, make.person(email=f"invited-{self.marker}@example.com"))
        self.key = make.api_key(self.tenant)
        self.workflow = make.workflow(self.tenant, name=f"workflow {self.marker}")
        make.preferences(self.tenant, self.person, theme=self.marker)
        make.tenant_action(self.tenant)
        furnish_knowledge(make, self.tenant, f"A passage of {self.marker}")
        remember(world, self.tenant, f"user:{self.person.user_id}", self.marker)
        data = {"mode": "webhook", "said": self.marker}
        archived(world, self.tenant, self.workflow, 1, 2, execution_data=data)
        ask_for_restore(world, self.tenant, until=2)
        world.run(restore)
        world.execution_at(self.tenant, self.workflow, TODAY, execution_data=data)
        for user_id in (self.user_id, f"other_{self.marker}"):
            old_chat(world, self.tenant, self.workflow, user_id, f"{user_id} said {self.marker}")
        world.run(archive)
        world.session(self.tenant, self.workflow, TODAY, user_id=self.user_id, messages=[{"content": self.marker}])
        world.release(world.hold(self.tenant))
        world.superuser.execute("INSERT INTO app.cold_policies VALUES (%s, 90)", (self.tenant.id,))
        world.superuser.execute("INSERT INTO app.class_changes VALUES (%s, 30)", (self.tenant.id,))
        for name in (self.tenant.id, self.key.id):
            world.superuser.execute("INSERT INTO app.rate_buckets VALUES (%s, now() + interval '1 day')", (str(name),))
        world.superuser.execute(
            "INSERT INTO app.erasures (tenant_id, user_id, state, requested_by) VALUES (%s, %s, 'done', 'test')",
            (self.tenant.id, f"former_{self.marker}"),
        )

    @property
    def user_id(self) -> str:
        return str(self.person.user_id)

    @property
    def strings(self) -> list[str]:
        return [self.marker, self.key.id, str(self.tenant.owner.user_id)]


def tables(world: World) -> list[str]:
    found = world.superuser.cursor(row_factory=scalar_row).execute(
        "SELECT relname FROM pg_class"
        " WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"
    )
    return found.fetchall()


def text_of(world: World, table: str) -> str:
    every = sql.SQL("SELECT coalesce(string_agg(t::text, ' '), '') FROM {} AS t").format(sql.Identifier("app", table))
    return world.superuser.execute(every).fetchall()[0][0]


def versions(world: World, tenant: Tenant) -> list[tuple[str, str]]:
    """Everything that the bucket has or remembers of the tenant."""
    pages = world.bucket.client.get_paginator("list_object_versions").paginate(Bucket=world.bucket.name)
    found = [each for page in pages for each in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]]
    keys = [(str(each.get("Key")), str(each.get("VersionId"))) for each in found]
    return [(key, version) for key, version in keys if f"tenant={tenant.id}/" in key]


def places(world: World, strings: list[str]) -> set[str]:
    """The tables where one of the strings is found."""
    return {table for table in tables(world) if any(string in text_of(world, table) for string in strings)}


def cold_text(world: World, tenant: Tenant) -> str:
    return json.dumps([str(world.read([key], "*")) for key in world.files(tenant)])


def counted(world: World, tenant: Tenant) -> dict[str, int]:
    """How many rows each table has of the tenant, told without the job's list of tables."""
    counts: dict[str, int] = {}
    for table in tables(world):
        column = "id" if table == "tenants" else "tenant_id"
        known = "SELECT FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s"
        if world.superuser.execute(known, (f"app.{table}", column)).rowcount:
            count = sql.SQL("SELECT count(*) FROM {} WHERE {} = %s")
            named = count.format(sql.Identifier("app", table), sql.Identifier(column))
            counts[table] = world.superuser.execute(named, (tenant.id,)).fetchall()[0][0]
    return counts


def test_of_an_erased_tenant_nothing_is_left_but_the_receipt(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    gone, neighbour = Furnished(world), Furnished(world)
    before, rows, chats = (
        counted(world, neighbour.tenant),
        world.rows(neighbour.tenant),
        cold_text(world, neighbour.tenant),
    )
    own = counted(world, gone.tenant)
    assert {table for table, rows in own.items() if not rows} == {"leaving_rows"}  # nothing else is untried
    assert versions(world, gone.tenant)
    capfd.readouterr()
    asked = erasure_of(world, gone.tenant)
    answer = world.run(lambda_handler)
    told = capfd.readouterr()
    assert (answer["state"], answer["erasures_done"]) == ("done", 1)
    assert places(world, gone.strings) == set()
    assert counted(world, gone.tenant) == dict.fromkeys(own, 0) | {"erasures": 1}
    assert versions(world, gone.tenant) == []
    assert not any(string in told.out + told.err for string in gone.strings)
    assert (counted(world, neighbour.tenant), world.rows(neighbour.tenant)) == (before, rows)
    assert cold_text(world, neighbour.tenant) == chats
    counts = receipt(world, asked)["counts"]
    assert counts == own | {"rate_buckets": 2, "cold_files": 2, "cold_rows": 4}


def test_every_table_that_knows_tenants_is_erased(world: World) -> None:
    steps = {*erasure_job.TENANT_STEPS, "tenants"}
    assert counted(world, world.make.tenant()).keys() == steps - {"rate_buckets"}


def test_the_receipt_is_signed_and_every_change_of_it_shows(world: World) -> None:
    tenant, admin = world.make.tenant(), world.make.super_admin()
    asked = erasure_of(world, tenant)
    with connected(DATABASE_URL=world.app_url):
        assert call(erasures, "GET", f"/routes/erasures/{asked}", caller=admin).json["signature"] is None
    world.run(lambda_handler)
    with connected(DATABASE_URL=world.app_url):
        told = call(erasures, "GET", f"/routes/erasures/{asked}", caller=admin).json
    assert (told["state"], told["counts"]["tenants"]) == ("done", 1)
    assert told["signature"] == signature(Erasure.model_validate(told))
    for change in ({"counts": {"tenants": 2}}, {"tenant_id": str(asked)}, {"finished_at": "2026-01-01T00:00:00Z"}):
        assert signature(Erasure.model_validate(told | change)) != told["signature"]


def test_a_tenant_under_a_hold_is_not_erased_until_the_hold_is_released(world: World) -> None:
    held, other = world.make.tenant(hot_ttl_days=7), world.make.tenant()
    archived(world, held, world.make.workflow(held), 1)
    hold = world.hold(held)
    first, second = erasure_of(world, held), erasure_of(world, other)
    rows = world.rows(held)
    assert world.run(lambda_handler)["erasures_waiting"] == 1  # which is no failure, however long it lasts
    assert (world.rows(held), receipt(world, first)["state"]) == (rows, "pending")
    assert receipt(world, second)["state"] == "done"  # nobody waits for it
    world.release(hold)
    world.run(lambda_handler)
    assert (receipt(world, first)["state"], versions(world, held)) == ("done", [])


def test_a_tenant_that_is_not_deleted_is_not_erased(world: World) -> None:
    tenant = world.make.tenant()
    asked = erasure_of(world, tenant)
    world.superuser.execute("UPDATE app.tenants SET deleted_at = NULL")
    with pytest.raises(JobFailed, match="not deleted"):
        world.run(lambda_handler)
    assert receipt(world, asked)["state"] == "pending" and counted(world, tenant)["tenants"] == 1


@pytest.mark.parametrize("other", erasure_job.OTHERS)
def test_it_waits_for_the_jobs_that_write_to_the_cold_tier(world: World, other: str) -> None:
    asked = erasure_of(world, world.make.tenant())
    lock = "SELECT {}(hashtextextended('flomastr.job.' || %s, 0))"
    world.superuser.execute(sql.SQL(lock).format(sql.Identifier("pg_advisory_lock")), (other,))
    assert world.run(lambda_handler)["state"] == "unfinished"
    world.superuser.execute(sql.SQL(lock).format(sql.Identifier("pg_advisory_unlock")), (other,))
    assert world.run(lambda_handler)["state"] == "done"
    assert receipt(world, asked)["state"] == "done"


def test_of_an_erased_person_nothing_is_left_in_the_tenant_and_others_keep_theirs(world: World) -> None:
    home, elsewhere = Furnished(world), Furnished(world)
    user_id = home.user_id
    world.make.member(elsewhere.tenant.id, home.person)
    world.make.preferences(elsewhere.tenant, home.person, theme="dark")
    executions, before = world.hot(home.tenant), counted(world, home.tenant)
    asked = erasure_of(world, home.tenant, user_id)
    world.run(lambda_handler)
    done = receipt(world, asked)
    expected = {"user_preferences": 1, "tenant_memberships": 1, "webchat_sessions": 1, "idempotency_keys": 1}
    assert done["counts"] == expected | {"invitations": 0, "cold_files": 1, "cold_rows": 1}
    assert places(world, [user_id]) == {"erasures", "tenant_memberships", "user_preferences"}  # elsewhere
    after = counted(world, home.tenant)
    assert after == before | {table: before[table] - count for table, count in expected.items()} | {
        "erasures": 2,
        "archive_files": 2,
    }
    assert user_id not in cold_text(world, home.tenant)
    assert f"other_{home.marker} said" in cold_text(world, home.tenant)
    assert {key for key, _ in versions(world, home.tenant)} == set(world.files(home.tenant))
    assert (world.hot(home.tenant), world.is_in_order()) == (executions, True)


def test_a_file_that_held_nobody_else_is_gone(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    old_chat(world, tenant, world.make.workflow(tenant), "o'person", "Hello")
    world.run(archive)
    assert len(world.files(tenant)) == 1
    erasure_of(world, tenant, "o'person")
    world.run(lambda_handler)
    assert (versions(world, tenant), counted(world, tenant)["archive_files"]) == ([], 0)


def test_a_damaged_file_keeps_a_persons_erasure_open(world: World) -> None:
    tenant = world.make.tenant(hot_ttl_days=7)
    old_chat(world, tenant, world.make.workflow(tenant), "user_1", "Hello")
    world.run(archive)
    (key,) = world.files(tenant)
    overwrite(world, key, b"PAR1")
    asked = erasure_of(world, tenant, "user_1")
    with pytest.raises(JobFailed, match="not what was sent"):
        world.run(lambda_handler)
    assert (receipt(world, asked)["state"], world.files(tenant)) == ("running", [key])


def test_the_last_owner_is_not_erased(world: World) -> None:
    tenant = world.make.tenant()
    asked = erasure_of(world, tenant, str(tenant.owner.user_id))
    with pytest.raises(JobFailed, match="last owner"):
        world.run(lambda_handler)
    assert receipt(world, asked)["state"] != "done"


def test_killed_before_its_steps_and_run_again_a_tenant_is_gone_and_each_row_was_counted_once(world: World) -> None:
    gone = Furnished(world)
    own = counted(world, gone.tenant)
    asked = erasure_of(world, gone.tenant)
    for _ in steps(lambda: world.run(lambda_handler), every=7):
        world.run(lambda_handler)
        done = receipt(world, asked)
        assert (done["state"], done["counts"]) == ("done", own | {"rate_buckets": 2, "cold_files": 2, "cold_rows": 4})
        assert (places(world, gone.strings), versions(world, gone.tenant)) == (set(), [])
        gone = Furnished(world)
        own = counted(world, gone.tenant)
        asked = erasure_of(world, gone.tenant)


def test_killed_before_its_steps_and_run_again_a_person_is_gone_and_nobody_else(world: World) -> None:
    home = Furnished(world)
    asked = erasure_of(world, home.tenant, home.user_id)
    for _ in steps(lambda: world.run(lambda_handler), every=7):
        world.run(lambda_handler)
        counts = receipt(world, asked)["counts"]
        assert (counts["cold_rows"], counts["webchat_sessions"], counts["tenant_memberships"]) == (1, 1, 1)
        assert places(world, [home.user_id]) == {"erasures"}
        assert {key for key, _ in versions(world, home.tenant)} == set(world.files(home.tenant))
        assert f"other_{home.marker} said" in cold_text(world, home.tenant)
        home = Furnished(world)
        asked = erasure_of(world, home.tenant, home.user_id)
