"""A recovery that cannot be applied keeps no other waiting, and ends as failed."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, LiteralString

import psycopg
import pytest

from dev.services.postgres import Cluster
from flomastr.jobs import JobFailedError
from tests.support.factories import Tenant
from tests.support.recovery_env import RecoveryEnv, recovery_env
from tests.support.s3 import Bucket

ENDS: dict[str, tuple[LiteralString, str]] = {
    "an error": (
        "RAISE EXCEPTION USING errcode = '53200', message = 'out of memory'",
        "It could not be applied in 5 attempts: out of memory",
    ),
    "the end of its backend": (
        "PERFORM pg_terminate_backend(pg_backend_pid())",
        "The run ended in each of 5 attempts.",
    ),
}


@pytest.fixture
def env(server: Cluster, bucket: Bucket) -> Iterator[RecoveryEnv]:
    with recovery_env(server, bucket) as env:
        yield env


def pending(env: RecoveryEnv, name: str) -> tuple[Tenant, str]:
    """A recovery of a workflow to this name that waits for the job."""
    tenant = env.platform.make.tenant()
    env.platform.make.workflow(tenant, name=name)
    at = env.restore_point()
    env.platform.make.within(tenant.id, "UPDATE app.workflows SET name = 'Overwritten' RETURNING 1", {})
    preview = env.preview(tenant, at=at)
    env.platform.superuser.execute(
        "UPDATE app.recoveries SET state = 'pending', applied_by = 'user:test' WHERE id = %s", (preview["id"],)
    )
    return tenant, preview["id"]


def record(env: RecoveryEnv, recovery: str) -> Any:
    statement = "SELECT state, attempts, error FROM app.recoveries WHERE id = %s"
    return env.platform.superuser.execute(statement, (recovery,)).fetchall()[0]


@pytest.mark.parametrize("end", ENDS)
def test_after_five_attempts_it_has_failed_and_the_others_are_done(env: RecoveryEnv, end: str) -> None:
    statement, reason = ENDS[end]
    (_, broken), (_, other) = pending(env, "Broken"), pending(env, "Other")
    env.platform.superuser.execute(
        "CREATE FUNCTION public.break_it() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
        f" AS $$ BEGIN {statement}; RETURN new; END $$"
    )
    env.platform.superuser.execute(
        "CREATE TRIGGER breaking BEFORE UPDATE ON app.workflows FOR EACH ROW WHEN (new.name = 'Broken')"
        " EXECUTE FUNCTION public.break_it()"
    )
    for attempt in range(1, 6):
        with pytest.raises((JobFailedError, psycopg.OperationalError)):
            env.run()
        assert record(env, broken)[1] == attempt
    assert record(env, other)[0] == "done"
    with suppress(JobFailedError):
        env.run()
    assert (record(env, broken)[0], record(env, broken)[2]) == ("failed", reason)


def test_a_lock_of_others_is_no_attempt(env: RecoveryEnv) -> None:
    tenant, recovery = pending(env, "Locked")
    with env.platform.superuser.transaction():
        env.platform.superuser.execute("SELECT FROM app.workflows WHERE tenant_id = %s FOR UPDATE", (tenant.id,))
        assert env.run()["steps_left"] == 1
    assert record(env, recovery)[:2] == ("pending", 0)
    assert env.run()["recoveries_done"] == 1
