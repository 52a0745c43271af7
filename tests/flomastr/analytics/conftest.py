"""Every test has a database of its own: jobs act on all tenants, at moments that only these tests know."""

from collections.abc import Iterator

import pytest

from dev.services.postgres import Cluster
from tests.support.archive_env import ArchiveEnv, archive_env
from tests.support.s3 import Bucket


@pytest.fixture
def env(server: Cluster, bucket: Bucket) -> Iterator[ArchiveEnv]:
    with archive_env(server, bucket) as env:
        yield env
