"""A tenant's n8n instances, how they are reached and what of them is missing, and what was rejected, over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from flomastr.database.session import Database
from flomastr.http.app import conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, tenant_db
from flomastr.http.fields import Message
from flomastr.http.paging import Page
from flomastr.n8n import gaps, instances, reach
from flomastr.n8n.gaps import AskedGaps, GapReport
from flomastr.n8n.instances import InPath, InstanceChanges, PulledInstance
from flomastr.n8n.reach import Reach
from flomastr.workflows import n8n_instances
from flomastr.workflows.n8n_events import EventResult
from flomastr.workflows.n8n_instances import Rejection

app = create_app("/routes/n8n", "n8n")
Reading = Annotated[Database, tenant_db("executions:read")]
Recording = Annotated[Database, tenant_db("executions:write")]
Connecting = Annotated[Database, tenant_db("instances:write")]


@app.get("/instances")
async def list_n8n_instances(db: Reading) -> list[PulledInstance]:
    """By name, at most 20. One whose database began anew has several epochs."""
    return db.all(instances.listed())


@app.get("/instances/{instance_name}")
async def get_n8n_instance(instance_name: InPath, db: Reading) -> PulledInstance:
    """With how it is reached, and how far it has been read."""
    return db.one(instances.get(instance_name))


@app.put("/instances/{instance_name}", responses=conflict("The instance is new, and the tenant has 20."))
async def connect_n8n_instance(instance_name: InPath, changes: InstanceChanges, db: Connecting) -> PulledInstance:
    """The address and the API key by which it is read, and who wins. What is not given stays; a new name makes one."""
    change = instances.sealed(db.one(instances.connection(instance_name)), changes)
    db.counted.one(instances.store(instance_name, change))
    return db.counted.one(instances.get(instance_name))


@app.delete("/instances/{instance_name}")
async def disconnect_n8n_instance(instance_name: InPath, db: Connecting) -> Message:
    """It is not read any more. The instance, its workflows and executions stay."""
    db.one(instances.disconnect(instance_name))
    return Message(message="The address and the key are deleted; the instance is not read any more.")


@app.post("/instances/{instance_name}/test")
async def reach_n8n_instance(instance_name: InPath, db: Connecting, key: IdempotencyKeyHeader) -> Reach:
    """Whether its API is reached with the stored key. It weighs 200 for each second that n8n takes, 1,000 at first."""
    return await reach.tested(instance_name, db)


@app.get("/instances/{instance_name}/gaps")
async def find_gaps(instance_name: InPath, asked: Annotated[AskedGaps, Query()], db: Reading) -> GapReport:
    """Ids that never arrived, between the first and the last that did: of hot executions that started in this time."""
    return db.one(gaps.report(instance_name, asked.bounds()))


@app.get("/rejected")
async def list_rejected(db: Reading, page: Page, response: Response) -> list[Rejection]:
    """Items of events of the last seven days that were rejected, newest first, at most 500 of a tenant."""
    return page.of(n8n_instances.newest_rejected(page), n8n_instances.count_rejected(), db, response)


@app.post("/rejected/{rejection_id}/replay")
async def replay_rejected(rejection_id: UUID, db: Recording, key: IdempotencyKeyHeader) -> EventResult:
    """Tries it again, as an item of an event. It goes from the list; if it is rejected again, it is there anew."""
    event = n8n_instances.event_of(db.all(n8n_instances.kept(rejection_id)))
    return n8n_instances.replayed(event, db.idempotent(n8n_instances.replay(rejection_id, event), key))


lambda_handler = http_handler(app)
