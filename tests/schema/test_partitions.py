"""Partitions of executions by retention class and time, as app.create_partitions makes them, and ids with a time."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import CheckViolation
from psycopg.rows import scalar_row

from dev.services.postgres import Cluster
from functions.partitions.handler import lambda_handler
from tests.support.events import Context
from tests.support.factories import Factory

type Connection = psycopg.Connection[Any]

CLASSES = {7: 1, 14: 1, 30: 7, 60: 7, 90: 7, 365: 30}  # days kept: days in a partition
MILLISECOND = timedelta(milliseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PREFIX = "workflow_executions_c"


@pytest.fixture
def job(server: Cluster, database: str) -> Iterator[Connection]:
    """flo_job, which makes partitions, in another time zone, in a transaction that is rolled back."""
    with psycopg.connect(server.url("flo_job", database), options="-c timezone=Pacific/Auckland") as conn:
        yield conn
        conn.rollback()


def partitions(conn: Connection) -> set[str]:
    return set(
        conn.cursor(row_factory=scalar_row)
        .execute("SELECT relid::text FROM pg_partition_tree('app.workflow_executions') WHERE isleaf")
        .fetchall()
    )


def keep_ready(conn: Connection, moment: datetime) -> int:
    row = conn.execute("SELECT app.create_partitions(%s)", (moment,)).fetchone()
    assert row
    return row[0]


def first_day(today: int, days: int) -> int:
    return (today - days) // CLASSES[days] * CLASSES[days]


def expected(first: int, last: int) -> set[str]:
    """The partitions that these days have needed: each class, from the first's window to a fortnight after the last."""
    return {"app.workflow_executions_overflow"} | {
        f"app.{PREFIX}{days}_{EPOCH + timedelta(days=day):%Y%m%d}"
        for days, width_days in CLASSES.items()
        for day in range(first_day(first, days), last + 15, width_days)
    }


def today_of(conn: Connection) -> int:
    row = conn.execute("SELECT floor(extract(EPOCH FROM now()) / 86400)::integer").fetchone()
    assert row
    return row[0]


def test_migrating_makes_one_overflow_partition_and_the_partitions_of_the_window_for_each_class_and_no_default(
    job: Connection,
) -> None:
    today = today_of(job)
    assert partitions(job) == expected(today, today)
    defaults = job.execute("SELECT partrelid::regclass::text FROM pg_partitioned_table WHERE partdefid <> 0").fetchall()
    assert defaults == [("app.row_history",)]


@pytest.mark.parametrize("days", [1, 7, 45])
def test_later_exactly_the_missing_partitions_are_made_and_only_once(job: Connection, days: int) -> None:
    before, today = partitions(job), today_of(job)
    made = keep_ready(job, datetime.now(UTC) + timedelta(days=days))
    assert partitions(job) == expected(today, today + days)
    assert made == len(partitions(job)) - len(before) > 0
    assert keep_ready(job, datetime.now(UTC) + timedelta(days=days)) == 0
    assert keep_ready(job, datetime.now(UTC)) == 0


def test_partitions_can_be_made_beyond_2038(superuser: Connection) -> None:
    moment = datetime(2039, 1, 1, tzinfo=UTC)
    day = (moment - EPOCH).days
    with superuser.transaction(force_rollback=True):
        for partition in partitions(superuser) - {"app.workflow_executions_overflow"}:
            superuser.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(*partition.split("."))))
        keep_ready(superuser, moment)
        assert partitions(superuser) == expected(day, day)


def test_every_moment_has_its_partition_after_a_long_time_without_the_schedule(
    make: Factory, superuser: Connection
) -> None:
    tenant = make.tenant(hot_ttl_days=7)
    workflow = make.workflow(tenant)
    with superuser.transaction(force_rollback=True):
        later = datetime.now(UTC) + timedelta(days=60)
        keep_ready(superuser, later)
        superuser.execute("SET LOCAL ROLE flo_app")
        for days in range(0, 75, 4):
            Factory(superuser).execution(tenant, workflow, started_at=(later + timedelta(days=14 - days)).isoformat())


def test_two_at_once_make_each_partition_once(server: Cluster, scratch: str) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)  # a few partitions: who waits for longer than two seconds gives up
    together = threading.Barrier(3)

    def run() -> int:
        with psycopg.connect(server.url("flo_job", scratch), autocommit=True) as conn:
            together.wait()
            return keep_ready(conn, tomorrow)

    with ThreadPoolExecutor(3) as threads:
        made = sorted(future.result() for future in [threads.submit(run) for _ in range(3)])
    assert made[:2] == [0, 0] and made[2] >= 2


def test_it_does_not_wait_for_executions_that_are_being_written(make: Factory, job: Connection) -> None:
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    with make.conn.transaction():
        make.execution(tenant, workflow)  # and the transaction stays open
        job.execute("SET lock_timeout = '100ms'")
        assert keep_ready(job, datetime.now(UTC) + timedelta(days=3)) > 0


@pytest.mark.usefixtures("as_job")
def test_the_scheduled_function_finds_all_ready() -> None:
    answer = lambda_handler({}, Context(left_ms=600_000))  # pyright: ignore[reportArgumentType]
    assert (answer["state"], answer["partitions_made"]) == ("done", 0)


def lies_in(superuser: Connection, execution: UUID) -> str:
    row = superuser.execute(
        "SELECT tableoid::regclass::text FROM app.workflow_executions WHERE id = %s", (execution,)
    ).fetchone()
    assert row
    return row[0].removeprefix("app.workflow_executions_")


@pytest.mark.parametrize(
    ("ttl", "days"),
    [
        (1, 7),
        (7, 7),
        (8, 14),
        (14, 14),
        (15, 30),
        (30, 30),
        (31, 60),
        (60, 60),
        (61, 90),
        (90, 90),
        (91, 365),
        (365, 365),
    ],
)
def test_a_tenants_days_round_up_to_a_class_and_its_rows_lie_where_their_start_says(
    make: Factory, superuser: Connection, ttl: int, days: int
) -> None:
    tenant = make.tenant(hot_ttl_days=ttl)
    workflow = make.workflow(tenant)
    first = EPOCH + timedelta(days=first_day(today_of(make.conn), days))
    second = first + timedelta(days=CLASSES[days])
    past = datetime.now(UTC) - timedelta(days=days)
    belongs_to = {
        past - timedelta(days=9999): "overflow",
        past: "overflow",  # by a moment, when it is recorded
        past + timedelta(minutes=1): partition_of(days, past + timedelta(minutes=1)),
        second - MILLISECOND: partition_of(days, first),
        second - timedelta(microseconds=1): partition_of(days, first),
        second: partition_of(days, second),
    }
    ids = {moment: make.execution(tenant, workflow, started_at=moment.isoformat()) for moment in belongs_to}
    assert {moment: lies_in(superuser, id) for moment, id in ids.items()} == belongs_to


def partition_of(days: int, moment: datetime) -> str:
    day = (moment - EPOCH).days // CLASSES[days] * CLASSES[days]
    return f"c{days}_{EPOCH + timedelta(days=day):%Y%m%d}"


@pytest.mark.parametrize("days", CLASSES)
def test_an_execution_belongs_to_the_overflow_partition_from_the_millisecond_that_it_is_past_its_class(
    make: Factory, days: int
) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    for late, belongs_to in {-MILLISECOND: days, timedelta(0): days, MILLISECOND: 0}.items():
        id = uuid7(make.conn, moment - timedelta(days=days) - late, UUID(int=0))
        row = make.conn.execute("SELECT app.retention_class_for(%s, %s::smallint, %s)", (id, days, moment)).fetchone()
        assert row == (belongs_to,)


@pytest.mark.parametrize("ttl", [0, 366, -1])
def test_no_tenant_keeps_for_less_than_a_day_or_more_than_a_year(make: Factory, ttl: int) -> None:
    with pytest.raises(CheckViolation):
        make.tenant(hot_ttl_days=ttl)


def uuid7(conn: Connection, moment: datetime, entropy: UUID | None = None) -> UUID:
    row = conn.execute("SELECT app.uuid7(%s, %s)", (moment, entropy or uuid4())).fetchone()
    assert row
    return row[0]


@pytest.mark.parametrize("entropy", [UUID(int=0), UUID(int=2**128 - 1), None])
def test_an_id_is_a_uuid_of_version_7_that_contains_its_millisecond(make: Factory, entropy: UUID | None) -> None:
    for moment in (EPOCH, datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), datetime(9999, 1, 1, tzinfo=UTC)):
        id = uuid7(make.conn, moment, entropy)
        assert (id.version, id.variant) == (7, "specified in RFC 4122")
        assert id.int >> 80 == (moment - EPOCH) // MILLISECOND


def test_ids_are_ordered_as_their_moments_and_bounded_by_the_floors(make: Factory) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    lowest, highest = UUID(int=0), UUID(int=2**128 - 1)
    before = uuid7(make.conn, moment - MILLISECOND, highest)
    row = make.conn.execute(
        "SELECT app.uuid7_floor(%s), app.uuid7_floor(%s)", (moment, moment + MILLISECOND)
    ).fetchone()
    assert row
    assert before < row[0] < uuid7(make.conn, moment, lowest) < uuid7(make.conn, moment, highest) < row[1]


def test_one_delivery_makes_one_id_wherever_it_arrives_and_no_other_delivery_makes_it(make: Factory) -> None:
    tenant, other = make.tenant(), make.tenant()
    workflow, others = make.workflow(tenant), make.workflow(other)
    start = (datetime.now(UTC) - timedelta(hours=1)).isoformat()

    def made(**overrides: Any) -> UUID:
        row: dict[str, Any] = {"n8n_execution_id": "1", "started_at": start, "tenant": tenant, "workflow": workflow}
        with make.conn.transaction(force_rollback=True):
            return make.execution(**row | overrides)

    assert made() == made() == made(status="running")
    different = [made(), made(n8n_execution_id="2"), made(n8n_execution_id=None), made(n8n_execution_id=None)]
    assert len({*different, made(tenant=other, workflow=others), made(started_at=None)}) == 6
