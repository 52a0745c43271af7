"""UUIDv7: an id carries its moment, so that a bound of ids lets the planner skip partitions."""

from datetime import UTC, datetime, timedelta
from uuid import UUID


def first_id_in(days: int) -> UUID:
    """The lowest id of the moment so many days from now, as app.uuid7_floor has it."""
    moment = datetime.now(UTC) + timedelta(days=days)
    return UUID(int=int(moment.timestamp() * 1000) << 80)
