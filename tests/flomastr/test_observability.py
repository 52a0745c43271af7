"""What each invocation measures of itself, as CloudWatch reads it from a line of the log."""

import json
from typing import Any

import pytest

from flomastr.observability import count, instrumented
from functions.workflows.handler import lambda_handler
from tests.support.archive_env import emitted
from tests.support.connected import connected
from tests.support.events import Answer, Context, call
from tests.support.factories import Factory, Tenant


@pytest.fixture
def tenant(make: Factory, capsys: pytest.CaptureFixture[str]) -> Tenant:
    tenant = make.tenant()
    capsys.readouterr()
    return tenant


def get(tenant: Tenant, path: str = "") -> Answer:
    return call(lambda_handler, "GET", f"/routes/workflows{path}", caller=tenant.owner)


def test_a_request_is_measured_once_and_so_is_each_round_trip(
    tenant: Tenant, capsys: pytest.CaptureFixture[str]
) -> None:
    assert get(tenant).status == 200
    measured = emitted(capsys.readouterr().out)
    assert set(measured) == {"Latency", "DatabaseTime", "Failures"}
    [latency], [database] = measured["Latency"], measured["DatabaseTime"]
    assert 0 < database < latency
    assert measured["Failures"] == [0]


def test_the_function_is_the_only_dimension(tenant: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    get(tenant)
    [line] = [line for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    [described] = json.loads(line)["_aws"]["CloudWatchMetrics"]
    assert described["Dimensions"] == [["service"]]
    assert {metric["Name"]: metric["Unit"] for metric in described["Metrics"]} == {
        "Latency": "Milliseconds",
        "DatabaseTime": "Milliseconds",
        "Failures": "Count",
    }


def test_what_the_caller_did_wrong_is_no_failure_and_what_the_service_did_is_one(
    tenant: Tenant, capsys: pytest.CaptureFixture[str]
) -> None:
    assert get(tenant, "/none").status == 422
    assert emitted(capsys.readouterr().out)["Failures"] == [0]
    with connected(DATABASE_URL="postgresql://flo_app@127.0.0.1:1/none"):
        assert get(tenant).status == 503
    measured = emitted(capsys.readouterr().out)
    assert measured["Failures"] == [1]
    assert len(measured["DatabaseRetries"]) >= 1
    assert measured["DatabaseUnavailable"] == [1]


def test_no_value_is_lost_where_there_are_more_than_a_line_takes(capsys: pytest.CaptureFixture[str]) -> None:
    def job(event: dict[str, Any], context: Context) -> None:
        for number in range(250):
            count("Things", number)

    instrumented(job)({}, Context())
    out = capsys.readouterr().out
    assert emitted(out)["Things"] == list(range(250))
    lines = [json.loads(line) for line in out.splitlines() if '"Things"' in line]
    assert [len(line["Things"]) for line in lines] == [100, 100, 50]


def test_a_job_that_raises_has_failed(capsys: pytest.CaptureFixture[str]) -> None:
    def job(event: dict[str, Any], context: Context) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        instrumented(job)({}, Context())
    assert emitted(capsys.readouterr().out)["Failures"] == [1]
