"""Recovery over HTTP: who changed what, how it was before, and for super admins what all can be restored from."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from flomastr.database.session import Database
from flomastr.drills import recovery_status
from flomastr.drills.recovery_status import RecoveryStatus
from flomastr.http.app import conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, platform_db, tenant_db, tenant_db_from_path
from flomastr.http.etags import IfNoneMatch, tagged
from flomastr.http.paging import Page
from flomastr.tenant_recovery import audit_trail, recoveries
from flomastr.tenant_recovery.audit import AuditFilter, Change
from flomastr.tenant_recovery.recoveries import ApplyRecovery, NewRecovery, Recovery, RecoveryPreview, RestorePoint

app = create_app("/routes/recovery", "recovery")
Auditing = Annotated[Database, tenant_db("recovery:read")]
Reading = Annotated[Database, tenant_db_from_path("recovery:read")]
Previewing = Annotated[Database, tenant_db_from_path("recovery:preview")]
Writing = Annotated[Database, tenant_db_from_path("recovery:write")]
IN_THE_WAY = conflict("What it writes has changed since its preview or is held, or it is in another state.")


@app.get("/audit")
async def list_changes(
    db: Auditing, matching: Annotated[AuditFilter, Query()], page: Page, response: Response
) -> list[Change]:
    """Who changed what, newest first, archived changes too; filters table, row_id, actor, action, first_at, last_at."""
    return audit_trail.page_of(db, matching, page, response)


@app.get("/status")
async def get_recovery_status(db: Annotated[Database, platform_db("platform:read")]) -> RecoveryStatus:
    """The newest backup, how far one can go back, the last drill with its RTO and RPO, and what is wrong."""
    return db.one(recovery_status.status())


@app.post("/tenants/{slug}/preview")
async def preview_recovery(
    new: NewRecovery, db: Previewing, key: IdempotencyKeyHeader, response: Response
) -> RecoveryPreview:
    """What a recovery would do, and what stands in its way. Nothing is changed."""
    return tagged(recoveries.with_token(db.idempotent(recoveries.preview(new), key)[0]), response)


@app.post("/tenants/{slug}/apply", responses=IN_THE_WAY)
async def apply_recovery(wanted: ApplyRecovery, db: Writing, key: IdempotencyKeyHeader, response: Response) -> Recovery:
    """All of a preview or nothing. One of more than 1,000 rows is pending until a job has done it."""
    return tagged(recoveries.found(db.idempotent(recoveries.apply(wanted), key)), response)


@app.get("/tenants/{slug}/recoveries")
async def list_recoveries(db: Reading, page: Page, response: Response) -> list[Recovery]:
    """Newest first, previews included."""
    return page.of(recoveries.newest(page), recoveries.count(), db, response)


@app.get("/tenants/{slug}/recoveries/{recovery_id}")
async def get_recovery(recovery_id: UUID, db: Reading, known: IfNoneMatch, response: Response) -> Recovery:
    return tagged(db.one(recoveries.get(recovery_id)), response, known)


@app.post("/tenants/{slug}/recoveries/{recovery_id}/undo", responses=IN_THE_WAY)
async def undo_recovery(recovery_id: UUID, db: Writing, key: IdempotencyKeyHeader, response: Response) -> Recovery:
    """What it wrote is as it was before, unless others have changed that since. The undoing is a recovery too."""
    return tagged(recoveries.found(db.idempotent(recoveries.undo(recovery_id), key)), response)


@app.get("/tenants/{slug}/restore-points")
async def list_restore_points(db: Reading, page: Page, response: Response) -> list[RestorePoint]:
    """Moments to which a recovery is exact: every minute, and before workflows were deleted or a recovery applied."""
    return page.of(recoveries.restore_points(page), recoveries.count_restore_points(), db, response)


lambda_handler = http_handler(app)
