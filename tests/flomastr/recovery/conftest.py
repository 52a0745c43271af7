from collections.abc import Iterator

import psycopg
import pytest

from dev.services.postgres import Cluster
from tests.support.backup_env import BackupEnv, backup_env
from tests.support.connected import connected
from tests.support.databases import copy
from tests.support.factories import Factory
from tests.support.full_tenant import full_tenant
from tests.support.s3 import Bucket


@pytest.fixture(scope="session")
def furnished(server: Cluster) -> Iterator[str]:
    """A database that tests copy: two tenants with a row in every table, and executions in each kind of partition."""
    with copy(server) as name:
        with (
            connected(DATABASE_URL=server.url("flo_app", name)),
            psycopg.connect(server.url("flo_app", name), autocommit=True) as conn,
        ):
            make = Factory(conn)
            for _ in range(2):
                tenant = full_tenant(make)
                workflow = make.workflow(tenant)
                for number in range(3):
                    make.execution(tenant, workflow, n8n_execution_id=f"e{number}", error_message="a\tb\\c\nd\re")
        yield name


@pytest.fixture
def env(server: Cluster, bucket: Bucket, furnished: str) -> Iterator[BackupEnv]:
    """A copy of it and a bucket with no backup."""
    with backup_env(server, bucket, furnished) as env:
        yield env
