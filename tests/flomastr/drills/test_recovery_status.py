"""Super admins see what there is to restore from, what was measured, and what is wrong."""

from collections.abc import Iterator
from typing import Any

import pytest

from dev.services.postgres import Cluster
from flomastr.caller import Caller
from functions.drill.handler import lambda_handler as look
from functions.recovery.handler import lambda_handler
from tests.support.backup_env import BackupEnv, backup_env
from tests.support.connected import connected
from tests.support.events import Answer, Context, call
from tests.support.s3 import Bucket

DRILLS = """
INSERT INTO app.drills (
  name, started_at, restored_to, finished_at, verdict, problems,
  fork_seconds, fork_lost_seconds, restore_seconds, backup_lost_seconds
)
VALUES
  ('older', '2026-01-01Z', '2026-01-01Z', now(), 'good', '{}', 700, 30, 90, 3600),
  ('newer', '2026-01-08Z', '2026-01-08Z', now(), 'backup bad', '{"backup: tenants.copy is bad."}', 800, 20, NULL, NULL),
  ('newest', '2026-01-15Z', '2026-01-15Z', NULL, NULL, '{}', NULL, NULL, NULL, NULL)
"""
GOOD: dict[str, Any] = {
    "started_at": "2026-01-01T00:00:00Z",
    "restored_to": "2026-01-01T00:00:00Z",
    "verdict": "good",
    "problems": [],
    "point_in_time_rto_seconds": 700,
    "point_in_time_rpo_seconds": 30,
    "backup_rto_seconds": 90,
    "backup_rpo_seconds": 3600,
}


@pytest.fixture
def env(server: Cluster, bucket: Bucket) -> Iterator[BackupEnv]:
    with backup_env(server, bucket) as env:
        yield env


def ask(env: BackupEnv, caller: Caller | None) -> Answer:
    with connected(DATABASE_URL=env.app_url):
        return call(lambda_handler, "GET", "/routes/recovery/status", caller=caller)


def status(env: BackupEnv) -> dict[str, Any]:
    answer = ask(env, env.make.super_admin())
    assert answer.status == 200, answer.body
    return answer.json


def seen(env: BackupEnv) -> dict[str, Any]:
    with connected(DATABASE_URL=env.job_url):
        look({}, Context(left_ms=600_000))
    return status(env)


def test_what_nobody_has_looked_at_is_not_said_to_be_well(env: BackupEnv) -> None:
    assert status(env) == {
        "checked_at": None,
        "problems": ["Nobody has looked yet: the job drill has not run."],
        "newest_backup": None,
        "backups": 0,
        "oldest_backup_at": None,
        "restorable_from": None,
        "last_drill": None,
        "last_good_drill": None,
    }


def test_the_newest_backup_is_shown_with_its_age_and_size(env: BackupEnv) -> None:
    env.backup()
    found, manifest = seen(env), env.newest()
    assert (found["problems"], found["backups"]) == ([], 1)
    backup = found["newest_backup"]
    assert (backup["id"], backup["rows"], backup["bytes"]) == (manifest.id, manifest.rows, manifest.bytes)
    assert 0 < backup["age_seconds"] < 600
    assert found["oldest_backup_at"] == backup["taken_at"]


def test_it_grows_old_where_nobody_looks_again(env: BackupEnv) -> None:
    env.backup()
    seen(env)
    age = "UPDATE app.recovery_check SET checked_at = now() - interval"
    env.superuser.execute(f"{age} '59 minutes'".encode())
    assert status(env)["problems"] == []
    env.superuser.execute(f"{age} '61 minutes'".encode())
    assert status(env)["problems"] == ["Nobody has looked for an hour: the job drill does not run."]


def test_only_what_a_drill_has_measured_is_stated(env: BackupEnv) -> None:
    env.superuser.execute(DRILLS)
    found = status(env)
    assert found["last_good_drill"] == GOOD
    assert found["last_drill"] == {
        "started_at": "2026-01-08T00:00:00Z",
        "restored_to": "2026-01-08T00:00:00Z",
        "verdict": "backup bad",
        "problems": ["backup: tenants.copy is bad."],
        "point_in_time_rto_seconds": 800,
        "point_in_time_rpo_seconds": 20,
        "backup_rto_seconds": None,
        "backup_rpo_seconds": None,
    }


def test_nobody_but_super_admins_sees_it(env: BackupEnv) -> None:
    make = env.make
    assert [ask(env, caller).status for caller in (None, make.person(), make.tenant().owner)] == [401, 403, 403]
