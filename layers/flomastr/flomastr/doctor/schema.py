"""The schema: its migrations and functions, and whether executions of the next days have their partitions."""

from datetime import UTC, datetime, timedelta

from psycopg.errors import InvalidSchemaName, UndefinedTable
from psycopg.rows import class_row

from flomastr import health
from flomastr.database.connection import Connection
from flomastr.doctor.verdicts import SkippedError, Verdict, fail, ok, warn
from flomastr.health import NEEDED_MIGRATION, Versions

MIGRATE = "Run the migrations: invoke the function of the output MigrateFunctionName."
LEAST_AHEAD = timedelta(days=7)  # of the 14 days that the job makes


def migrations(conn: Connection) -> Verdict:
    """Whether the schema has what this code calls."""
    query = health.versions()
    try:
        found = conn.cursor(row_factory=class_row(Versions)).execute(query.sql, query.params).fetchall()[0]
    except (UndefinedTable, InvalidSchemaName):
        return fail("There is no schema of the platform", MIGRATE)
    if found.migration < NEEDED_MIGRATION:
        return fail(f"{found.migration or 'none'} is applied, and {NEEDED_MIGRATION} is needed", MIGRATE)
    if found.missing_functions:
        return fail(f"Functions are missing: {', '.join(found.missing_functions)}", MIGRATE)
    return ok(f"{found.migration} is applied")


def partitions(conn: Connection) -> Verdict:
    """How far ahead the partitions of each retention class reach. Raises SkippedError."""
    ((exists,),) = conn.execute("SELECT to_regprocedure('app.partitions()') IS NOT NULL").fetchall()
    if not exists:
        raise SkippedError("there is no schema of the platform")
    ends: list[datetime | None] = [
        end
        for (end,) in conn.execute(
            """
            SELECT max(p.ends) FROM app.retention_classes() AS k
            LEFT JOIN app.partitions() AS p ON p.retention_class = k.days GROUP BY k.days
            """
        ).fetchall()
    ]
    return of_partitions([end for end in ends if end], len(ends), datetime.now(UTC))


def of_partitions(ends: list[datetime], classes: int, now: datetime) -> Verdict:
    """What follows from the ends of the last partition of each class that has one."""
    cure = "Invoke partitions, and look in app.job_runs why its schedule does not."
    if len(ends) < classes or min(ends) <= now:
        return fail("A retention class has no partition for what runs now", cure)
    seen = f"they reach {(min(ends) - now).days} days ahead"
    return warn(seen, cure) if min(ends) - now < LEAST_AHEAD else ok(seen)


SCHEMA = (migrations, partitions)
