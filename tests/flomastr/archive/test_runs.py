"""Runs of the archive job: one at a time, as far as their time goes, and what they report."""

import traceback
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from flomastr.archive import file_lifecycle, manifest, parquet
from flomastr.database.connection import Connection
from flomastr.jobs import Job, JobFailedError
from functions.archive.handler import lambda_handler
from tests.support.archive_env import TODAY, ArchiveEnv, emitted


def test_a_second_run_at_the_same_time_does_nothing(env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    env.partitions_since(12)
    tenant = env.make.tenant(hot_ttl_days=7)
    execution = env.execution(tenant, env.make.workflow(tenant), 10)
    write, answers = file_lifecycle.write, list[dict[str, Any]]()

    def write_meanwhile(job: Job, file: manifest.File) -> None:
        answers.append(env.run(lambda_handler))
        write(job, file)

    monkeypatch.setattr(file_lifecycle, "write", write_meanwhile)
    assert env.run(lambda_handler)["rows_archived"] == 1
    assert answers == [{"state": "skipped"}]
    assert (env.hot(tenant), env.cold(tenant)) == ([], [execution])


def test_a_run_that_has_ended_keeps_no_other_waiting_before_its_connection_ends(
    env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = list[Connection]()

    def leave_open(conn: Connection) -> None:
        left.append(conn)

    monkeypatch.setattr(Connection, "close", leave_open)
    assert [env.run(lambda_handler)["state"] for _ in range(2)] == ["done", "done"]
    monkeypatch.undo()
    for conn in left:
        conn.close()


def test_without_time_nothing_is_begun_and_the_next_run_goes_on(env: ArchiveEnv) -> None:
    env.partitions_since(12)
    tenant = env.make.tenant(hot_ttl_days=7)
    execution = env.execution(tenant, env.make.workflow(tenant), 10)
    assert env.run(lambda_handler, left_ms=34_000) == {"state": "unfinished"}
    assert (env.hot(tenant), env.last_run()["state"]) == ([execution], "unfinished")
    assert env.run(lambda_handler)["state"] == "done"
    assert env.cold(tenant) == [execution]


def test_wherever_time_runs_out_the_next_runs_go_on(env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    env.partitions_since(1)
    tenants = [env.make.tenant(hot_ttl_days=7) for _ in range(2)]
    for tenant in tenants:
        workflow = env.make.workflow(tenant)
        for status in ("success", "running"):
            env.execution(tenant, workflow, 7.9, status=status)
        env.execution(tenant, workflow, 30, retention_class=0)
        env.session(tenant, workflow, TODAY - timedelta(days=30))
    before = [env.rows(tenant) for tenant in tenants]
    states = ["unfinished"]
    while states[-1] == "unfinished":
        asked = iter(range(len(states)))  # one step more in each run

        def has_time(job: Job, _: float = 5, asked: Iterator[int] = asked) -> bool:
            job.unfinished = job.unfinished or next(asked, None) is None
            return not job.unfinished

        monkeypatch.setattr(Job, "has_time", has_time)
        states.append(env.run(lambda_handler)["state"])
        assert [env.rows(tenant) for tenant in tenants] == before
    assert len(states) >= 6
    assert [len(env.hot(tenant)) for tenant in tenants] == [1, 1]
    assert [env.sessions(tenant) for tenant in tenants] == [[], []]
    assert env.is_in_order()


def test_a_run_reports_what_it_did_as_a_row_and_as_metrics(env: ArchiveEnv, capsys: pytest.CaptureFixture[str]) -> None:
    env.partitions_since(1)
    tenant = env.make.tenant(hot_ttl_days=7)
    workflow = env.make.workflow(tenant)
    for status in ("success", "error", "running"):
        env.execution(tenant, workflow, 7.9, status=status)
    env.session(tenant, workflow, TODAY - timedelta(days=30))
    answer = env.run(lambda_handler)
    run = env.last_run()
    assert (run["job"], run["state"], run["error"]) == ("archive", "done", None)
    assert answer == {"state": "done", **run["counts"]}
    assert {"rows_archived": 2, "sessions_archived": 1, "rows_kept": 1}.items() <= answer.items()
    assert run["started_at"] < run["finished_at"]
    reported = emitted(capsys.readouterr().out)
    assert (reported["RowsArchived"], reported["SessionsArchived"], reported["RowsKept"], reported["JobFailed"]) == (
        [2],
        [1],
        [1],
        [0],
    )
    assert reported["LeavesDropped"] == [answer["leaves_dropped"]]


def test_a_database_that_is_gone_is_reported_without_its_password(
    env: ArchiveEnv, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    env.partitions_since(40)
    tenant = env.make.tenant(hot_ttl_days=7)
    env.execution(tenant, env.make.workflow(tenant), 20)
    gone = make_conninfo(env.job_url, port="1", password="a-secret-password")
    monkeypatch.setattr(parquet, "database_url", lambda: gone)
    with pytest.raises(JobFailedError) as failed:
        env.run(lambda_handler)
    reported = env.superuser.execute("SELECT string_agg(error, '') FROM app.job_runs").fetchall()[0][0]
    assert "could not be written" in reported
    raised = "".join(traceback.format_exception(failed.value))
    assert "a-secret-password" not in reported + raised + capsys.readouterr().out
