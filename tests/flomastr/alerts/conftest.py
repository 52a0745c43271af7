"""Alerts of a platform of their own: the job acts on all tenants, and tests move its time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from dev.services.postgres import Cluster
from functions.alert.handler import lambda_handler as alert
from functions.alerts.handler import lambda_handler as alerts
from functions.rollup.handler import lambda_handler as rollup
from tests.support.archive_env import ArchiveEnv, archive_env
from tests.support.connected import connected
from tests.support.events import Answer, call
from tests.support.factories import Tenant
from tests.support.s3 import Bucket
from tests.support.webhook_receiver import Receiver, receiving

FAILURES: dict[str, Any] = {"name": "Failures", "kind": "failure_rate", "minutes": 60, "threshold": 10}


@dataclass(frozen=True)
class AlertEnv:
    platform: ArchiveEnv
    receiver: Receiver

    def ask(self, tenant: Tenant, method: str, path: str = "", **request: Any) -> Answer:
        with connected(DATABASE_URL=self.platform.app_url):
            return call(alerts, method, f"/routes/alerts{path}", caller=tenant.owner, **request)

    def set(self, tenant: Tenant, **fields: Any) -> dict[str, Any]:
        answer = self.ask(tenant, "POST", body=FAILURES | {"url": self.receiver.url} | fields)
        assert answer.status == 201, answer.body
        return answer.json

    def history(self, tenant: Tenant, alert: dict[str, Any]) -> list[dict[str, Any]]:
        return self.ask(tenant, "GET", f"/{alert['id']}/history").json

    def execution(self, tenant: Tenant, workflow: UUID, minutes: float, status: str = "success", **more: Any) -> UUID:
        """Started so many minutes ago, and took a second."""
        start = datetime.now(UTC) - timedelta(minutes=minutes)
        row: dict[str, Any] = {"status": status, "started_at": start.isoformat()}
        row |= {"finished_at": (start + timedelta(seconds=1)).isoformat(), "execution_data": {"mode": "webhook"}}
        return self.platform.make.execution(tenant, workflow, **row | more)

    def fold(self) -> None:
        self.platform.run(rollup)

    def run(self) -> dict[str, Any]:
        return self.platform.run(alert)

    def evaluated(self) -> dict[str, Any]:
        """What the job did after what was reported is counted."""
        self.fold()
        return self.run()

    def later(self, **by: float) -> None:
        """As if all that was tried had been that much earlier."""
        self.platform.superuser.execute(
            "UPDATE app.alert_events SET occurred_at = occurred_at - %(by)s, next_attempt_at = next_attempt_at - %(by)s"
            " WHERE delivery = 'pending'",
            {"by": timedelta(**by)},
        )


@pytest.fixture(scope="module")
def platform(server: Cluster, bucket: Bucket) -> Iterator[ArchiveEnv]:
    with archive_env(server, bucket) as found, connected(WEBHOOKS_TO_LOCALHOST="yes"):
        yield found


@pytest.fixture
def env(platform: ArchiveEnv) -> Iterator[AlertEnv]:
    with receiving() as receiver:
        yield AlertEnv(platform, receiver)
    platform.superuser.execute("DELETE FROM app.alerts")
