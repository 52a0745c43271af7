"""The archive over HTTP: executions of both tiers, files, a preview of the archive job, rehydrations."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from flomastr.archive import history, manifest, preview, rehydrations, summary
from flomastr.archive.reader import TieredExecution
from flomastr.archive.rehydrations import NewRestore, Restore
from flomastr.database.session import Database
from flomastr.http.app import conflict, create_app, http_handler
from flomastr.http.dependencies import IdempotencyKeyHeader, tenant_db
from flomastr.http.etags import IfNoneMatch, created, tagged
from flomastr.http.paging import Page
from flomastr.workflows.executions import Matching, WithData

app = create_app("/routes/history", "history")
Reading = Annotated[Database, tenant_db("executions:read", replica=True)]
Archive = Annotated[Database, tenant_db("archive:read")]
Writing = Annotated[Database, tenant_db("archive:write")]


@app.get("/workflow-executions")
async def list_history(
    db: Reading, matching: Matching, page: Page, response: Response, include_data: WithData = False
) -> list[TieredExecution]:
    """Hot and archived, newest first; filters workflow_id, status, instance; execution_data if include_data=true."""
    return history.page_of(db, matching, page, include_data, response)


@app.get("/workflow-executions/stats/summary")
async def summarize_history(db: Reading, matching: summary.Matching, days: summary.Days = 30) -> summary.Summary:
    return summary.summary(db, matching, days)


@app.get("/workflow-executions/{execution_id}")
async def get_in_history(execution_id: UUID, db: Reading, known: IfNoneMatch, response: Response) -> TieredExecution:
    return tagged(history.get(db, execution_id), response, known)


@app.get("/statistics")
async def get_archive_statistics(db: Archive) -> list[manifest.Statistics]:
    return db.all(manifest.statistics())


@app.get("/files")
async def list_archive_files(db: Archive, page: Page, response: Response) -> list[manifest.ArchiveFile]:
    return page.of(manifest.newest(page), manifest.count(), db, response)


@app.get("/files/{file_id}/download")
async def download_archive_file(file_id: UUID, db: Archive) -> manifest.Download:
    return manifest.download(db.one(manifest.get(file_id)))


@app.get("/preview")
async def preview_archival(db: Archive, at: preview.PreviewMoment | None = None) -> preview.Preview:
    """What the archive job would do at that moment, with the rows of now."""
    return db.one(preview.preview(at))


@app.post("/restores", status_code=202, responses=conflict("The tenant has 20 open restores."))
async def create_restore(new: NewRestore, db: Writing, key: IdempotencyKeyHeader, response: Response) -> Restore:
    """Copies of archived executions are hot for some days. Restoring them again makes no second copies."""
    (restore,) = db.idempotent(rehydrations.request(db, new), key)
    return created(restore, response, f"/routes/history/restores/{restore.id}")


@app.get("/restores")
async def list_restores(db: Archive, page: Page, response: Response) -> list[Restore]:
    return page.of(rehydrations.newest(page), rehydrations.count(), db, response)


@app.get("/restores/{restore_id}")
async def get_restore(restore_id: UUID, db: Archive, known: IfNoneMatch, response: Response) -> Restore:
    return tagged(db.one(rehydrations.get(restore_id)), response, known)


lambda_handler = http_handler(app)
