"""An explicit transaction: whole or not at all, behind the same gate, within the same deadline."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from flomastr.database import pipeline
from flomastr.database.access import AccessRequest
from flomastr.database.query import Query
from flomastr.database.session import Database, deadline_in
from flomastr.errors import ConflictError, NotFoundError, UnavailableError
from tests.support.factories import Tenant
from tests.support.failing_queries import (
    Answered,
    Superuser,
    Written,
    access,
    executed,
    failing,
    simple,
    write,
    written,
)

pytestmark = pytest.mark.usefixtures("attempts")


def test_a_transaction_sees_what_it_wrote_and_commits_it_whole(tenant: Tenant, superuser: Superuser) -> None:
    with Database(access(tenant)).transaction() as transaction:
        transaction.all(write("one"))
        assert transaction.all(Query("SELECT what FROM public.written", {}, Written)) == [Written(what="one")]
        assert written(superuser) == []
        transaction.all(write("two"))
    assert written(superuser) == ["one", "two"]


def test_a_transaction_that_fails_leaves_nothing(tenant: Tenant, superuser: Superuser) -> None:
    failures: list[tuple[type[Exception], Callable[[pipeline.Transaction], object]]] = [
        (ConflictError, lambda transaction: transaction.all(write("one"))),
        (UnavailableError, lambda transaction: transaction.all(failing("killed", times=9))),
        (ZeroDivisionError, lambda transaction: 1 / 0),
    ]
    for error, fail in failures:
        with pytest.raises(error), Database(access(tenant)).transaction() as transaction:
            transaction.all(write("one"))
            fail(transaction)
        assert written(superuser) == []
        assert executed(tenant, simple("SELECT 1 AS attempt")) == [[Answered(attempt=1)]]


def test_a_transaction_asks_at_the_gate_first(tenant: Tenant) -> None:
    stranger = AccessRequest(tenant.owner, str(uuid4()), "workflows:write")
    with pytest.raises(NotFoundError), Database(stranger).transaction():
        pytest.fail("it was let in")


def test_a_transaction_ends_at_its_deadline(tenant: Tenant) -> None:
    with pytest.raises(UnavailableError), Database(access(tenant), deadline_in(0.5)).transaction() as transaction:
        transaction.all(simple("SELECT 1 AS attempt FROM pg_sleep(3600)"))
    assert executed(tenant, simple("SELECT 2 AS attempt")) == [[Answered(attempt=2)]]
