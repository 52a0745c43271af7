"""A knowledge base for each test."""

from typing import Any

import psycopg
import pytest

from tests.support.embeddings_endpoint import Endpoint
from tests.support.factories import Factory
from tests.support.kb_client import KnowledgeClient, knowledge_client


@pytest.fixture
def kb(make: Factory, superuser: psycopg.Connection[Any], embeddings: Endpoint, job_url: str) -> KnowledgeClient:
    return knowledge_client(make, superuser, embeddings, job_url)
