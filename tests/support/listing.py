"""Lists of executions as a client reads them, page after page."""

import re
from typing import Any

from functions.executions.handler import lambda_handler as hot_handler
from functions.history.handler import lambda_handler as history_handler
from tests.support.archive_env import ArchiveEnv
from tests.support.connected import connected
from tests.support.events import Answer, call
from tests.support.factories import Tenant

HOT, HISTORY = "/routes/workflow-executions", "/routes/history/workflow-executions"
TIER = re.compile(r',"tier":"(?:hot|cold)"')
NEXT = re.compile(r'<(.+)>; rel="next"')


def ask(env: ArchiveEnv, tenant: Tenant, path: str, method: str = "GET", **request: Any) -> Answer:
    handler = history_handler if path.startswith("/routes/history") else hot_handler
    with connected(DATABASE_URL=env.app_url):
        return call(handler, method, path, caller=tenant.owner, **request)


def pages(env: ArchiveEnv, tenant: Tenant, path: str) -> list[str]:
    """The bodies of all pages, as they are sent but for `tier`."""
    bodies: list[str] = []
    following: str | None = path
    while following:
        answer = ask(env, tenant, following)
        assert answer.status == 200, answer.body
        bodies.append(TIER.sub("", answer.body))
        link = NEXT.fullmatch(answer.headers.get("link", ""))
        following = link[1] if link else None
    return bodies


def tiers(env: ArchiveEnv, tenant: Tenant, query: str = "limit=250") -> dict[str, str]:
    rows = ask(env, tenant, f"{HISTORY}?{query}").json
    return {row["id"]: row["tier"] for row in rows}
