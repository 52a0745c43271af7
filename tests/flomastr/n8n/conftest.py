"""A platform of its own, and n8n's API beside it: the job acts on all tenants, and tests move its time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg.rows import dict_row

from dev.services.postgres import Cluster
from functions.n8n.handler import lambda_handler as n8n
from functions.restore.handler import lambda_handler as restore
from tests.support.archive_env import ArchiveEnv, archive_env
from tests.support.connected import connected
from tests.support.events import Answer, call
from tests.support.factories import Tenant
from tests.support.n8n_api import CAPTURED, KEY, N8nApi, serving
from tests.support.n8n_capture import Json, report, stored
from tests.support.s3 import Bucket


@dataclass(frozen=True)
class PullEnv:
    platform: ArchiveEnv
    api: N8nApi

    def ask(self, tenant: Tenant, method: str, path: str = "", **request: Any) -> Answer:
        with connected(DATABASE_URL=self.platform.app_url):
            return call(n8n, method, f"/routes/n8n/instances{path}", caller=tenant.owner, **request)

    def connect(self, tenant: Tenant, name: str = "prod", **fields: Any) -> Json:
        answer = self.ask(tenant, "PUT", f"/{name}", body={"n8n_url": self.api.url, "api_key": KEY} | fields)
        assert answer.status == 200, answer.body
        return answer.json

    def tenant(self) -> Tenant:
        """Whose instance is connected."""
        tenant = self.platform.make.tenant()
        self.connect(tenant)
        return tenant

    def run(self) -> dict[str, Any]:
        with connected(RECORDING_URL=self.platform.app_url):
            return self.platform.run(restore, datetime.now(UTC))["pull"]

    def later(self) -> None:
        """As if the time until the next pull of each instance had passed."""
        self.platform.superuser.execute("UPDATE app.n8n_connections SET next_pull_at = now() - interval '3 days'")

    def again(self) -> dict[str, Any]:
        self.later()
        return self.run()

    def with_n8n_started_again(self) -> dict[str, Any]:
        self.api.is_dead = False
        return self.again()

    def state(self, tenant: Tenant) -> Json:
        cursor = self.platform.superuser.cursor(row_factory=dict_row)
        return cursor.execute("SELECT * FROM app.n8n_connections WHERE tenant_id = %s", (tenant.id,)).fetchall()[0]

    def shown(self, tenant: Tenant) -> Json:
        return self.ask(tenant, "GET", "/prod").json["pull"]

    def rows(self, tenant: Tenant) -> list[Json]:
        return stored(self.platform.superuser, tenant)

    def ids(self, tenant: Tenant) -> list[int]:
        return sorted(int(row["n8n_execution_id"]) for row in self.rows(tenant))

    def gaps(self, tenant: Tenant, **query: str) -> Json:
        answer = self.ask(tenant, "GET", "/prod/gaps", query=query)
        assert answer.status == 200, answer.body
        return answer.json


def posted(env: PullEnv) -> Tenant:
    """A tenant whose n8n has posted the captured runs itself."""
    tenant = env.platform.make.tenant()
    key = env.platform.make.api_key(tenant, scopes=["events:write"])
    with connected(DATABASE_URL=env.platform.app_url):
        for start in range(0, len(CAPTURED), 100):
            assert report(key.token(), CAPTURED[start : start + 100]).status == 202
    return tenant


@pytest.fixture(scope="module")
def platform(server: Cluster, bucket: Bucket) -> Iterator[ArchiveEnv]:
    with archive_env(server, bucket) as found, connected(WEBHOOKS_TO_LOCALHOST="yes"):
        yield found


@pytest.fixture
def env(platform: ArchiveEnv) -> Iterator[PullEnv]:
    with serving() as api:
        yield PullEnv(platform, api)
    platform.superuser.execute("DELETE FROM app.n8n_connections")
