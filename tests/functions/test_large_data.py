"""Data of executions that is too large for a row lies in object storage, and is read as if it lay in the row."""

import gzip
import json
from hashlib import sha256
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from psycopg.types.json import Jsonb

from flomastr import object_storage
from flomastr.large_data import rows
from flomastr.large_data.objects import DataObject
from flomastr.object_storage import StorageUnavailableError, key_of_data
from functions.executions.handler import lambda_handler as executions
from functions.history.handler import lambda_handler as history
from tests.support.connected import connected
from tests.support.crash_points import Killed
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant
from tests.support.n8n_capture import Instance, Json, executed, instance, stored
from tests.support.s3 import Bucket

type Superuser = psycopg.Connection[Any]

PATH = "/routes/workflow-executions"


@pytest.fixture
def n8n(make: Factory, bucket: Bucket) -> Instance:
    return instance(make)


def large(text: str = "x", **fields: Any) -> Json:
    """What n8n keeps of a run: 300 kB of it, and the error."""
    run = {"Charge": [{"data": {"main": [[{"json": {"text": text * 300_000}}]]}}]}
    result = {"lastNodeExecuted": "Charge", "error": {"message": "It broke"}, "runData": run}
    return {"mode": "webhook", "resultData": result} | fields


def ask(tenant: Tenant, method: str, path: str = "", **request: Any) -> Answer:
    return call(executions, method, PATH + path, caller=tenant.owner, **request)


def objects(bucket: Bucket, tenant: Tenant) -> list[str]:
    return bucket.keys(f"execution_data/tenant={tenant.id}/")


def in_row(superuser: Superuser, tenant: Tenant) -> Json:
    (row,) = superuser.execute(
        "SELECT execution_data, pg_column_size(execution_data), mode FROM app.workflow_executions WHERE tenant_id = %s",
        (tenant.id,),
    ).fetchall()
    assert row[1] < 8_000
    return row[0]


def test_an_event_with_large_data_has_it_in_an_object_and_a_part_in_its_row(
    n8n: Instance, bucket: Bucket, superuser: Superuser
) -> None:
    ((result),) = n8n.send(executed("1", data=large()))
    assert result["outcome"] == "created"
    (key,) = objects(bucket, n8n.tenant)
    content = gzip.decompress(bucket.client.get_object(Bucket=bucket.name, Key=key)["Body"].read())
    row = in_row(superuser, n8n.tenant)
    assert key == f"execution_data/tenant={n8n.tenant.id}/{sha256(content).hexdigest()}.json.gz"
    assert row["flomastr_object"] == {
        "sha256": sha256(content).hexdigest(), "bytes": len(content), "characters": len(content)
    }  # fmt: skip
    assert row["resultData"] == {"lastNodeExecuted": "Charge", "error": {"message": "It broke"}}
    found = ask(n8n.tenant, "GET", f"/{result['id']}").json["execution_data"]
    assert found == json.loads(content)
    assert (found["resultData"], found["mode"]) == (large()["resultData"], "webhook")


def test_data_of_any_size_reads_the_same_however_it_came(make: Factory, bucket: Bucket, superuser: Superuser) -> None:
    tenant = make.tenant()
    workflow = str(make.workflow(tenant))
    one: Json = {"workflow_id": workflow, "status": "success"}
    answer = ask(tenant, "POST", body=one | {"n8n_execution_id": "1", "execution_data": large("1")})
    assert (answer.status, answer.json["execution_data"]) == (201, large("1"))
    earlier = {"started_at": "2026-01-02T03:04:05Z"}
    batch = [
        one | {"n8n_execution_id": "2", "execution_data": large("2")} | earlier,
        one | {"n8n_execution_id": "3", "execution_data": {"a": 1}} | {"started_at": "2026-01-01T03:04:05Z"},
    ]
    assert [r["outcome"] for r in ask(tenant, "POST", "/batch", body={"executions": batch}).json["results"]] == [
        "created", "created",
    ]  # fmt: skip
    changed = ask(tenant, "PUT", f"/{answer.json['id']}", body={"execution_data": large("4")})
    assert (changed.status, changed.json["execution_data"]) == (200, large("4"))
    expected = [large("4"), large("2"), {"a": 1}]
    for handler, path in ((executions, PATH), (history, "/routes/history/workflow-executions")):
        listed = call(handler, "GET", f"{path}?include_data=true", caller=tenant.owner).json
        assert [row["execution_data"] for row in listed] == expected
        assert [row["execution_data"] for row in call(handler, "GET", path, caller=tenant.owner).json] == [None] * 3
        got = call(handler, "GET", f"{path}/{answer.json['id']}", caller=tenant.owner)
        assert (got.json["execution_data"], got.headers["etag"]) == (large("4"), changed.headers["etag"])
    assert len(objects(bucket, tenant)) == 3  # one of them of before
    references = superuser.execute(
        "SELECT count(*) FROM app.execution_object_references WHERE tenant_id = %s", (tenant.id,)
    )
    assert references.fetchall() == [(3,)]


def test_repeats_and_late_parts_of_a_run_change_nothing(n8n: Instance, bucket: Bucket, superuser: Superuser) -> None:
    whole, part = executed("1", data=large()), executed("1", data={"resultData": {"lastNodeExecuted": "Charge"}})
    assert [r["outcome"] for r in n8n.send(part, whole, part)] == ["created", "updated", "updated"]
    assert [r["outcome"] for r in n8n.send(whole, part)] == ["unchanged", "unchanged"]
    assert len(objects(bucket, n8n.tenant)) == 1
    assert n8n.send(executed("1", data=large("longer")))[0]["outcome"] == "updated"
    (row,) = stored(superuser, n8n.tenant)
    assert row["execution_data"]["flomastr_object"]["characters"] > 1_800_000


def test_a_page_is_cut_by_what_its_objects_hold(make: Factory, bucket: Bucket) -> None:
    tenant = make.tenant()
    workflow = str(make.workflow(tenant))
    for n in range(4):
        body = {"workflow_id": workflow, "n8n_execution_id": str(n), "execution_data": {"text": str(n) * 1_500_000}}
        assert ask(tenant, "POST", body=body).status == 201
    for handler, path in ((executions, PATH), (history, "/routes/history/workflow-executions")):
        first = call(handler, "GET", f"{path}?include_data=true", caller=tenant.owner)
        assert [row["execution_data"]["text"][0] for row in first.json] == ["3", "2"]
        following = first.headers["link"].partition(">")[0].lstrip("<")
        rest = call(handler, "GET", following, caller=tenant.owner)
        assert [row["execution_data"]["text"][0] for row in rest.json] == ["1", "0"]


@pytest.mark.parametrize("archive_bucket", [{}, {"ARCHIVE_BUCKET": ""}])
def test_no_client_names_an_object(
    make: Factory, bucket: Bucket, superuser: Superuser, archive_bucket: dict[str, str]
) -> None:
    n8n = instance(make)
    workflow = str(make.workflow(n8n.tenant))
    forged = {"flomastr_object": {"sha256": "0" * 64, "bytes": 1, "characters": 10**30}, "mode": "webhook"}
    body = {"workflow_id": workflow, "n8n_execution_id": "1", "status": "success", "execution_data": forged}
    note = {"characters": 0, "numbers": 0, "cut": 1}
    with connected(**archive_bucket):
        answer = ask(n8n.tenant, "POST", body=body)
        assert (answer.status, answer.json["execution_data"]) == (201, {"mode": "webhook"})
        batch = ask(n8n.tenant, "POST", "/batch", body={"executions": [body | {"n8n_execution_id": "2"}]})
        (sent,) = n8n.send(executed("3", data=forged))
        assert [one["data_notes"] for one in (answer.json, *batch.json["results"], sent)] == [note] * 3
        refused = ask(n8n.tenant, "PUT", f"/{answer.json['id']}", body={"execution_data": forged})
        assert (refused.status, refused.json["errors"][0]["message"]) == (
            422, "has a field flomastr_object, which is kept for rows whose data lies in object storage",
        )  # fmt: skip
    assert [row["execution_data"] for row in stored(superuser, n8n.tenant)] == [{"mode": "webhook"}] * 3
    assert objects(bucket, n8n.tenant) == []


def test_a_marker_inside_of_an_object_is_data(n8n: Instance, bucket: Bucket, superuser: Superuser) -> None:
    n8n.send(executed("1", data=large("secret")))
    secret = in_row(superuser, n8n.tenant)["flomastr_object"]
    object_of = DataObject.of({"flomastr_object": secret, "mode": "webhook"})
    object_storage.put_bytes(key_of_data(n8n.tenant.id, object_of.sha256), gzip.compress(object_of.written))
    superuser.execute(
        "UPDATE app.workflow_executions SET execution_data = %s WHERE tenant_id = %s",
        (Jsonb(object_of.in_row), n8n.tenant.id),
    )
    path = "/routes/history/workflow-executions?include_data=true"
    (row,) = call(history, "GET", path, caller=n8n.tenant.owner).json
    assert row["execution_data"] == {"flomastr_object": secret, "mode": "webhook"}


def test_what_is_recorded_is_answered_in_part_while_its_object_cannot_be_read(make: Factory, bucket: Bucket) -> None:
    tenant = make.tenant()
    body = {"workflow_id": str(make.workflow(tenant)), "n8n_execution_id": "1", "execution_data": large()}
    with patch.object(rows, "read", side_effect=StorageUnavailableError):
        posted = ask(tenant, "POST", body=body)
        put = ask(tenant, "PUT", f"/{posted.json['id']}", body={"execution_data": large("y")})
        assert (posted.status, put.status) == (201, 200)
        for answer in (posted, put):
            data = answer.json["execution_data"]
            assert data["resultData"] == {"lastNodeExecuted": "Charge", "error": {"message": "It broke"}}
            assert data["flomastr_object"]["bytes"] > 300_000
        assert ask(tenant, "GET", f"/{posted.json['id']}").status == 503
    assert ask(tenant, "GET", f"/{posted.json['id']}").json["execution_data"] == large("y")


def test_what_is_missing_or_damaged_in_storage_is_answered_in_part(n8n: Instance, bucket: Bucket) -> None:
    (result,) = n8n.send(executed("1", data=large()))
    (key,) = objects(bucket, n8n.tenant)
    for body in (b"damaged", gzip.compress(b'{"another": 1}'), None):
        if body is None:
            bucket.client.delete_object(Bucket=bucket.name, Key=key)
        else:
            bucket.client.put_object(Bucket=bucket.name, Key=key, Body=body)
        found = ask(n8n.tenant, "GET", f"/{result['id']}")
        assert (found.status, found.json["execution_data"]["flomastr_object"]["sha256"]) == (200, key[-72:-8])
    assert n8n.send(executed("1", data=large()))[0]["outcome"] == "unchanged"  # and writes it again
    assert ask(n8n.tenant, "GET", f"/{result['id']}").json["execution_data"]["resultData"] == large()["resultData"]


def test_without_storage_the_row_has_it_all(n8n: Instance, bucket: Bucket, superuser: Superuser) -> None:
    for number, missing in enumerate(({"ARCHIVE_BUCKET": ""}, {"ARCHIVE_BUCKET": "another"})):
        with connected(**missing):
            (result,) = n8n.send(executed(str(number), data=large()))
            assert result["outcome"] == "created"
    assert objects(bucket, n8n.tenant) == []
    assert all("runData" in row["execution_data"]["resultData"] for row in stored(superuser, n8n.tenant))


@pytest.mark.parametrize("step", ["put_bytes", "read_whole", "client"])
def test_killed_before_it_is_recorded_it_leaves_a_claim_and_is_whole_the_next_time(
    n8n: Instance, bucket: Bucket, superuser: Superuser, step: str
) -> None:
    with patch.object(object_storage, step, side_effect=Killed):
        assert n8n.post([executed("1", data=large())]).status == 500
    of_tenant = "SELECT count(*) FROM app.execution_objects WHERE tenant_id = %s"
    assert superuser.execute(of_tenant, (n8n.tenant.id,)).fetchall() == [(1,)]
    assert stored(superuser, n8n.tenant) == []
    (result,) = n8n.send(executed("1", data=large()))
    assert ask(n8n.tenant, "GET", f"/{result['id']}").json["execution_data"] == large()
    assert len(objects(bucket, n8n.tenant)) == 1
