"""A knowledge base for each test, and the bucket for uploads."""

from typing import Any

import psycopg
import pytest

from tests.support.embeddings_endpoint import Endpoint
from tests.support.factories import Factory
from tests.support.kb_client import knowledge_client
from tests.support.s3 import Bucket
from tests.support.upload_client import UploadClient


@pytest.fixture
def uploads(
    make: Factory, superuser: psycopg.Connection[Any], embeddings: Endpoint, job_url: str, bucket: Bucket
) -> UploadClient:
    return UploadClient(knowledge_client(make, superuser, embeddings, job_url), bucket.uploads)
