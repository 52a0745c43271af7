"""A world of its own for each test: a job sees all tenants, and drops what is due in all of them."""

from collections.abc import Iterator

import pytest

from dev.services.postgres import Cluster
from tests.support.archive_env import World, world_of_its_own
from tests.support.s3 import Bucket


@pytest.fixture
def world(server: Cluster, bucket: Bucket) -> Iterator[World]:
    with world_of_its_own(server, bucket) as world:
        yield world
