"""A knowledge base for each test, and an endpoint that has not been asked anything yet."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.support.embeddings_endpoint import Endpoint
from tests.support.factories import Factory
from tests.support.kb_client import KnowledgeClient, knowledge_client


@pytest.fixture
def endpoint(embeddings: Endpoint) -> Iterator[Endpoint]:
    embeddings.asked.clear()
    yield embeddings


@pytest.fixture
def kb(make: Factory, superuser: psycopg.Connection[Any], endpoint: Endpoint, job_url: str) -> KnowledgeClient:
    return knowledge_client(make, superuser, endpoint, job_url)


@pytest.fixture(scope="module")
def kb_of_module(
    make: Factory, superuser: psycopg.Connection[Any], embeddings: Endpoint, job_url: str
) -> KnowledgeClient:
    """For tests that change nothing."""
    return knowledge_client(make, superuser, embeddings, job_url)
