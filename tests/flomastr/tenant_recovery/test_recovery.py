"""A tenant is brought back to how it was: previewed, applied, undone."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from dev.services.postgres import Cluster
from flomastr.jobs import Job
from flomastr.tenant_recovery import recover_job
from flomastr.tenant_recovery.recover_job import Pending
from functions.executions.handler import lambda_handler as executions
from functions.recover.handler import lambda_handler as recover
from functions.workflows.handler import lambda_handler as workflows
from tests.support.factories import Tenant
from tests.support.recovery_env import RecoveryEnv, Rows, recovery_env
from tests.support.s3 import Bucket


@pytest.fixture(scope="module")
def env(server: Cluster, bucket: Bucket) -> Iterator[RecoveryEnv]:
    with recovery_env(server, bucket) as env:
        yield env


def furnished(env: RecoveryEnv) -> tuple[Tenant, UUID]:
    """A tenant with a workflow, two executions, a chat and preferences."""
    make = env.platform.make
    tenant, colleague = make.tenant(), make.person()
    make.member(tenant.id, colleague)
    make.preferences(tenant, colleague, colour="red")
    workflow = make.workflow(tenant, n8n_workflow_id="1")
    make.execution(tenant, workflow, n8n_execution_id="1", execution_data={"mode": "webhook", "said": "x" * 2000})
    make.execution(tenant, workflow, n8n_execution_id="2", status="running")
    make.session(tenant, workflow, colleague.user_id)
    return tenant, workflow


def change(env: RecoveryEnv, tenant: Tenant, workflow: UUID, **changes: Any) -> None:
    answer = env.ask(workflows, tenant, "PUT", f"/routes/workflows/{workflow}", body=changes)
    assert answer.status == 200, answer.body


def delete(env: RecoveryEnv, tenant: Tenant, workflow: UUID) -> None:
    assert env.ask(workflows, tenant, "DELETE", f"/routes/workflows/{workflow}").status == 200


def test_an_overwritten_row_is_brought_back_and_the_recovery_undone(env: RecoveryEnv) -> None:
    tenant, workflow = furnished(env)
    before, at = env.rows(tenant), env.restore_point()
    change(env, tenant, workflow, name="Overwritten", tags=["a"])
    after = env.rows(tenant)

    preview = env.preview(tenant, at=at, reason="An integration ran wild")
    assert (preview["counts"], preview["is_exact"]) == ({"workflows": {"update": 1}}, True)
    (example,) = preview["examples"]
    assert (example["id"], example["now"]["name"], example["then"]["name"]) == (
        str(workflow), "Overwritten", "A workflow",
    )  # fmt: skip
    assert env.rows(tenant) == after

    done = env.apply(tenant, preview).json
    assert done["state"] == "done"
    assert env.rows(tenant) == before
    assert env.undone(tenant, done)["undone_id"] == done["id"]
    assert env.rows(tenant) == after


def test_a_deleted_workflow_comes_back_with_what_the_cascade_took(env: RecoveryEnv) -> None:
    tenant, workflow = furnished(env)
    before = env.rows(tenant)
    delete(env, tenant, workflow)
    done = env.recovered(tenant, deleted_id=str(workflow))
    assert done["counts"] == {
        "workflows": {"insert": 1}, "workflow_executions": {"insert": 2}, "webchat_sessions": {"insert": 1},
    }  # fmt: skip
    assert env.rows(tenant) == before


def test_the_last_restore_point_is_just_before_the_deletion(env: RecoveryEnv) -> None:
    tenant, workflow = furnished(env)
    before = env.rows(tenant)
    delete(env, tenant, workflow)
    point = env.recovery(tenant, "GET", "restore-points").json[0]
    assert point["reason"] == "before a workflow was deleted"
    assert env.recovered(tenant, at=point["taken_at"])["is_exact"]
    assert env.rows(tenant) == before


def test_a_restore_point_does_not_have_its_own_transaction_also_when_a_later_one_has_ended(env: RecoveryEnv) -> None:
    tenant, workflow = furnished(env)
    before = env.rows(tenant)
    with psycopg.connect(env.platform.superuser.info.dsn, user="flo_app") as conn:
        context = "SELECT set_config('app.tenant_id', %s, true), set_config('app.role', 'key', true)"
        conn.execute(context, (str(tenant.id),))
        conn.execute("SELECT pg_current_xact_id()")
        env.platform.make.workflow(env.platform.make.tenant())
        conn.execute("DELETE FROM app.workflows WHERE id = %s", (workflow,))
    point = env.recovery(tenant, "GET", "restore-points").json[0]
    assert env.recovered(tenant, at=point["taken_at"])["is_exact"]
    assert env.rows(tenant) == before


def test_what_came_later_goes_and_other_tenants_stay_untouched(env: RecoveryEnv) -> None:
    (tenant, workflow), (other, _) = furnished(env), furnished(env)
    before, at = env.rows(tenant), env.restore_point()
    new = env.platform.make.workflow(tenant, name="New", n8n_workflow_id="2")
    for run in ("1", "2", "3", "4"):  # the first two are delivered once more
        env.platform.make.execution(tenant, workflow, n8n_execution_id=run, error_message=f"run {run}")
    env.platform.make.execution(tenant, new, n8n_execution_id="5")
    change(env, other, UUID(env.rows(other, "workflows")["workflows"][0].split('"id": "')[1][:36]), name="Theirs")
    statement = "SELECT xmin::text, ctid::text FROM app.workflows WHERE tenant_id = %s"
    theirs = env.platform.superuser.execute(statement, (other.id,)).fetchall()

    done = env.recovered(tenant, at=at)
    assert done["counts"]["workflows"] == {"delete": 1}
    assert done["counts"]["workflow_executions"]["delete"] == 3
    assert env.rows(tenant) == before
    assert env.platform.superuser.execute(statement, (other.id,)).fetchall() == theirs
    assert env.preview(tenant, at=at)["counts"] == {}  # it is as it was


def test_one_row_or_table_is_recovered_alone(env: RecoveryEnv) -> None:
    tenant, workflow = furnished(env)
    other = env.platform.make.workflow(tenant, name="Other")
    at = env.restore_point()
    for id in (workflow, other):
        change(env, tenant, id, name="Overwritten")
    env.platform.make.execution(tenant, workflow, n8n_execution_id="2")
    assert env.recovered(tenant, at=at, row_ids=[str(other)])["counts"] == {"workflows": {"update": 1}}
    assert env.preview(tenant, at=at, tables=["workflows"])["counts"] == {"workflows": {"update": 1}}
    assert env.preview(tenant, at=at, tables=["webchat_sessions"])["counts"] == {}


def test_what_changed_after_the_preview_is_not_overwritten(env: RecoveryEnv) -> None:
    tenant, workflow = furnished(env)
    at = env.restore_point()
    change(env, tenant, workflow, name="Overwritten")
    preview = env.preview(tenant, at=at)
    change(env, tenant, workflow, description="Meanwhile")
    after = env.rows(tenant)
    refused = env.apply(tenant, preview)
    assert (refused.status, refused.json["code"]) == (409, "changed_meanwhile")
    assert env.rows(tenant) == after


def test_the_undoing_of_a_recovery_that_wrote_nothing_writes_nothing(env: RecoveryEnv) -> None:
    tenant, _ = furnished(env)
    before = env.rows(tenant)
    done = env.recovered(tenant, at=env.restore_point())
    undone = env.undone(tenant, done)
    assert (done["counts"], undone["counts"], undone["state"]) == ({}, {}, "done")
    assert env.rows(tenant) == before


def test_a_recovery_is_undone_only_as_a_whole(env: RecoveryEnv) -> None:
    tenant, workflow = furnished(env)
    at = env.restore_point()
    change(env, tenant, workflow, name="Overwritten")
    done = env.recovered(tenant, at=at)
    change(env, tenant, workflow, name="Once more")
    refused = env.recovery(tenant, "POST", f"recoveries/{done['id']}/undo")
    assert (refused.status, refused.json["code"]) == (409, "changed_meanwhile")


def test_new_rows_are_not_swept_along_with_their_workflow(env: RecoveryEnv) -> None:
    tenant, _ = furnished(env)
    at = env.restore_point()
    new = env.platform.make.workflow(tenant, name="New")
    preview = env.preview(tenant, at=at)
    env.platform.make.execution(tenant, new)
    assert env.apply(tenant, preview).json["code"] == "changed_meanwhile"
    alone = env.preview(tenant, at=at, tables=["workflows"])
    assert alone["swept_along"] == 1
    assert env.apply(tenant, alone).json["code"] == "changed_meanwhile"


def test_held_rows_stay_as_they_are(env: RecoveryEnv) -> None:
    tenant, workflow = furnished(env)
    free = env.platform.make.workflow(tenant, name="Free")
    at = env.restore_point()
    for id in (workflow, free):
        change(env, tenant, id, name="Overwritten")
    env.platform.make.hold(tenant, workflow_id=workflow)
    assert env.recovered(tenant, at=at)["counts"] == {"workflows": {"update": 1, "held": 1}}


def test_what_another_row_is_called_stays_away(env: RecoveryEnv) -> None:
    tenant, workflow = furnished(env)
    delete(env, tenant, workflow)
    env.platform.make.workflow(tenant, name="Another", n8n_workflow_id="1")
    preview = env.preview(tenant, deleted_id=str(workflow))
    assert preview["counts"] == {
        "workflows": {"taken": 1}, "workflow_executions": {"orphaned": 2}, "webchat_sessions": {"orphaned": 1},
    }  # fmt: skip
    assert env.apply(tenant, preview).status == 200


@pytest.mark.parametrize("age", [0, 40])
def test_an_execution_comes_back_hot_also_past_its_class(env: RecoveryEnv, age: float) -> None:
    tenant, workflow = furnished(env)
    env.platform.partitions_since(60)
    execution = env.platform.execution(tenant, workflow, age, retention_class=0)
    before = env.rows(tenant)
    path = f"/routes/workflow-executions/{execution}"
    assert env.ask(executions, tenant, "DELETE", path).status == 200
    assert env.recovered(tenant, deleted_id=str(execution))["counts"] == {"workflow_executions": {"insert": 1}}
    assert env.rows(tenant) == before


def test_the_history_of_executions_names_every_column_that_is_content(env: RecoveryEnv) -> None:
    columns = env.platform.superuser.execute(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'app.workflow_executions'::regclass AND attnum > 0"
    ).fetchall()
    ((source,),) = env.platform.superuser.execute(
        "SELECT prosrc FROM pg_proc WHERE oid = 'app.record_execution_update'::regproc"
    ).fetchall()
    left_out = {name for (name,) in columns if f"s.{name}" not in source}
    assert left_out == {"retention_class", "mode"}  # where it lies, and what its data say


def test_thousands_of_executions_come_back_whatever_the_statistics_say(env: RecoveryEnv) -> None:
    """The planner takes the tenant's partition for an empty one."""
    tenant, workflow = furnished(env)
    run: dict[str, Any] = {"workflow_id": str(workflow), "status": "success"}
    for batch in range(3):
        runs = [run | {"n8n_execution_id": f"{batch}-{n}"} for n in range(1000)]
        answer = env.ask(executions, tenant, "POST", "/routes/workflow-executions/batch", body={"executions": runs})
        assert answer.status == 200
    delete(env, tenant, workflow)
    preview = env.preview(tenant, deleted_id=str(workflow))
    assert preview["counts"]["workflow_executions"] == {"insert": 3002}


def test_what_is_written_is_what_the_preview_has_shown_row_by_row(env: RecoveryEnv) -> None:
    """As many rows are held and written as then, but others."""
    tenant, first = furnished(env)
    second = env.platform.make.workflow(tenant)
    at = env.restore_point()
    env.platform.superuser.execute("UPDATE app.workflows SET name = 'Other' WHERE tenant_id = %s", (tenant.id,))
    hold = env.platform.hold(tenant, workflow_id=first)
    preview = env.preview(tenant, at=at)
    assert preview["counts"] == {"workflows": {"held": 1, "update": 1}}
    env.platform.release(hold)
    env.platform.hold(tenant, workflow_id=second)
    answer = env.apply(tenant, preview)
    assert (answer.status, answer.json["code"]) == (409, "changed_meanwhile")


def test_so_many_recoveries_of_a_tenant_wait_and_tenants_take_turns(
    env: RecoveryEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    many, few = env.platform.make.tenant(), env.platform.make.tenant()
    row = {"status": "success", "started_at": "2026-01-01T00:00:00Z"}
    for tenant in (many, few):
        workflow = str(env.platform.make.workflow(tenant))
        point = env.restore_point()
        rows = [row | {"workflow_id": workflow, "n8n_execution_id": str(n)} for n in range(1001)]
        env.platform.make.within(tenant.id, "SELECT FROM app.record_executions(%(rows)s)", {"rows": Jsonb(rows)})
        for previewed in range(4 if tenant is many else 1):
            preview = env.preview(tenant, at=point)
            answer = env.apply(tenant, preview)
            refused = (409, "too_many_open") if previewed == 3 else (200, None)
            assert (answer.status, answer.json.get("code")) == refused, answer.body
    turns: list[UUID] = []

    def one(job: Job, recovery: Pending) -> None:
        turns.append(recovery.tenant_id)

    monkeypatch.setattr(recover_job, "apply", one)
    assert env.platform.run(recover)["restore_points"] == 5
    assert turns == [many.id, few.id, many.id, many.id]


def test_a_recovery_waits_while_its_tenant_is_suspended(env: RecoveryEnv) -> None:
    tenant, workflow = furnished(env)
    at = env.restore_point()
    change(env, tenant, workflow, name="Overwritten")
    preview = env.preview(tenant, at=at)
    env.platform.superuser.execute(
        "UPDATE app.recoveries SET state = 'pending', applied_by = 'user:test' WHERE id = %s", (preview["id"],)
    )
    states = {"suspended": "pending", "active": "done"}
    for status, expected in states.items():
        env.platform.superuser.execute("UPDATE app.tenants SET status = %s WHERE id = %s", (status, tenant.id))
        env.run()
        found = env.platform.superuser.execute("SELECT state FROM app.recoveries WHERE id = %s", (preview["id"],))
        assert found.fetchall() == [(expected,)]


@pytest.mark.parametrize(
    "twice", [{"tables": ["workflows"] * 2}, {"row_ids": ["00000000-0000-7000-8000-000000000001"] * 2}]
)
def test_what_is_named_twice_is_refused(env: RecoveryEnv, twice: dict[str, Any]) -> None:
    tenant, _ = furnished(env)
    answer = env.recovery(tenant, "POST", "preview", body={"at": env.restore_point()} | twice)
    assert (answer.status, answer.json["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(("number", "refused"), [("0888593", (422, "invalid_request")), ("888593", (404, "not_found"))])
def test_a_transaction_is_named_as_the_audit_trail_names_it(
    env: RecoveryEnv, number: str, refused: tuple[int, str]
) -> None:
    tenant, _ = furnished(env)
    answer = env.recovery(tenant, "POST", "preview", body={"transaction": number})
    assert (answer.status, answer.json["code"]) == refused


def test_who_may(env: RecoveryEnv) -> None:
    tenant, workflow = furnished(env)
    admin = env.platform.make.person()
    env.platform.make.member(tenant.id, admin, "admin")
    at = env.restore_point()
    change(env, tenant, workflow, name="Overwritten")
    preview = env.recovery(tenant, "POST", "preview", body={"at": at}, caller=admin).json
    assert env.apply(tenant, preview, admin).json["code"] == "role_too_low"
    for token in ("x", "\u00fc"):
        assert env.apply(tenant, preview | {"token": token}).json["code"] == "not_confirmed"
    assert env.apply(tenant, preview).status == 200
    assert env.apply(tenant, preview).json["code"] == "wrong_state"


def test_no_moment_before_the_history_or_ahead(env: RecoveryEnv) -> None:
    tenant, _ = furnished(env)
    for at in ("2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"):
        answer = env.recovery(tenant, "POST", "preview", body={"at": at})
        assert (answer.status, answer.json["code"]) == (422, "invalid_range")


LONG = "x" * 1200
CHANGES_OF_LONG_VALUES = [
    "UPDATE app.webchat_sessions SET messages = messages || %(item)s",
    "UPDATE app.webchat_sessions SET messages = messages || '[1, 2]'",
    "UPDATE app.webchat_sessions SET messages = messages - 0",
    "UPDATE app.webchat_sessions SET messages = messages || %(item)s",
    "UPDATE app.webchat_sessions SET messages = '[]'",
    "UPDATE app.user_preferences SET preferences = preferences || %(member)s",
    """UPDATE app.user_preferences SET preferences = preferences || '{"a": 2, "b": null}'""",
    "UPDATE app.user_preferences SET preferences = preferences - 'colour' - 'b'",
    """UPDATE app.user_preferences SET preferences = preferences || '{"b": {"c": 3}}'""",
    "UPDATE app.workflows SET metadata = metadata || %(member)s, name = 'Second'",
    """UPDATE app.workflows SET metadata = metadata || '{"a": 2}'""",
    "UPDATE app.workflows SET metadata = '{}'",
]


def test_of_a_long_value_the_history_keeps_what_changed_and_brings_back_all_of_it(env: RecoveryEnv) -> None:
    tenant, _ = furnished(env)
    superuser = env.platform.superuser
    values = {"item": Jsonb([LONG, LONG]), "member": Jsonb({"a": 1, "long": LONG})}
    seen: list[tuple[str, Rows]] = []
    for change in CHANGES_OF_LONG_VALUES:
        seen.append((env.restore_point(), env.rows(tenant)))
        statement: Any = f"{change} WHERE tenant_id = %(tenant)s"
        superuser.execute(statement, values | {"tenant": tenant.id})
    now = env.rows(tenant)
    for at, rows in seen:
        done = env.recovered(tenant, at=at)
        assert env.rows(tenant) == rows
        env.undone(tenant, done)
        assert env.rows(tenant) == now


def test_a_long_chat_is_not_stored_again_with_each_message_and_the_audit_tells_what_was_added(env: RecoveryEnv) -> None:
    tenant, _ = furnished(env)
    superuser = env.platform.superuser
    superuser.execute("UPDATE app.webchat_sessions SET messages = %s WHERE tenant_id = %s", (Jsonb([LONG]), tenant.id))
    for _ in range(30):
        superuser.execute(
            "UPDATE app.webchat_sessions SET messages = messages || %s WHERE tenant_id = %s", (Jsonb([LONG]), tenant.id)
        )
    superuser.execute("UPDATE app.webchat_sessions SET user_id = 'other' WHERE tenant_id = %s", (tenant.id,))
    history = superuser.execute(
        "SELECT max(length(old::text)) FROM app.row_history WHERE tenant_id = %s AND table_name = 'webchat_sessions'",
        (tenant.id,),
    ).fetchall()
    assert history[0][0] < 1000
    moved, *appended = env.audit(tenant, table="webchat_sessions", action="update")
    assert moved["after"]["user_id"] == "other"
    firsts = [(change["before"]["in_part"], change["after"]["in_part"]) for change in appended[:30]]
    assert firsts == [
        ({"messages": {"first": 30 - n}}, {"messages": {"first": 31 - n}}) for n in range(30)
    ]  # fmt: skip


def test_the_audit_looks_at_twenty_later_changes_of_a_row_and_no_further(env: RecoveryEnv) -> None:
    tenant, workflow = furnished(env)
    change(env, tenant, workflow, name="Second")
    for nth in range(20):
        change(env, tenant, workflow, tags=[str(nth)])
    *_, second, _ = env.audit(tenant, row_id=str(workflow))
    assert second["before"]["name"] == "A workflow"
    assert second["after"] == {"updated_at": second["after"]["updated_at"]}
    assert "name" not in second["after"]


def test_the_audit_trail_tells_who_changed_what(env: RecoveryEnv) -> None:
    tenant, workflow = furnished(env)
    change(env, tenant, workflow, name="Second")
    change(env, tenant, workflow, name="Third")
    delete(env, tenant, workflow)
    deleted, third, second, _ = env.audit(tenant, row_id=str(workflow))
    assert [second["before"]["name"], second["after"]["name"]] == ["A workflow", "Second"]
    assert [third["before"]["name"], third["after"]["name"]] == ["Second", "Third"]
    assert (deleted["action"], deleted["before"]["name"], deleted["after"]) == ("delete", "Third", None)
    assert deleted["actor"] == f"user:{tenant.owner.user_id}"
    assert deleted["request_id"] == "request-1"
    taken = env.audit(tenant, action="delete", table="workflow_executions")
    assert {change["transaction"] for change in taken} == {deleted["transaction"]}
    assert {"omitted_bytes": 2039} in [change["before"]["execution_data"] for change in taken]
