"""The archive job under SIGKILL, at every step that it takes: nothing is lost, nothing is stored twice."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from psycopg import sql

from functions.archive.handler import lambda_handler
from tests.support.archive_env import TODAY, ArchiveEnv
from tests.support.archived_tenants import keep
from tests.support.factories import Tenant
from tests.support.killed_runs import runs

pytestmark = pytest.mark.timeout(400)


def test_killed_at_any_step_nothing_is_lost_and_nothing_is_there_twice(env: ArchiveEnv, tmp_path: Path) -> None:
    with runs(env, tmp_path) as processes:
        step, killed = 0, True
        while killed:
            step += 1
            due = Due(env)
            killed = processes.killed_at(step)
            assert due.is_whole(), step
            due.archive()
            assert due.is_whole(), step
            assert due.is_archived(), step
            assert env.is_in_order(), step
    assert step > 60


class Due:
    """Of two tenants: what goes with a partition, what stays when it goes, the overflow partition, and chats.

    One of them keeps failures, and the newest execution of each workflow, for longer.
    """

    def __init__(self, env: ArchiveEnv):
        self.env = env
        env.superuser.execute("SELECT app.create_partitions(%s)", (TODAY - timedelta(days=1),))
        for days in (14, 30, 60, 90, 365):  # where there is nothing to leave
            for partition, _, ends in env.partitions(days):
                if ends <= TODAY - timedelta(days=days):
                    env.superuser.execute(sql.SQL("DROP TABLE app.{}").format(sql.Identifier(partition)))
        self.tenants = [env.make.tenant(hot_ttl_days=days) for days in (7, 30)]
        keep(env, self.tenants[1], success_days=7, error_days=14, last_per_workflow=1)
        self.stay = [self.fill(tenant) for tenant in self.tenants]
        failing = env.make.workflow(self.tenants[1])
        self.stay[1].append(env.execution(self.tenants[1], failing, 7.9, status="error"))
        self.stay[1].append(env.execution(self.tenants[1], failing, 7.8))
        workflow = env.make.workflow(self.tenants[0])
        env.execution(self.tenants[0], workflow, 30, retention_class=0)
        env.session(self.tenants[0], workflow, TODAY - timedelta(days=30))
        self.rows = [env.rows(tenant) for tenant in self.tenants]
        self.chats = [env.chats(tenant) for tenant in self.tenants]

    def fill(self, tenant: Tenant) -> list[UUID]:
        workflow = self.env.make.workflow(tenant)
        for hours in range(3):
            self.env.execution(tenant, workflow, 7.8 + hours / 24, error_message=f"Line\n|'\"é {hours}")
        return [self.env.execution(tenant, workflow, 7.7, status="running", finished_at=None)]

    def archive(self) -> None:
        answer = {"state": "skipped"}
        while answer["state"] == "skipped":  # until Postgres has noticed that the killed run's connection is gone
            answer = self.env.run(lambda_handler)
        assert answer["state"] == "done"

    def is_whole(self) -> bool:
        """Each row once, hot or cold, byte for byte."""
        rows = [self.env.rows(tenant) for tenant in self.tenants]
        return (rows, [self.env.chats(tenant) for tenant in self.tenants]) == (self.rows, self.chats)

    def is_archived(self) -> bool:
        hot = [self.env.hot(tenant) for tenant in self.tenants]
        return hot == [sorted(stay) for stay in self.stay] and not any(map(self.env.sessions, self.tenants))
