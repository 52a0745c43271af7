"""The workflows of the trial, each of one kind of run, as n8n's public API takes them."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

type Json = dict[str, Any]

ERRORS, RUNS = "FloMastrErrors01", "FloMastrReport01"  # as the workflows in n8n/ are called
LARGE = "return [{ json: { text: 'x'.repeat(3_000_000) } }];"
BINARY = """
const data = Buffer.from(Array.from({ length: 3000 }, (_, i) => i % 256)).toString('base64');
return [{ json: {}, binary: { file: { data, mimeType: 'application/octet-stream', fileName: 'a.bin' } } }];
"""
UNICODE = r"return [{ json: { text: 'Grüße \u{1F600} \u0000 \ud83d \u202e', 'k\u0000y': '日本' } }];"
DEEP = "let deep = 1; for (let i = 0; i < 300; i++) deep = { deep }; return [{ json: { deep } }];"
THROW = r"throw new Error('card_declined: \u0000 Grüße');"


@dataclass(frozen=True)
class Kind:
    """`code` is what it runs; then it waits so many seconds, and at last reports itself, if it gets there."""

    name: str
    times: int
    code: str = "return $input.all();"
    wait: int = 0
    fails: bool = False
    calls: str = ""  # the id of a workflow that is run as a part of it
    settings: tuple[tuple[str, Any], ...] = ()

    def workflow(self, errors: str = ERRORS) -> Json:
        nodes = [hook(self.name), code(self.code)]
        if self.calls:
            nodes.append(execute("Part", self.calls, wait=True))
        if self.wait:
            nodes.append(node("Wait", "wait", 1.1, amount=self.wait, unit="seconds"))
        if not self.fails:
            nodes.append(execute("Report", RUNS, wait=False))
        return workflow(self.name, nodes, dict(self.settings) | {"errorWorkflow": errors})


KINDS = (
    Kind("success", 120),
    Kind("error", 40, THROW, fails=True),
    Kind("error-of-error", 20, THROW, fails=True),
    Kind("canceled", 8, wait=50),
    Kind("waiting", 6, wait=70),
    Kind("crashed", 6, wait=55),
    Kind("timeout", 6, wait=40, settings=(("executionTimeout", 2),)),
    Kind("retried", 10, THROW, fails=True),
    Kind("large", 4, LARGE),
    Kind("binary", 10, BINARY),
    Kind("unicode", 15, UNICODE),
    Kind("deep", 10, DEEP),
)


def node(name: str, type: str, version: float, **parameters: Any) -> Json:
    type = type if "." in type else f"n8n-nodes-base.{type}"
    return {"name": name, "type": type, "typeVersion": version, "parameters": parameters}


def hook(path: str) -> Json:
    trigger = node("Webhook", "webhook", 2, httpMethod="POST", path=path, options={})
    return trigger | {"webhookId": path}


def code(text: str) -> Json:
    return node("Code", "code", 2, jsCode=text)


def execute(name: str, workflow_id: str, *, wait: bool) -> Json:
    """As an operator fills in n8n's Execute Sub-workflow."""
    return node(
        name,
        "executeWorkflow",
        1.2,
        workflowId={"__rl": True, "mode": "id", "value": workflow_id},
        workflowInputs={"mappingMode": "defineBelow", "value": {"execution": "={{ $execution.id }}"}},
        mode="once",
        options={"waitForSubWorkflow": wait},
    )


def workflow(name: str, nodes: list[Json], settings: Json | None = None) -> Json:
    """The nodes, each after the other."""
    placed = [one | {"id": f"{name}-{index}", "position": [220 * index, 0]} for index, one in enumerate(nodes)]
    pairs = pairwise(nodes)
    connections = {one["name"]: {"main": [[{"node": next["name"], "type": "main", "index": 0}]]} for one, next in pairs}
    return {
        "name": f"Trial: {name}",
        "nodes": placed,
        "connections": connections,
        "settings": {"executionOrder": "v1"} | (settings or {}),
    }
