"""What n8n has run is read to its last run, whatever its API does meanwhile and wherever the job is killed."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from unittest.mock import patch
from urllib.request import urlopen

import pytest
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from flomastr.jobs import JobFailedError
from flomastr.large_data import rows
from flomastr.n8n import pulling, records
from flomastr.object_storage import StorageUnavailableError
from functions.executions.handler import lambda_handler as executions
from functions.history.handler import lambda_handler as history
from tests.flomastr.n8n.conftest import PullEnv, posted
from tests.support.connected import connected
from tests.support.crash_points import steps
from tests.support.events import call
from tests.support.listing import HISTORY, HOT, pages
from tests.support.n8n_api import CAPTURED, KEY, failing, ran
from tests.support.n8n_capture import failed, report


def test_what_is_read_is_recorded_as_what_is_posted(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold(CAPTURED)
    assert env.run()["runs_read"] == len(CAPTURED)
    assert len(env.rows(tenant)) == 306
    assert env.rows(tenant) == env.rows(posted(env))
    assert env.shown(tenant)["state"] == "up_to_date"


def test_killed_at_every_step_it_ends_in_the_same_rows(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold(CAPTURED)
    env.api.workflows = [{"id": "wf-new", "name": "Never ran", "connections": {}}]
    for _ in steps(env.again, every=3):
        pass
    assert env.rows(tenant) == env.rows(posted(env))
    assert env.state(tenant)["known_id"] == 311
    assert env.state(tenant)["cursor"] is None


def test_large_data_of_what_is_read_lies_in_object_storage(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(1), ran(2, data={"resultData": {"lastNodeExecuted": "Charge", "runData": "x" * 300_000}})])
    assert env.run()["runs_read"] == 2
    small, large = env.rows(tenant)
    (key,) = env.platform.bucket.keys(f"execution_data/tenant={tenant.id}/")
    assert "flomastr_object" not in (small["execution_data"] or {})
    assert large["execution_data"]["resultData"] == {"lastNodeExecuted": "Charge"}
    assert large["execution_data"]["flomastr_object"]["sha256"] in key


@pytest.mark.parametrize("text", ["x" * 12_000_000, "\u540d" * 2_500_000])
def test_what_is_larger_than_an_answer_is_read_by_a_link(env: PullEnv, text: str) -> None:
    tenant = env.tenant()
    env.api.hold([ran(1, data={"resultData": {"lastNodeExecuted": "Charge", "runData": {"Charge": [text]}}})])
    assert env.run()["runs_read"] == 1
    (row,) = env.rows(tenant)
    assert row["execution_data"]["flomastr_object"]["bytes"] > 7_500_000
    for handler, path in ((executions, HOT), (history, HISTORY)):
        with connected(DATABASE_URL=env.platform.app_url):
            (listed,) = call(handler, "GET", f"{path}?include_data=true", caller=tenant.owner).json
            one = call(handler, "GET", f"{path}/{listed['id']}", caller=tenant.owner).json
        for found in (listed["execution_data"], one["execution_data"]):
            marker = found.pop("flomastr_object")
            assert found == {"mode": "webhook", "resultData": {"lastNodeExecuted": "Charge"}}
            assert datetime.fromisoformat(marker["expires_at"]) > datetime.now(UTC) + timedelta(minutes=4)
            with urlopen(marker["url"]) as answer:
                assert answer.headers["content-encoding"] == "gzip"
                assert answer.headers["content-type"] == "application/json"
                content = gzip.decompress(answer.read())
            assert sha256(content).hexdigest() == marker["sha256"]
            assert json.loads(content)["resultData"]["runData"] == {"Charge": [text]}


def test_a_list_goes_on_after_what_is_answered_by_a_link(env: PullEnv) -> None:
    """A link is small, whatever it leads to."""
    tenant = env.tenant()
    env.api.hold([ran(id, data={"resultData": {"runData": "x" * 6_100_000}}) for id in range(1, 5)])
    env.run()
    for path in (HOT, HISTORY):
        listed = [row for page in pages(env.platform, tenant, f"{path}?include_data=true") for row in json.loads(page)]
        assert [row["n8n_execution_id"] for row in listed] == ["4", "3", "2", "1"]


def test_without_object_storage_such_a_run_is_recorded_in_part(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(1, data={"resultData": {"lastNodeExecuted": "Charge", "runData": "x" * 12_000_000}})])
    with connected(ARCHIVE_BUCKET=""):
        assert env.run()["runs_read"] == 1
    (row,) = env.rows(tenant)
    kept = {"lastNodeExecuted": "Charge", "runData": "[cut]"}
    assert row["execution_data"] == {"mode": "webhook", "resultData": kept}


def test_while_object_storage_is_away_such_a_run_is_not_recorded_in_part(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(1, data={"resultData": {"runData": "x" * 12_000_000}})])
    away = patch.object(rows, "secure", side_effect=StorageUnavailableError)
    with away, pytest.raises(JobFailedError, match="StorageUnavailableError"):
        env.run()
    assert env.rows(tenant) == []
    env.again()
    (row,) = env.rows(tenant)
    assert row["execution_data"]["flomastr_object"]["bytes"] > 12_000_000


def test_pushed_and_pulled_it_is_one_row(env: PullEnv) -> None:
    tenant = env.tenant()
    key = env.platform.make.api_key(tenant, scopes=["events:write"])
    env.api.hold(CAPTURED)
    with connected(DATABASE_URL=env.platform.app_url):
        report(key.token(), CAPTURED[:150], path="/routes/n8n/events?instance=prod")
    env.run()
    assert len(env.rows(tenant)) == 306


def test_the_next_pull_reads_what_is_new_and_no_more(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(id) for id in range(1, 101)])
    env.run()
    env.api.asked.clear()
    env.api.hold([ran(id) for id in range(101, 111)])
    env.again()
    assert env.ids(tenant) == list(range(1, 111))
    assert env.api.asked == [f"/api/v1/executions?limit={pulling.PAGE}&includeData=true"]


def test_it_is_not_due_before_its_time(env: PullEnv) -> None:
    env.tenant()
    env.run()
    env.api.asked.clear()
    assert env.run() == {"state": "done"}
    assert env.api.asked == []


def test_a_run_that_the_list_leaves_out_is_asked_for_until_it_has_ended(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(id) for id in range(1, 6)])
    env.api.runs[3] |= {"status": "waiting", "stoppedAt": None, "data": None}
    env.api.unlisted.add(3)
    env.run()
    assert [row["status"] for row in env.rows(tenant)] == ["success", "success", "waiting", "success", "success"]
    assert env.shown(tenant)["open"] == 1
    env.api.runs[3] = ran(3, status="error")
    env.again()
    assert [row["status"] for row in env.rows(tenant)] == ["success", "success", "error", "success", "success"]
    assert env.shown(tenant)["open"] == 0


@pytest.mark.parametrize("status", ["new", "running", "waiting"])
def test_a_run_that_n8n_did_not_keep_when_it_ended_is_not_said_to_run_for_ever(env: PullEnv, status: str) -> None:
    tenant = env.tenant()
    env.api.hold([ran(1), ran(2, status=status, stoppedAt=None, data=None), ran(3)])
    env.api.unlisted.add(2)
    env.run()
    assert [row["status"] for row in env.rows(tenant)] == ["success", status, "success"]
    del env.api.runs[2]
    env.again()
    assert [row["status"] for row in env.rows(tenant)] == ["success", "unknown", "success"]
    assert env.rows(tenant)[1]["started_at"] == datetime.fromisoformat(ran(2)["startedAt"])
    assert env.shown(tenant)["open"] == 0


def test_what_was_told_of_the_end_of_a_run_that_n8n_did_not_keep_stays(env: PullEnv) -> None:
    tenant = env.tenant()
    key = env.platform.make.api_key(tenant, scopes=["events:write"])
    env.api.hold([ran(1), ran(2, status="running", stoppedAt=None, data=None), ran(3)])
    env.api.unlisted.add(2)
    env.run()
    with connected(DATABASE_URL=env.platform.app_url):
        report(key.token(), [failed("2")], path="/routes/n8n/events?instance=prod")
    del env.api.runs[2]
    env.again()
    assert [row["status"] for row in env.rows(tenant)] == ["success", "error", "success"]


def test_of_ids_that_the_list_leaves_out_the_newest_are_noted(env: PullEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "RANGES", 3)
    tenant = env.tenant()
    env.api.hold([ran(id) for id in range(1, 101, 2)])
    env.run()
    assert env.shown(tenant)["open"] == 3
    env.again()
    assert env.state(tenant)["missing"] == Multirange([Range(id, id + 1, "[)") for id in (94, 96, 98)])
    assert env.ids(tenant) == list(range(1, 101, 2))


def test_a_key_that_is_refused_is_told(env: PullEnv) -> None:
    tenant = env.platform.make.tenant()
    env.connect(tenant, api_key="another-key")
    env.run()
    assert env.shown(tenant)["error"] == "n8n refuses the API key."
    env.connect(tenant)
    env.api.hold([ran(1)])
    env.run()
    assert env.ids(tenant) == [1]


def test_a_database_that_began_anew_is_read_from_its_first_run(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(id) for id in range(1, 61)])
    env.run()
    env.api.runs = {
        id: ran(id, startedAt=datetime.now(UTC).isoformat(), stoppedAt=None, status="success") for id in range(1, 41)
    }
    env.again()
    assert len(env.rows(tenant)) == 100
    epochs = env.ask(tenant, "GET", "/prod").json["epochs"]
    assert len(epochs) == 2


def test_one_that_began_anew_and_is_ahead_already_is_read_to_its_first_run(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(id) for id in range(1, 31)])
    env.run()
    now = datetime.now(UTC)
    env.api.runs = {id: ran(id, startedAt=now.isoformat(), stoppedAt=now.isoformat()) for id in range(1, 91)}
    env.again()
    assert len(env.rows(tenant)) == 120


def test_a_newest_run_that_is_deleted_is_no_new_database(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(id) for id in range(1, 61)])
    env.run()
    env.api.asked.clear()
    del env.api.runs[60]
    env.again()
    assert len(env.api.asked) == 1
    assert env.ids(tenant) == list(range(1, 61))


def test_workflows_are_known_with_state_and_tags_before_they_run(env: PullEnv) -> None:
    tenant = env.tenant()
    row: dict[str, Any] = {"connections": {}, "active": False, "tags": [{"id": "t", "name": "orders"}]}
    env.api.workflows = [row | {"id": f"wf-{n}", "name": f"Workflow {n}", "isArchived": n == 2} for n in range(30)]
    env.run()
    names = env.platform.superuser.execute(
        "SELECT n8n_workflow_id, name, is_active, tags FROM app.workflows WHERE tenant_id = %s", (tenant.id,)
    ).fetchall()
    assert sorted(names) == sorted((f"wf-{n}", f"Workflow {n}", False, ["orders"]) for n in range(30) if n != 2)


def test_a_key_without_the_right_to_workflows_reads_executions(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.rights = ("executions",)
    env.api.hold([ran(1)])
    assert "instances_failed" not in env.run()
    assert env.ids(tenant) == [1]


def test_tenants_take_turns(env: PullEnv) -> None:
    """A tenant with many instances and runs keeps no other waiting."""
    large, small = env.platform.make.tenant(), env.platform.make.tenant()
    for n in range(10):
        env.connect(large, f"large-{n}")
    env.connect(small)
    env.api.hold([ran(id) for id in range(1, 201)])
    seen = list[str]()
    original = pulling.Records.page

    def page(self: Any, *args: Any, **kwargs: Any) -> int:
        seen.append(self.instance.name)
        return original(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulling.Records, "page", page)
        env.run()
    assert seen.index("prod") < 8
    assert max(n for n, name in enumerate(seen) if name == "prod") < 8 * 11 + 11


def test_an_instance_that_fails_keeps_no_other_waiting(env: PullEnv) -> None:
    broken, fine = env.platform.make.tenant(), env.tenant()
    env.connect(broken, n8n_url="http://127.0.0.1:1")
    env.api.hold([ran(1)])
    assert env.run()["instances_failed"] == 1
    assert env.ids(fine) == [1]
    assert env.shown(broken)["error"] == "The connection failed."


def test_a_tenant_that_is_suspended_is_not_read(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(1)])
    env.platform.superuser.execute("UPDATE app.tenants SET status = 'suspended' WHERE id = %s", (tenant.id,))
    env.run()
    assert env.api.asked == []


def test_what_was_asked_with_an_address_that_was_replaced_meanwhile_is_not_recorded(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(id) for id in range(1, 101)])
    env.api.answers = [None, lambda: env.connect(tenant)]
    env.run()
    assert env.ids(tenant) == list(range(76, 101))
    env.again()
    assert env.ids(tenant) == list(range(1, 101))


def test_no_run_of_another_tenant_is_touched(env: PullEnv) -> None:
    """Though the job sees all tenants: it records as a request of one tenant."""
    one, other = env.tenant(), env.tenant()
    env.api.hold([ran(id) for id in range(1, 6)])
    env.run()
    assert env.ids(one) == env.ids(other) == [1, 2, 3, 4, 5]
    owners = env.platform.superuser.execute(
        "SELECT count(*) FROM app.workflow_executions AS e JOIN app.workflows AS w ON w.id = e.workflow_id"
        " WHERE e.tenant_id <> w.tenant_id"
    ).fetchall()
    assert owners == [(0,)]


def test_the_key_is_in_no_log(env: PullEnv, capfd: pytest.CaptureFixture[str]) -> None:
    tenant = env.tenant()
    env.api.hold([ran(1)])
    env.api.answers = [failing(500), failing(500)]
    env.run()
    env.again()
    env.ask(tenant, "POST", "/prod/test")
    env.ask(tenant, "PUT", "/prod", body={"api_key": f"{KEY} with a space", "n8n_url": "x"})
    out = "".join(capfd.readouterr())
    assert json.dumps(KEY)[1:-1] not in out


def test_a_run_that_is_written_late_is_not_taken_for_one_that_n8n_has_not(env: PullEnv) -> None:
    tenant = env.tenant()
    env.api.hold([ran(1), ran(3)])
    env.run()
    assert "/api/v1/executions/2?includeData=true" in env.api.asked
    env.api.hold([ran(2)])
    env.again()
    assert env.ids(tenant) == [1, 2, 3]
