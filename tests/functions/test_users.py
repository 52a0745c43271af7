"""Global roles over HTTP: by e-mail in one spelling, given by somebody, and never without a super admin."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from threading import Barrier
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from dev.services.postgres import Cluster
from flomastr.caller import Caller
from functions.tenants.handler import lambda_handler as tenants
from functions.users.handler import lambda_handler
from tests.support.clock import until
from tests.support.connected import connected
from tests.support.databases import copy
from tests.support.events import Answer, call
from tests.support.factories import Factory
from tests.support.problems import refused


def ask(caller: Caller, method: str, path: str = "", **request: Any) -> Answer:
    return call(lambda_handler, method, f"/routes/users{path}", caller=caller, **request)


def is_super_admin(caller: Caller) -> bool:
    return call(lambda_handler, "GET", "/routes/me/role", caller=caller).json["is_super_admin"]


@pytest.fixture
def platform(server: Cluster) -> Iterator[Factory]:
    """A database of its own, since in the others tests make super admins."""
    with copy(server) as name:
        url = server.url("flo_app", name)
        with connected(DATABASE_URL=url), psycopg.connect(url, autocommit=True) as conn:
            yield Factory(conn)


def test_a_role_is_given_read_changed_and_taken(make: Factory) -> None:
    admin, other, person = make.super_admin(), make.super_admin(), make.person()
    given = ask(admin, "POST", body={"email": person.email, "role": "admin"})
    assert given.status == 201
    path = given.headers["location"].removeprefix("/routes/users")
    assert given.json.items() >= {"email": person.email, "role": "admin", "assigned_by": admin.email}.items()
    assert (given.json["assigned_at"], given.json["updated_at"]) == (given.json["created_at"], None)
    assert (ask(admin, "GET", path).json, path) == (given.json, f"/{given.json['id']}")
    changed = ask(other, "PUT", path, body={"role": "super_admin"}).json
    assert changed == given.json | {
        "role": "super_admin",
        "assigned_by": other.email,
        "updated_at": changed["updated_at"],
    }
    assert is_super_admin(person)
    assert ask(admin, "DELETE", path).status == 200
    assert not is_super_admin(person)
    assert [ask(admin, method, path).status for method in ("GET", "DELETE")] == [404, 404]


def test_somebody_without_further_word_is_a_user(make: Factory) -> None:
    assert ask(make.super_admin(), "POST", body={"email": make.person().email}).json["role"] == "user"


def test_an_address_is_one_person_however_it_is_written(make: Factory) -> None:
    admin, person = make.super_admin(), make.person()
    loud = str(person.email).upper()
    assert ask(admin, "POST", body={"email": loud, "role": "super_admin"}).json["email"] == person.email
    again = ask(admin, "POST", body={"email": person.email, "role": "user"})
    assert (again.status, again.json["detail"]) == (409, "body.email: this person has a role already.")
    assert is_super_admin(Caller(user_id="another-subject", email=loud))
    assert not is_super_admin(Caller(user_id=person.user_id))


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("email", ["", "x", "@", "a@", "@b", "a@b@c", "a b@c", "ä@b.c", "a@b\n", None, 7]),
        ("role", ["owner", "root", "", "Super_Admin", None]),
        ("assigned_by", ["me@x.y"]),
        ("user_id", ["x"]),
    ],
)
def test_a_role_that_cannot_be_given_is_reported_by_field(make: Factory, field: str, values: list[Any]) -> None:
    admin = make.super_admin()
    for value in values:
        refused(ask(admin, "POST", body={"email": "a@b.c", field: value}), 422, f"body.{field}")


def test_an_address_stays_with_its_role(make: Factory) -> None:
    admin = make.super_admin()
    given = ask(admin, "POST", body={"email": make.person().email})
    path = f"/{given.json['id']}"
    refused(ask(admin, "PUT", path, body={"role": "admin", "email": "a@b.c"}), 422, "body.email")
    refused(ask(admin, "PUT", path, body={"role": None}), 422, "body.role")
    refused(ask(admin, "GET", "/not-an-id"), 422, "path.user_role_id")
    assert ask(admin, "GET", f"/{uuid4()}").status == 404
    assert ask(admin, "GET", path).json == given.json


def test_a_role_is_changed_in_the_state_that_was_read_and_in_no_other(make: Factory) -> None:
    admin = make.super_admin()
    given = ask(admin, "POST", body={"email": make.person().email})
    path, tag = f"/{given.json['id']}", {"if-match": given.headers["etag"]}
    assert ask(admin, "GET", path, headers={"if-none-match": given.headers["etag"]}).status == 304
    assert ask(admin, "PUT", path, body={"role": "admin"}, headers=tag).status == 200
    assert ask(admin, "PUT", path, body={"role": "user"}, headers=tag).status == 412
    assert ask(admin, "DELETE", path, headers=tag).status == 412
    assert ask(admin, "GET", path).json["role"] == "admin"


def test_roles_are_listed_newest_first_page_by_page(make: Factory) -> None:
    admin = make.super_admin()
    people = [str(make.person().email) for _ in range(3)]
    for email in people:
        ask(admin, "POST", body={"email": email})
    first = ask(admin, "GET", query={"limit": 2}, headers={"prefer": "count=exact"})
    assert [row["email"] for row in first.json] == people[:0:-1]
    assert int(first.headers["x-total-count"]) >= 4
    rest = first.headers["link"].split(">")[0].removeprefix("</routes/users")
    assert ask(admin, "GET", rest).json[0]["email"] == people[0]


def test_a_role_given_twice_under_one_idempotency_key_is_given_once(make: Factory) -> None:
    admin, person = make.super_admin(), make.person()
    request: dict[str, Any] = {"body": {"email": person.email}, "headers": {"idempotency-key": str(person.user_id)}}
    first = ask(admin, "POST", **request)
    assert (first.status, ask(admin, "POST", **request)) == (201, first)


def test_a_super_admin_who_steps_down_is_one_no_more(make: Factory) -> None:
    make.super_admin()
    person, tenant = make.super_admin(), make.tenant()
    rows = ask(person, "GET", query={"limit": 250}).json
    path = next(f"/{row['id']}" for row in rows if row["email"] == person.email)
    assert call(tenants, "GET", f"/routes/tenants/{tenant.slug}", caller=person).status == 200
    assert ask(person, "PUT", path, body={"role": "admin"}).status == 200
    assert call(tenants, "GET", f"/routes/tenants/{tenant.slug}", caller=person).status == 404
    assert ask(person, "GET", path).json["code"] == "super_admin_only"


@pytest.mark.parametrize(("method", "body"), [("PUT", {"role": "admin"}), ("DELETE", None)])
def test_the_last_super_admin_stays(platform: Factory, method: str, body: Any) -> None:
    last = platform.super_admin()
    platform.global_role("admin")
    (path,) = (f"/{row['id']}" for row in ask(last, "GET").json if row["role"] == "super_admin")
    answer = ask(last, method, path, body=body)
    assert (answer.status, answer.json["code"]) == (409, "last_super_admin")
    assert ask(last, "PUT", path, body={"role": "super_admin"}).status == 200
    second = platform.super_admin()
    assert ask(second, method, path, body=body).status == 200
    assert (is_super_admin(last), is_super_admin(second)) == (False, True)


def meet(barrier: Barrier) -> None:
    """Both start before either does anything, so that neither waits for a lock while the other is not there yet."""
    barrier.wait()


def send(caller: Caller, method: str, path: str, body: Any) -> int:
    return ask(caller, method, path, body=body).status


def two_wait(conn: psycopg.Connection[Any]) -> bool:
    conn.execute("SELECT pg_stat_clear_snapshot()")
    waiting = "SELECT FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
    return conn.execute(waiting).rowcount == 2


def test_of_the_two_last_super_admins_who_step_down_at_once_one_stays(platform: Factory) -> None:
    people = [platform.super_admin(), platform.super_admin()]
    paths = {row["email"]: f"/{row['id']}" for row in ask(people[0], "GET").json}
    spawn = get_context("spawn")
    with ProcessPoolExecutor(2, spawn, initializer=meet, initargs=(spawn.Barrier(2),)) as sandboxes:
        with platform.conn.transaction():
            platform.conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('app.keep_a_super_admin', 0))")
            steps = zip(people, ("PUT", "DELETE"), ({"role": "user"}, None), strict=True)
            leaving = [sandboxes.submit(send, who, how, paths[str(who.email)], body) for who, how, body in steps]
            until(lambda: two_wait(platform.conn))
        assert sorted(left.result() for left in leaving) == [200, 409]
    assert sorted(is_super_admin(person) for person in people) == [False, True]
