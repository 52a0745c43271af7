"""UUIDv7: an id carries its moment, which bounds pages and lets the planner leave partitions out."""

from datetime import UTC, datetime, timedelta
from uuid import UUID


def first_id(moment: datetime) -> UUID:
    """The lowest id of a moment, as app.uuid7_floor has it."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def first_id_in(days: int) -> UUID:
    return first_id(datetime.now(UTC) + timedelta(days=days))
