"""Whether the service lives, and whether it is ready to serve."""

from flomastr import health
from flomastr.health import Health, Readiness
from flomastr.http.app import create_app, http_handler

app = create_app("/routes/health", "health")


@app.get("")
async def get_health() -> Health:
    return Health()


@app.get("/ready", responses={503: {"description": "Not ready: `detail` says why."}})
async def get_readiness() -> Readiness:
    return health.readiness()


lambda_handler = http_handler(app)
