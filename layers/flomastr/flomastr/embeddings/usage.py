"""How many tokens of its documents a tenant had embedded, day by day."""

from datetime import date

from pydantic import BaseModel

from flomastr.database.query import Query


class DailyUsage(BaseModel):
    """Of one model on one day (UTC), as the endpoint counted it."""

    day: date
    embedding_model: str
    requests: int
    chunks: int
    tokens: int


def usage(days: int) -> Query[DailyUsage]:
    """The last so many days, newest first."""
    return Query(
        """
        SELECT u.day, u.embedding_model, u.requests, u.chunks, u.tokens
        FROM app.embedding_usage AS u
        WHERE u.day > (now() AT TIME ZONE 'UTC')::date - %(days)s::integer
        ORDER BY u.day DESC, u.embedding_model
        """,
        {"days": days},
        DailyUsage,
    )
