"""A tenant's n8n instances over HTTP."""

from typing import Annotated

from flomastr.database.session import Database
from flomastr.http.app import create_app, http_handler
from flomastr.http.dependencies import tenant_db
from flomastr.workflows import n8n_instances
from flomastr.workflows.n8n_instances import N8nInstance

app = create_app("/routes/n8n", "n8n")
Reading = Annotated[Database, tenant_db("executions:read")]


@app.get("/instances")
async def list_n8n_instances(db: Reading) -> list[N8nInstance]:
    """By name, at most 20. One whose database began anew has several epochs."""
    return db.all(n8n_instances.listed())


lambda_handler = http_handler(app)
