"""The workflows in n8n/: n8n can import them, they hold no secret, and what they send is recorded."""

import json
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.factories import Factory
from tests.support.n8n_capture import Json, error_posts, executed, instance, pages, stored
from tests.support.n8n_workflows import FILES, evaluated, lists_of, needs_node, node, posted, workflow

type Superuser = psycopg.Connection[Any]

# as n8n 2.8.4 has them
TYPES = {
    "n8n-nodes-base.code": 2,
    "n8n-nodes-base.errorTrigger": 1,
    "n8n-nodes-base.executeWorkflowTrigger": 1.1,
    "n8n-nodes-base.extractFromFile": 1.1,
    "n8n-nodes-base.formTrigger": 2.5,
    "n8n-nodes-base.httpRequest": 4.4,
    "n8n-nodes-base.if": 2.3,
    "n8n-nodes-base.n8n": 1,
    "n8n-nodes-base.noOp": 1,
    "n8n-nodes-base.scheduleTrigger": 1.3,
    "n8n-nodes-base.set": 3.4,
    "n8n-nodes-base.stopAndError": 1,
    "n8n-nodes-base.wait": 1.1,
    "@n8n/n8n-nodes-langchain.agent": 3.1,
    "@n8n/n8n-nodes-langchain.chatTrigger": 1.4,
    "@n8n/n8n-nodes-langchain.lmChatOpenAi": 1.3,
    "@n8n/n8n-nodes-langchain.toolWorkflow": 2.2,
}
HOSTS = {"flomastr.example", "n8n.example"}
CREDENTIALS = {"FloMastr events", "FloMastr knowledge", "FloMastr webchat", "n8n API", "OpenAI"}
REPORTERS = ["collector", "error-reporter", "run-reporter"]
MEGABYTE = 1_000_000


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_n8n_knows_each_node_and_where_it_leads(file: Path) -> None:
    made = json.loads(file.read_text())
    names = [node["name"] for node in made["nodes"]]
    targets = {
        link["node"]
        for outputs in made["connections"].values()
        for links in outputs.values()
        for output in links
        for link in output
    }
    assert len(set(names)) == len(names) == len({node["id"] for node in made["nodes"]})
    assert made["connections"].keys() | targets == set(names)
    assert [one["type"] for one in made["nodes"] if one["typeVersion"] > TYPES[one["type"]]] == []
    assert set(re.findall(r"\$\('(.+?)'\)", json.dumps(made))) <= set(names)
    assert not made["active"]


def test_each_workflow_has_an_id_and_a_name_of_its_own() -> None:
    made = [workflow(file.stem) for file in FILES]
    assert len({one["id"] for one in made}) == len({one["name"] for one in made}) == len(FILES) == 6
    assert all(re.fullmatch(r"\w{16}", one["id"]) and one["name"].startswith("FloMastr: ") for one in made)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_secret_and_nobodys_host_is_in_a_workflow(file: Path) -> None:
    text = file.read_text()
    assert set(re.findall(r"https?://([^/\"]+)", text)) <= HOSTS
    assert re.findall(r"flo_live_|whsec_|Bearer |eyJ|sk-|localhost|127\.0\.0", text) == []
    credentials = [one for each in json.loads(text)["nodes"] for one in each.get("credentials", {}).values()]
    assert all(one["id"] is None and one["name"] in CREDENTIALS for one in credentials)
    asking = [one for one in json.loads(text)["nodes"] if one["type"] == "n8n-nodes-base.httpRequest"]
    assert all(one["retryOnFail"] and one["credentials"] for one in asking)


@pytest.mark.parametrize("name", REPORTERS)
def test_n8n_keeps_of_a_reporter_what_has_failed_alone(name: str) -> None:
    """Its runs carry the data of those that they report: they would double n8n's database, and may end n8n."""
    settings = workflow(name)["settings"]
    assert settings["saveDataSuccessExecution"] == "none"
    assert (settings["saveManualExecutions"], settings["saveExecutionProgress"]) == (False, False)
    assert "saveDataErrorExecution" not in settings


@needs_node
@pytest.mark.parametrize("name", REPORTERS)
def test_a_rejected_item_makes_the_reporter_fail_and_say_why(make: Factory, name: str) -> None:
    made = workflow(name)
    assert made["connections"]["Report"]["main"][0][0]["node"] == "Rejected?"
    assert made["connections"]["Rejected?"]["main"][0][0]["node"] == "Say why"
    (condition,) = node(made, "Rejected?")["parameters"]["conditions"]["conditions"]
    assert (condition["operator"]["operation"], condition["rightValue"]) == ("gt", 0)
    answer = instance(make).post([executed("1"), executed("2", workflowId=None)]).json
    assert evaluated(condition["leftValue"], answer) == 1
    said = evaluated(f"={{{{ `{template(node(made, 'Say why')['parameters']['errorMessage'])}` }}}}", answer)
    assert said == "1 not recorded: workflowId: is required, there or in workflowData."


def template(text: str) -> str:
    return text.removeprefix("=").replace("{{", "${").replace("}}", "}")


@needs_node
def test_what_the_error_reporter_sends_is_recorded(make: Factory, superuser: Superuser) -> None:
    n8n, failures = instance(make), error_posts()
    for failure in failures:
        assert n8n.post(posted(workflow("error-reporter"), failure)).json["rejected"] == 0
    rows = stored(superuser, n8n.tenant)
    assert len(rows) == len(failures)
    assert {row["status"] for row in rows} == {"error"}


@needs_node
def test_what_the_collector_sends_of_n8ns_pages_is_recorded(make: Factory, superuser: Superuser) -> None:
    n8n, collector = instance(make), workflow("collector")
    runs = {run["id"]: run["status"] for page in pages() for run in page["data"]}
    for listed in lists_of(collector, pages()):
        answer = n8n.post(posted(collector, listed))
        assert (answer.status, answer.json["rejected"]) == (202, 0)
    assert {row["n8n_execution_id"]: row["status"] for row in stored(superuser, n8n.tenant)} == runs


@needs_node
def test_what_the_run_reporter_reads_is_recorded_with_its_data(make: Factory, superuser: Superuser) -> None:
    n8n, reporter = instance(make), workflow("run-reporter")
    run = next(run for page in pages() for run in page["data"] if run["status"] == "success")
    (listed,) = lists_of(reporter, [run])
    assert n8n.post(posted(reporter, listed)).json["rejected"] == 0
    (row,) = stored(superuser, n8n.tenant)
    assert row["execution_data"]["resultData"] == run["data"]["resultData"]


@needs_node
@pytest.mark.parametrize(("megabytes", "lists"), [([1, 1, 1], 1), ([2.5, 2.5, 0.1], 2), ([3, 0.1, 6], 1)])
def test_a_list_stays_below_what_a_request_takes(make: Factory, megabytes: list[float], lists: int) -> None:
    n8n, collector = instance(make), workflow("collector")
    page = {"data": [of_size(str(index), size) for index, size in enumerate(megabytes)], "nextCursor": None}
    sent = lists_of(collector, [page])
    assert len(sent) == lists
    answers = [n8n.post(posted(collector, listed)) for listed in sent]
    assert [result["outcome"] for answer in answers for result in answer.json["results"]] == ["created"] * 3


@needs_node
def test_of_a_run_that_no_request_takes_the_error_is_sent(make: Factory, superuser: Superuser) -> None:
    n8n, collector = instance(make), workflow("collector")
    large = of_size("1", 6, status="error")
    large["data"]["resultData"] |= {"error": {"message": "It broke"}, "lastNodeExecuted": "Charge"}
    (listed,) = lists_of(collector, [{"data": [large]}])
    n8n.post(posted(collector, listed))
    (row,) = stored(superuser, n8n.tenant)
    assert (row["status"], row["error_message"]) == ("error", "It broke")
    assert row["execution_data"]["resultData"] == {"error": {"message": "It broke"}, "lastNodeExecuted": "Charge"}


def of_size(id: str, megabytes: float, **fields: Any) -> Json:
    return executed(id, data={"resultData": {"runData": {"Code": "ü" * int(megabytes * MEGABYTE / 2)}}}, **fields)
