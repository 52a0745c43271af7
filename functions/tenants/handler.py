"""Tenants and their policies over HTTP."""

from typing import Annotated

from fastapi import Query, Response

from flomastr.database.session import Database
from flomastr.http.app import HELD, conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, my_db, platform_db, tenant_db_from_path
from flomastr.http.etags import IfMatch, IfNoneMatch, created, tagged
from flomastr.http.fields import Message
from flomastr.http.paging import Page
from flomastr.tenancy import policies, tenants
from flomastr.tenancy.policies import Policies, PolicyChanges
from flomastr.tenancy.tenants import Filter, NewTenant, Tenant, TenantChanges

app = create_app("/routes/tenants", "tenants")
Reading = Annotated[Database, tenant_db_from_path("tenant:read")]
Writing = Annotated[Database, tenant_db_from_path("tenant:write")]
Deleting = Annotated[Database, tenant_db_from_path("tenant:delete")]
Listing = Annotated[Database, my_db("me:read")]
Creating = Annotated[Database, platform_db("platform:write")]


@app.post("", status_code=201, responses=conflict("The slug is taken."))
async def create_tenant(new: NewTenant, db: Creating, key: IdempotencyKeyHeader, response: Response) -> Tenant:
    (tenant,) = db.idempotent(tenants.create(new), key)
    return created(tenant, response, f"/routes/tenants/{tenant.slug}")


@app.get("")
async def list_tenants(
    db: Listing, matching: Annotated[Filter, Query()], page: Page, response: Response
) -> list[Tenant]:
    """The own ones; super admins see all, and with deleted=true the deleted ones."""
    return page.of(tenants.newest(matching, page), tenants.count(matching), db, response)


@app.get("/{slug}")
async def get_tenant(db: Reading, known: IfNoneMatch, response: Response) -> Tenant:
    return tagged(db.one(tenants.get()), response, known)


@app.put("/{slug}", responses=conflict(HELD))
async def update_tenant(changes: TenantChanges, db: Writing, if_match: IfMatch, response: Response) -> Tenant:
    return tagged(db.one(tenants.update(changes, if_match)), response)


@app.delete("/{slug}")
async def delete_tenant(db: Deleting, if_match: IfMatch) -> Message:
    """A soft delete: a super admin can undelete it."""
    db.one(tenants.delete(if_match))
    return Message(message="The tenant is deleted. A super admin can undelete it.")


@app.get("/{slug}/policies")
async def get_policies(db: Reading, known: IfNoneMatch, response: Response) -> Policies:
    return tagged(db.one(policies.get()), response, known)


@app.put("/{slug}/policies")
async def update_policies(changes: PolicyChanges, db: Writing, if_match: IfMatch, response: Response) -> Policies:
    return tagged(db.one(policies.update(changes, if_match)), response)


lambda_handler = http_handler(app)
