"""Tenants take turns at the restore job: one that asks for many keeps no other waiting behind all of them."""

from functions.restore.handler import lambda_handler
from tests.support.archive_env import ArchiveEnv
from tests.support.archived_tenants import ask_for_restore


def test_the_first_restore_of_each_tenant_comes_before_the_second_of_any(env: ArchiveEnv) -> None:
    many, few = env.make.tenant(), env.make.tenant()
    for tenant in (many, many, many, few):
        ask_for_restore(env, tenant)
    assert env.run(lambda_handler)["restores_done"] == 4
    done = env.superuser.execute("SELECT tenant_id FROM app.rehydrations ORDER BY finished_at").fetchall()
    assert {tenant for (tenant,) in done[:2]} == {many.id, few.id}
