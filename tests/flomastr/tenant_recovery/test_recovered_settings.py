"""Alerts and what a tenant has set come back; who belongs to it, its state and its limits do not."""

from collections.abc import Iterator

import pytest

from dev.services.postgres import Cluster
from functions.alerts.handler import lambda_handler as alerts
from functions.branding.handler import lambda_handler as branding
from functions.tenants.handler import lambda_handler as tenants
from tests.support.recovery_env import RecoveryEnv, recovery_env
from tests.support.s3 import Bucket


@pytest.fixture(scope="module")
def env(server: Cluster, bucket: Bucket) -> Iterator[RecoveryEnv]:
    with recovery_env(server, bucket) as env:
        yield env


def test_settings_come_back_from_all_the_tables_that_have_them(env: RecoveryEnv) -> None:
    tenant = env.platform.make.tenant()
    before, at = env.rows(tenant), env.restore_point()
    path = f"/routes/tenants/{tenant.slug}"
    changes = {
        (branding, "/routes/branding"): {"brand_primary": "#112233"},
        (tenants, path): {"name": "Renamed", "n8n_url": "https://n8n.example.com"},
        (tenants, f"{path}/policies"): {
            "hot_ttl_days": 90,
            "cold_ttl_days": 400,
            "time_zone": "Asia/Tokyo",
            "keep": {"success_days": 7, "error_days": 90},
        },
    }
    for (handler, where), body in changes.items():
        answer = env.ask(handler, tenant, "PUT", where, body=body)
        assert answer.status == 200, answer.body
    after = env.rows(tenant)
    done = env.recovered(tenant, at=at)
    assert done["counts"] == {"tenant_settings": {"update": 1}}
    assert env.rows(tenant) == before
    env.undone(tenant, done)
    assert env.rows(tenant) == after
    changed = {name for change in env.audit(tenant, table="tenant_settings")[-3:] for name in change["before"]}
    assert changed >= {"name", "branding_settings"}


def test_limits_members_and_when_a_tenant_was_created_stay(env: RecoveryEnv) -> None:
    tenant, colleague = env.platform.make.tenant(), env.platform.make.person()
    at = env.restore_point()
    env.platform.make.member(tenant.id, colleague, "admin")
    change = """
        WITH renamed AS (UPDATE app.tenants SET name = 'Other', created_at = '2026-01-01Z' WHERE id = %(id)s)
        UPDATE app.rate_limits SET rate_limit_per_minute = 7000 WHERE tenant_id = %(id)s
    """
    env.platform.superuser.execute(change, {"id": tenant.id})
    assert env.recovered(tenant, at=at)["counts"] == {"tenant_settings": {"update": 1}}
    found = env.platform.superuser.execute(
        """
        SELECT t.name <> 'Other', t.created_at = '2026-01-01Z', l.rate_limit_per_minute, m.role
        FROM app.tenants AS t JOIN app.rate_limits AS l ON l.tenant_id = t.id
        JOIN app.tenant_memberships AS m ON m.tenant_id = t.id AND m.user_id = %s WHERE t.id = %s
        """,
        (colleague.user_id, tenant.id),
    ).fetchall()
    assert found == [(True, True, 7000, "admin")]


def test_settings_under_a_hold_stay_as_they_are(env: RecoveryEnv) -> None:
    tenant = env.platform.make.tenant()
    at = env.restore_point()
    env.platform.superuser.execute("UPDATE app.tenants SET name = 'Other' WHERE id = %s", (tenant.id,))
    env.platform.hold(tenant)
    assert env.recovered(tenant, at=at)["counts"] == {"tenant_settings": {"held": 1}}


def test_a_deleted_alert_comes_back_and_has_not_fired(env: RecoveryEnv) -> None:
    tenant = env.platform.make.tenant()
    workflow = env.platform.make.workflow(tenant)
    alert = env.platform.make.alert(tenant, workflow_id=workflow)
    fired = "UPDATE app.alerts SET fired_id = app.uuid7(), fired_at = now() WHERE id = %s"
    env.platform.superuser.execute(fired, (alert,))
    path = f"/routes/alerts/{alert}"
    before = env.ask(alerts, tenant, "GET", path).json
    env.platform.superuser.execute("DELETE FROM app.workflows WHERE id = %s", (workflow,))
    assert env.ask(alerts, tenant, "DELETE", path).status == 200
    done = env.recovered(tenant, deleted_id=str(alert))
    assert done["counts"] == {"alerts": {"insert": 1}}
    after = env.ask(alerts, tenant, "GET", path).json
    assert (before["firing_since"] is None, after) == (False, before | {"firing_since": None})


def test_what_an_alert_was_changed_to_is_undone_also_while_its_workflow_is_held(env: RecoveryEnv) -> None:
    tenant = env.platform.make.tenant()
    workflow = env.platform.make.workflow(tenant)
    alert = env.platform.make.alert(tenant, workflow_id=workflow)
    at = env.restore_point()
    assert env.ask(alerts, tenant, "PUT", f"/routes/alerts/{alert}", body={"threshold": 50}).status == 200
    new = env.platform.make.alert(tenant, workflow_id=workflow)
    env.platform.hold(tenant, workflow_id=workflow)
    assert env.recovered(tenant, at=at)["counts"] == {"alerts": {"update": 1, "held": 1}}
    assert env.ask(alerts, tenant, "GET", f"/routes/alerts/{new}").status == 200
