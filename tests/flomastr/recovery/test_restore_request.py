"""What an operator asks of `restore_backup`, with `migrate` before and after it."""

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from dev.services.postgres import Cluster
from flomastr.recovery.restore import RefusedError
from functions.restore_backup.handler import lambda_handler as restore_backup
from schema.migrate import lambda_handler as migrate
from tests.support.backup_env import BackupEnv, named, unnamed_env
from tests.support.events import Context
from tests.support.s3 import Bucket


@pytest.fixture(scope="module")
def backed_up(server: Cluster, bucket: Bucket, furnished: str) -> Iterator[BackupEnv]:
    with unnamed_env(server, bucket, furnished) as env, named(env.bucket):
        env.backup()
        yield env


def test_a_backup_is_verified_and_then_restored_into_the_database_whose_secret_is_named(backed_up: BackupEnv) -> None:
    manifest = backed_up.newest()
    verified = restore_backup({"from": "latest"}, Context())
    assert verified == {
        "backup": manifest.id, "migration": max(manifest.migrations), "rows": manifest.rows, "problems": [],
        "restored": None,
    }  # fmt: skip
    with backed_up.empty() as url:
        assert migrate({"secret": url, "last": verified["migration"]}, None) == {"applied": []}
        restored = restore_backup({"from": verified["backup"], "secret": url}, Context())["restored"]
        migrate({"secret": url}, None)
        assert restored["rows"] == manifest.rows
        with pytest.raises(RefusedError, match="in use"):
            restore_backup({"from": verified["backup"], "secret": url}, Context())


def test_what_is_misspelt_restores_nothing(backed_up: BackupEnv) -> None:
    with pytest.raises(ValidationError):
        restore_backup({"from": "latest", "secert": "x"}, Context())
