"""Provisioning, suspension, deletion and undeletion of tenants over HTTP, for super admins."""

from typing import Annotated

from fastapi import Path, Response

from flomastr.database.session import Database
from flomastr.http.app import conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, platform_db
from flomastr.http.fields import TenantName
from flomastr.tenancy import lifecycle
from flomastr.tenancy.lifecycle import ChangedTenant, HardDelete, Provision, Provisioned, StateChange, TenantState

app = create_app("/routes", "lifecycle")
Reading = Annotated[Database, platform_db("platform:read")]
Writing = Annotated[Database, platform_db("platform:write")]
WRONG_STATE = conflict("The tenant is in another state.")


@app.post("/suspend", responses=WRONG_STATE)
async def suspend_tenant(body: StateChange, db: Writing, key: IdempotencyKeyHeader) -> ChangedTenant:
    return db.idempotent(lifecycle.change("suspend", body.tenant_id, body.reason), key)[0]


@app.post("/reactivate", responses=WRONG_STATE)
async def reactivate_tenant(body: StateChange, db: Writing, key: IdempotencyKeyHeader) -> ChangedTenant:
    return db.idempotent(lifecycle.change("reactivate", body.tenant_id, body.reason), key)[0]


@app.post("/soft-delete", responses=WRONG_STATE)
async def soft_delete_tenant(body: StateChange, db: Writing, key: IdempotencyKeyHeader) -> ChangedTenant:
    return db.idempotent(lifecycle.change("soft_delete", body.tenant_id, body.reason), key)[0]


@app.post("/undelete", responses=WRONG_STATE)
async def undelete_tenant(body: StateChange, db: Writing, key: IdempotencyKeyHeader) -> ChangedTenant:
    """Of a soft-deleted tenant. It is then in the state that it had before."""
    return db.idempotent(lifecycle.change("restore", body.tenant_id, body.reason), key)[0]


@app.post("/restore", responses=WRONG_STATE, deprecated=True)
async def restore_tenant(body: StateChange, db: Writing, key: IdempotencyKeyHeader) -> ChangedTenant:
    """The old name of /routes/undelete."""
    return await undelete_tenant(body, db, key)


@app.post("/hard-delete", responses=conflict("The tenant is in another state, or under a legal hold."))
async def hard_delete_tenant(body: HardDelete, db: Writing, key: IdempotencyKeyHeader) -> ChangedTenant:
    """For ever, of a deleted tenant, when its slug is typed back. `GET /routes/erasures` says when all is gone."""
    return db.idempotent(lifecycle.change("hard_delete", body.tenant_id, body.reason, body.confirm), key)[0]


@app.get("/status/{tenant_id}")
async def get_tenant_status(tenant_id: Annotated[TenantName, Path()], db: Reading) -> TenantState:
    """With what was done to it, by whom and why."""
    return db.one(lifecycle.status(tenant_id))


@app.post("/api/v1/admin/tenants/provision", status_code=201, responses=conflict("The slug is taken."))
async def provision_tenant(new: Provision, db: Writing, key: IdempotencyKeyHeader, response: Response) -> Provisioned:
    """The tenant and its owner, at once or not at all."""
    (provisioned,) = db.idempotent(lifecycle.provision(new), key)
    response.headers["Location"] = f"/routes/tenants/{provisioned.tenant_slug}"
    return provisioned


lambda_handler = http_handler(app)
