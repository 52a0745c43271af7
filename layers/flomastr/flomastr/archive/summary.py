"""Sums up the executions of both tiers. Rehydrated copies count once."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query as QueryParameter

from flomastr.archive import manifest, reader
from flomastr.archive.history import with_fresh_manifest
from flomastr.database.session import Database
from flomastr.uuid7 import first_id_in
from flomastr.workflows.summary import Group, Summary, groups, summarize

Days = Annotated[int, QueryParameter(ge=1, le=3650)]


def summary(db: Database, workflow_id: UUID | None, days: int) -> Summary:
    """Of the executions of both tiers that started in the last days. Raises FileUnreadableError."""
    return with_fresh_manifest(db, lambda db: read_summary(db, workflow_id, days))


def read_summary(db: Database, workflow_id: UUID | None, days: int) -> Summary:
    first, since = first_id_in(-days - 1), datetime.now(UTC) - timedelta(days=days)
    hot, files = db.both(groups(workflow_id, days, copies=False), manifest.execution_files(None))
    archived = reader.groups([file for file in files if file.last_id >= first], workflow_id, since)
    return summarize([*hot, *map(Group.model_validate, archived)], days)
