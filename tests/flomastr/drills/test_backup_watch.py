"""What is wrong with backups is said in words, by somebody else than the job that takes them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dev.services.postgres import Cluster
from flomastr.drills.digitalocean import UnauthorizedError
from flomastr.recovery import backup_storage
from functions.drill.handler import lambda_handler
from tests.support.backup_env import BackupEnv, backup_env
from tests.support.connected import connected
from tests.support.digitalocean_api import SOURCE, TOKEN, Provider, serving
from tests.support.events import Context
from tests.support.s3 import Bucket

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
DRILL = """
INSERT INTO app.drills (name, restored_to, started_at, finished_at, verdict, problems)
VALUES (%s::text, now(), %s, now(), %s, %s)
"""


@pytest.fixture
def env(server: Cluster, bucket: Bucket) -> Iterator[BackupEnv]:
    """A database without a backup, and no cluster of DigitalOcean."""
    with backup_env(server, bucket) as env:
        yield env


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with serving(Provider(tmp_path, Cluster(0, 0, ""))) as found:
        yield found


def add(env: BackupEnv, taken_at: datetime, size: int = 1000) -> str:
    """A backup, as far as one sees from outside. Returns the key of its manifest."""
    id = f"{taken_at:%Y%m%dT%H%M%SZ}-0000000a"
    env.superuser.execute(
        """
        INSERT INTO app.backups (
          id, taken_at, snapshot, manifest_key, rows, bytes, text_bytes, copied_text_bytes, seconds
        )
        VALUES (%s, %s, '1:1:', '', 10, %s, 1, 1, 1)
        """,
        (id, taken_at, size),
    )
    key = f"{backup_storage.PREFIX}manifests/{id}.0.json"
    env.write(key, b"{}")
    return key


def drilled(env: BackupEnv, at: datetime, verdict: str = "good", *found: str) -> None:
    """A drill that is over. Another one begins seven days later."""
    env.superuser.execute(DRILL, (str(at), at, verdict, list(found)))


def recorded(env: BackupEnv) -> list[str]:
    return env.superuser.execute("SELECT problems FROM app.recovery_check").fetchall()[0][0]


def problems(env: BackupEnv, provider: Provider | None = None) -> list[str]:
    """What the job says that is wrong."""
    cluster = {"DIGITALOCEAN_CLUSTER": SOURCE, "DIGITALOCEAN_URL": provider.url} if provider else {}
    with connected(DATABASE_URL=env.job_url, DIGITALOCEAN_TOKEN=TOKEN, **cluster):
        lambda_handler({"time": NOW.isoformat()}, Context(left_ms=600_000))
    return recorded(env)


def test_a_backup_is_one_that_is_in_the_bucket(env: BackupEnv) -> None:
    assert problems(env) == ["There is no backup."]
    key = add(env, NOW - HOUR)
    assert problems(env) == []
    env.write(key, None)
    assert problems(env) == ["There is no backup."]


def test_a_bucket_that_cannot_be_read_is_a_problem(env: BackupEnv) -> None:
    with connected(BACKUP_BUCKET="no-such-bucket"):
        (problem,) = problems(env)
    assert problem.startswith("The bucket of backups cannot be read: ")


@pytest.mark.parametrize(
    ("age", "found"), [(26 * HOUR, []), (26 * HOUR + SECOND, ["The newest backup is 26 hours old."])]
)
def test_a_backup_is_old_after_26_hours(env: BackupEnv, age: timedelta, found: list[str]) -> None:
    add(env, NOW - age)
    assert problems(env) == found


@pytest.mark.parametrize(
    ("size", "found"),
    [(700, []), (699, ["The newest backup has 699 bytes and the one before 1,000: 30% less."])],
)
def test_a_backup_that_lost_a_third_is_told(env: BackupEnv, size: int, found: list[str]) -> None:
    add(env, NOW - DAY, 1000)
    add(env, NOW - HOUR, size)
    assert problems(env) == found


def test_backups_reach_back_as_far_as_promised(env: BackupEnv) -> None:
    first = add(env, NOW - 9 * DAY)
    oldest = add(env, NOW - 6 * DAY)
    add(env, NOW - HOUR)
    assert problems(env) == []
    env.write(first, None)
    assert problems(env) == []
    env.write(oldest, None)
    assert problems(env) == ["Backups reach back 0 days only, and 7 are promised."]


def test_the_providers_backups_are_looked_at_as_well(env: BackupEnv, provider: Provider) -> None:
    add(env, NOW - HOUR)
    drilled(env, NOW - HOUR)
    seen = {
        (): "DigitalOcean has no backup of the cluster.",
        (NOW - 6 * DAY, NOW - 27 * HOUR): "The newest backup of DigitalOcean is 27 hours old.",
        (NOW - 5 * DAY, NOW - HOUR): "DigitalOcean's backups reach back 5 days only, and 7 are promised.",
        (NOW - 6 * DAY, NOW - HOUR): None,
    }
    for backups, problem in seen.items():
        provider.backups = list(backups)
        assert problems(env, provider) == ([problem] if problem else [])
    ((restorable_from,),) = env.superuser.execute("SELECT restorable_from FROM app.recovery_check").fetchall()
    assert restorable_from == NOW - 6 * DAY


def test_a_provider_that_refuses_is_a_problem_and_other_things_are_looked_at(
    env: BackupEnv, provider: Provider
) -> None:
    provider.answers["GET"] = 403, "You are missing the required permission"
    with pytest.raises(UnauthorizedError):  # the drill cannot go on either
        problems(env, provider)
    assert recorded(env)[0] == "There is no backup."
    assert recorded(env)[1].startswith("DigitalOcean's backups are not known: UnauthorizedError: GET ")


def test_a_drill_that_failed_is_a_problem_until_one_is_good(env: BackupEnv, provider: Provider) -> None:
    provider.backups = [NOW - 6 * DAY, NOW - HOUR]
    add(env, NOW - HOUR)
    drilled(env, NOW - 2 * DAY, "backup bad", "backup: workflows.copy has other rows.")
    failed = f"The drill of {NOW - 2 * DAY:%Y-%m-%d} found backup bad: backup: workflows.copy has other rows."
    assert problems(env, provider) == [failed]
    drilled(env, NOW - DAY)
    assert problems(env, provider) == []


def test_a_drill_is_overdue_after_eight_days(env: BackupEnv, provider: Provider) -> None:
    provider.backups = [NOW - 6 * DAY, NOW - HOUR]
    add(env, NOW - HOUR)
    drilled(env, NOW - 8 * DAY - SECOND)
    drilled(env, NOW - DAY, "drill bad", "drill: LimitError")
    assert problems(env, provider)[1:] == [f"No drill has been good since {NOW - 8 * DAY - SECOND:%Y-%m-%d}."]
    env.superuser.execute("UPDATE app.drills SET started_at = started_at + interval '1 second' WHERE verdict = 'good'")
    assert len(problems(env, provider)) == 1


def test_what_is_wrong_is_counted_for_the_alarm(env: BackupEnv, capsys: pytest.CaptureFixture[str]) -> None:
    problems(env)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"RecoveryProblems"' in line]
    assert [line["RecoveryProblems"] for line in lines] == [[1.0]]
