"""The time that is asked for, and the time that is answered."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from flomastr.http.fields import Moment, TimeZone

MOST_BUCKETS = 1000
USUAL = timedelta(days=30)
QUARTER = timedelta(minutes=15)


class Asked(BaseModel):
    """Half open. Without `from` it is 30 days before `to`, without `time_zone` the tenant's.

    Without `to` rollups by day or week tell until the end of today, so that their days are whole. All else tells until
    the end of this quarter hour, so that an answer stays the same for a while.
    """

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    from_: Moment | None = Field(None, alias="from")
    to: Moment | None = None
    time_zone: TimeZone | None = None

    def days(self) -> dict[str, Any]:
        """As asked for: app.analytics_frame knows where days end."""
        return {"from": self.from_, "to": self.to, "time_zone": self.time_zone}

    def until_now(self) -> dict[str, Any]:
        to = self.to or next_quarter(datetime.now(UTC))
        return {"from": self.from_ or to - USUAL, "to": to, "time_zone": self.time_zone}


def next_quarter(moment: datetime) -> datetime:
    """The quarter hour at or after it."""
    return moment + (datetime.min.replace(tzinfo=UTC) - moment) % QUARTER


class Frame(BaseModel):
    """What is answered: whole quarter hours, or hours of workflows. `as_of`: until when reports are counted."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    from_: datetime = Field(validation_alias="starts", serialization_alias="from")
    to: datetime = Field(validation_alias="ends")
    time_zone: str = Field(validation_alias="zone")
    as_of: datetime


# what executions themselves tell: from and to as they are asked for, up to now or half a minute ago, as long as answers
# are kept. Raises what app.analytics_frame raises
NOW_FRAME = """
  SELECT %(from)s::timestamptz AS starts, %(to)s::timestamptz AS ends, f.zone,
    date_bin('30 seconds', now(), 'epoch') AS as_of
  FROM app.analytics_frame('day', %(from)s, %(to)s, %(time_zone)s, false, %(most_buckets)s) AS f
"""
