"""Code of one version on the schema of the next, and the other way round, as a deployment and a way back have it."""

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from dev.paths import ROOT
from dev.services.postgres import Cluster, create_database
from flomastr import health
from flomastr.health import NEEDED_MIGRATION
from functions.health.handler import lambda_handler as health_handler
from schema.migrate import FOLDER, migrate, read_migrations
from tests.conftest import CLUSTER
from tests.support.connected import connected
from tests.support.databases import dropped_after
from tests.support.events import call
from tests.support.factories import Factory
from tests.support.next_version import EXPAND, next_schema
from tests.support.operations import IN_QUERY, OPERATIONS
from tests.support.release_before import commit_before, run_tests, unpacked
from tests.support.s3 import Bucket

NEWEST = read_migrations()[-1].name
CONTRACTS = (  # what callers of each function rely on, as the release before tested it
    "tests/functions/test_workflows.py",
    "tests/functions/test_executions.py",
    "tests/functions/test_events.py",
    "tests/functions/test_members.py",
    "tests/functions/test_api_keys.py",
    "tests/functions/test_preferences.py",
    "tests/functions/test_webchat.py",
    "tests/functions/test_me.py",
    "tests/functions/test_policies.py",
    "tests/functions/test_alerts.py",
    "tests/flomastr/knowledge/test_documents.py",
    "tests/flomastr/analytics/test_executions.py",
)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """The files of the release before, where git's history has it."""
    commit = commit_before()
    return unpacked(commit, tmp_path_factory.mktemp("before")) if commit else None


@pytest.fixture(scope="module")
def older(before: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The schema of the release before; without history, this one without what came last."""
    if before:
        return before / "schema"
    folder = tmp_path_factory.mktemp("older") / "schema"
    shutil.copytree(FOLDER, folder)
    (folder / "migrations" / f"{NEWEST}.sql").unlink()
    shutil.rmtree(folder / "functions")
    return folder


@pytest.fixture
def empty(server: Cluster) -> Iterator[str]:
    """The name of a database without a schema."""
    name = f"side_by_side_{secrets.token_hex(4)}"
    create_database(server, name)
    with dropped_after(server, name):
        yield name


def databases(server: Cluster) -> dict[str, str]:
    """The newest migration of each database that a worker of tests has made."""
    with psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as conn:
        names = conn.execute("SELECT datname FROM pg_database WHERE datname LIKE 'test\\_%'").fetchall()
    return {name: newest(server.url("postgres", name)) for (name,) in names}


def newest(url: str) -> str:
    with psycopg.connect(url, autocommit=True) as conn:
        return conn.execute("SELECT max(name) FROM app.schema_migrations").fetchall()[0][0]


def test_the_release_before_keeps_its_promises_on_this_schema(
    server: Cluster, before: Path | None, empty: str, tmp_path: Path
) -> None:
    """By its own tests. Where git has no history, this release's, on a made-up next schema."""
    if before:
        checkout, template, last = before, "template", NEWEST
    else:
        checkout, template, last = ROOT, empty, max(EXPAND)
        migrate(server.url("flomastr_admin", empty), next_schema(tmp_path / "schema", functions=False))
    there = databases(server)
    assert run_tests(checkout, CONTRACTS, os.environ[CLUSTER], template) >= 100
    made = databases(server).items() - there.items()
    assert last in {migration for _, migration in made}  # they met that schema, and not one of their own


def test_history_that_does_not_reach_so_far_is_no_release(tmp_path: Path) -> None:
    """A clone of the newest commit alone."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", clone], check=True)
    assert commit_before(clone) is None
    assert commit_before(tmp_path) is None  # no clone at all


@pytest.fixture
def outdated(server: Cluster, empty: str, older: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Factory]:
    """This release's code meets the schema of the release before."""
    migrate(server.url("flomastr_admin", empty), older)
    url = server.url("flo_app", empty)
    monkeypatch.setattr(health, "verdict", health.Verdict())
    with psycopg.connect(url, autocommit=True) as conn, connected(DATABASE_URL=url):
        yield Factory(conn)
    health.verdict = health.Verdict()


def test_this_release_on_the_schema_before_answers_or_says_what_is_missing(
    outdated: Factory, older: Path, bucket: Bucket
) -> None:
    tenant = outdated.tenant()
    named = {name for each in OPERATIONS for name in (*re.findall(r"{(\w+)}", each.path), *each.required)}
    names = {name: str(uuid4()) for name in named - IN_QUERY.keys()}
    answers = {
        str(operation): operation.ask(tenant.owner, names | {"slug": tenant.slug})
        for operation in sorted(OPERATIONS, key=lambda operation: operation.method)
        if operation.method != "DELETE"
    }
    behind = {name for name, answer in answers.items() if answer.status == 503}
    assert {name: answer.body for name, answer in answers.items() if answer.status >= 500 and name not in behind} == {}
    assert {answers[name].json["code"] for name in behind} <= {"schema_behind"}
    ready, versions = (
        call(health_handler, "GET", f"/routes/health/{path}", caller=outdated.super_admin())
        for path in ("ready", "versions")
    )
    assert versions.status == 200
    is_behind = read_migrations(older)[-1].name < NEEDED_MIGRATION or versions.json["missing_functions"]
    assert (ready.status, ready.json.get("code")) == ((503, "schema_behind") if is_behind else (200, None))
    assert versions.json["needed_migration"] == NEEDED_MIGRATION
    assert versions.json["migration"] == read_migrations(older)[-1].name
