"""The archive over HTTP: executions of both tiers, the files, what is due, what is to come back."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from flomastr import archive_files, history, overview, preview, restores
from flomastr.auth import OnceKey, enters
from flomastr.cold import TieredExecution
from flomastr.database import Database
from flomastr.etags import IfNoneMatch, created, tagged
from flomastr.executions import Matching, WithData
from flomastr.http import create_app, http_handler
from flomastr.overview import Days, Summary
from flomastr.paging import Page

app = create_app("/routes/history", "history")
Reading = Annotated[Database, enters("executions:read")]
Archive = Annotated[Database, enters("archive:read")]
Writing = Annotated[Database, enters("archive:write")]


@app.get("/workflow-executions")
async def list_history(
    db: Reading, matching: Matching, page: Page, response: Response, include_data: WithData = False
) -> list[TieredExecution]:
    """Hot and archived, newest first; filters workflow_id, status; with execution_data if include_data=true."""
    return history.page_of(db, matching, page, include_data, response)


@app.get("/workflow-executions/stats/summary")
async def summarize_history(db: Reading, workflow_id: UUID | None = None, days: Days = 30) -> Summary:
    return overview.summary(db, workflow_id, days)


@app.get("/workflow-executions/{execution_id}")
async def get_in_history(execution_id: UUID, db: Reading, known: IfNoneMatch, response: Response) -> TieredExecution:
    return tagged(history.get(db, execution_id), response, known)


@app.get("/statistics")
async def get_archive_statistics(db: Archive) -> list[archive_files.Statistics]:
    return db.all(archive_files.statistics())


@app.get("/files")
async def list_archive_files(db: Archive, page: Page, response: Response) -> list[archive_files.ArchiveFile]:
    return page.of(archive_files.newest(page), archive_files.count(), db, response)


@app.get("/files/{file_id}/download")
async def download_archive_file(file_id: UUID, db: Archive) -> archive_files.Download:
    return archive_files.download(db.one(archive_files.get(file_id)))


@app.get("/preview")
async def preview_archival(db: Archive, at: preview.PreviewMoment | None = None) -> preview.Preview:
    """What the archive job would do at that moment, with the rows of now."""
    return db.one(preview.preview(at))


@app.post("/restores", status_code=202)
async def create_restore(new: restores.NewRestore, db: Writing, key: OnceKey, response: Response) -> restores.Restore:
    """Copies of archived executions are hot for some days. Restoring them again makes no second copies."""
    (restore,) = db.within(new.tenant_id).once(restores.request(new), key)
    return created(restore, response, f"/routes/history/restores/{restore.id}")


@app.get("/restores")
async def list_restores(db: Archive, page: Page, response: Response) -> list[restores.Restore]:
    return page.of(restores.newest(page), restores.count(), db, response)


@app.get("/restores/{restore_id}")
async def get_restore(restore_id: UUID, db: Archive, known: IfNoneMatch, response: Response) -> restores.Restore:
    return tagged(db.one(restores.get(restore_id)), response, known)


lambda_handler = http_handler(app)
