"""The workflows in n8n/, and what their expressions make of an item: n8n's language is JavaScript, so Node runs it."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from dev.paths import ROOT

FILES = sorted((ROOT / "n8n").glob("*.json"))
NODE = shutil.which("node")
PROGRAM = """
const { code, items } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const $input = { all: () => items.map((json) => ({ json })) };
const result = new Function('$input', '$json', code)($input, items[0]);
process.stdout.write(JSON.stringify(result));
"""

type Json = dict[str, Any]

needs_node = pytest.mark.skipif(NODE is None, reason="Node is missing, which runs what n8n's nodes say")


def workflow(name: str) -> Json:
    return json.loads((ROOT / "n8n" / f"{name}.json").read_text())


def node(of: Json, name: str) -> Json:
    (found,) = [node for node in of["nodes"] if node["name"] == name]
    return found


def evaluated(expression: str, item: Json) -> Any:
    """What `={{ ... }}` is for an item. `$json` is all that it knows of n8n."""
    assert expression.startswith("={{") and expression.endswith("}}"), expression
    return run(f"return {expression[3:-2]}", [item])


def lists_of(of: Json, pages: list[Json]) -> list[Json]:
    """What the Code node Fit makes of them."""
    return [item["json"] for item in run(node(of, "Fit")["parameters"]["jsCode"], pages)]


def posted(of: Json, item: Json) -> str:
    """The body that the node Report sends of an item."""
    return evaluated(node(of, "Report")["parameters"]["jsonBody"], item)


def run(code: str, items: list[Json]) -> Any:
    assert NODE
    sent = json.dumps({"code": code, "items": items})
    ended = subprocess.run([NODE, "-e", PROGRAM], input=sent, capture_output=True, text=True, check=True)
    return json.loads(ended.stdout)
