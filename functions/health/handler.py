"""Whether the service lives, whether it is ready to serve, and for super admins what it runs on and what jobs did."""

from typing import Annotated

from flomastr import health, job_runs
from flomastr.database.session import Database
from flomastr.health import Health, Readiness, Versions
from flomastr.http.app import create_app, http_handler
from flomastr.http.dependencies import platform_db
from flomastr.job_runs import JobOverview

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


@app.get("/jobs")
async def get_jobs(db: Annotated[Database, platform_db("platform:read")]) -> list[JobOverview]:
    """The newest run of each job, and how many runs and failures the last 24 hours had."""
    return db.all(job_runs.jobs())


lambda_handler = http_handler(app)
