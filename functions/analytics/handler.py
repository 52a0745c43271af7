"""Analytics over HTTP: executions over time and workflows from rollups, failures and nodes from executions, storage."""

from typing import Annotated

from flomastr.analytics import executions, failures, nodes, storage, workflows
from flomastr.analytics.answers import CSV, Answer
from flomastr.analytics.executions import Matching, Series
from flomastr.analytics.failures import FailureGroups
from flomastr.analytics.nodes import NodeStatistics
from flomastr.analytics.storage import PlatformStorage, Storage
from flomastr.analytics.workflows import WorkflowRanking
from flomastr.database.session import Database
from flomastr.http.app import create_app, http_handler
from flomastr.http.dependencies import platform_db, tenant_db

app = create_app("/routes/analytics", "analytics")
Reading = Annotated[Database, tenant_db("executions:read", replica=True)]


@app.get("/executions", responses=CSV)
async def analyze_executions(db: Reading, matching: Matching, answer: Answer) -> Series:
    """A series of buckets (hour, day or week) by workflow, status or mode, and the totals."""
    series = executions.series(db, matching)
    return answer(series, series.series)


@app.get("/workflows", responses=CSV)
async def analyze_workflows(db: Reading, matching: workflows.Matching, answer: Answer) -> WorkflowRanking:
    """Workflows side by side: each with the period before and a sparkline."""
    found = workflows.workflows(db, matching)
    return answer(found, found.workflows)


@app.get("/errors", responses=CSV)
async def analyze_errors(db: Reading, matching: failures.Matching, answer: Answer) -> FailureGroups:
    """The newest failures by message, without ids, numbers, times, URLs and addresses."""
    found = failures.failures(db, matching)
    return answer(found, found.errors)


@app.get("/nodes", responses=CSV)
async def analyze_nodes(db: Reading, matching: nodes.Matching, answer: Answer) -> NodeStatistics:
    """The nodes of a workflow, from the data of its newest executions."""
    found = nodes.nodes(db, matching)
    return answer(found, found.nodes)


@app.get("/storage", responses=CSV)
async def analyze_storage(db: Reading, matching: storage.Matching, answer: Answer) -> Storage:
    """What is kept hot and archived, by kind, and how it grows, as it was measured last."""
    found = storage.storage(db, matching)
    return answer(found, found.kinds)


@app.get("/storage/tenants", responses=CSV)
async def analyze_storage_of_tenants(
    db: Annotated[Database, platform_db("platform:read")], matching: storage.PlatformMatching, answer: Answer
) -> PlatformStorage:
    """The same of all tenants, the largest first, or by growth, rows, vectors or the time until a limit."""
    found = storage.platform_storage(db, matching)
    return answer(found, found.rows())


lambda_handler = http_handler(app)
