"""Sums up the executions of both tiers. Rehydrated copies count once."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Query as QueryParameter

from flomastr.archive import manifest, reader
from flomastr.archive.history import both_tiers, with_fresh_manifest
from flomastr.database.session import Database
from flomastr.uuid7 import first_id_in
from flomastr.workflows.executions import Filter
from flomastr.workflows.summary import Asked, Group, Summary, groups, summarize
from flomastr.workflows.summary import Matching as Matching

Days = Annotated[int, QueryParameter(ge=1, le=3650)]


def summary(db: Database, asked: Asked, days: int) -> Summary:
    """Of the executions of both tiers that started in the last days. Raises FileUnreadableError."""
    return with_fresh_manifest(db, lambda db: read_summary(db, asked, days))


def read_summary(db: Database, asked: Asked, days: int) -> Summary:
    first, since = first_id_in(-days - 1), datetime.now(UTC) - timedelta(days=days)
    matching = Filter(workflow_id=asked.workflow_id, instance=asked.instance)
    hot, files, wanted = both_tiers(db, groups(asked, days, copies=False), manifest.execution_files(None), matching)
    archived = reader.groups([file for file in files if file.last_id >= first], wanted, since)
    return summarize([*hot, *map(Group.model_validate, archived)], days)
