"""Whether the service lives, whether it is ready to serve, and for super admins what it runs on."""

from typing import Annotated

from flomastr import health
from flomastr.database.session import Database
from flomastr.health import Health, Readiness, Versions
from flomastr.http.app import create_app, http_handler
from flomastr.http.dependencies import platform_db

app = create_app("/routes/health", "health")


@app.get("")
async def get_health() -> Health:
    return Health()


@app.get("/ready", responses={503: {"description": "Not ready: `detail` says why."}})
async def get_readiness() -> Readiness:
    """As it was found in the last five seconds."""
    return health.readiness()


@app.get("/versions")
async def get_versions(db: Annotated[Database, platform_db("platform:read")]) -> Versions:
    """Of the database and its schema, beside what the code needs."""
    return db.one(health.versions())


lambda_handler = http_handler(app)
