"""`python -m dev age`: the demo's executions and chats become older, so that the archive has something to do."""

from pathlib import Path

import psycopg

from dev.console import console
from dev.samples.load_demo import TENANT
from dev.services.database import database
from dev.services.postgres import reach

AGED = """
UPDATE app.workflow_executions
SET retention_class = 0,
  id = app.uuid7(started_at - %(age)s::interval, id), started_at = started_at - %(age)s::interval,
  finished_at = finished_at - %(age)s::interval, created_at = created_at - %(age)s::interval
"""
AGED_SESSIONS = "UPDATE app.webchat_sessions SET updated_at = updated_at - %(age)s::interval"


def age(days: int, data: Path) -> None:
    """As if they had been recorded so many days earlier. They lie in the overflow partition, as late arrivals do."""
    with database(data, reach) as found, psycopg.connect(found.app_url) as connection:
        connection.execute("SELECT set_config('app.role', 'super_admin', true)")
        connection.execute(
            "SELECT set_config('app.tenant_id', (SELECT id::text FROM app.tenants WHERE slug = %s), true)", (TENANT,)
        )
        connection.execute("SELECT set_config('app.moving', 'on', true)")
        executions = connection.execute(AGED, {"age": f"{days} days"}).rowcount
        sessions = connection.execute(AGED_SESSIONS, {"age": f"{days} days"}).rowcount
    console.print(f"{executions} executions and {sessions} chats of {TENANT} are {days} days older.")
