"""`python -m dev evaluate`: how well search answers questions about these docs, by the API of the running platform."""

import json
from itertools import batched
from pathlib import Path

from rich.progress import Progress
from rich.table import Table

from dev.console import console
from dev.paths import ROOT
from dev.samples.knowledge_api import Api, Json, new_base, wait_for
from dev.samples.load_demo import TENANT
from dev.samples.people import OWNER
from dev.services.oidc_issuer import Identity

QUESTIONS = Path(__file__).with_name("questions.json")
DOCUMENTS = 10  # of a request


def evaluate(port: int, data: Path) -> None:
    """Put docs/ into a base of its own, ask what people ask, and print the table."""
    api = Api(f"127.0.0.1:{port}", Identity(data).token(OWNER.id, OWNER.email))
    base = new_base(api, "Documentation")
    documents = list(map(_document, sorted((ROOT / "docs").rglob("*.md"))))
    with Progress(console=console) as progress:
        embedded = progress.add_task("  Embedding documents", total=len(documents))
        for batch in batched(documents, DOCUMENTS, strict=False):
            api.ask("POST", f"/routes/knowledge-bases/{base}/documents/batch", {"documents": batch})
        wait_for(api, f"/routes/knowledge-bases/{base}", progress, embedded, len(documents))
    asked = json.loads(QUESTIONS.read_text())
    answer, _ = api.ask("POST", f"/routes/knowledge/{TENANT}/evaluate?knowledge_base_id={base}", asked)
    console.print(_table(answer))


def _document(page: Path) -> Json:
    name = str(page.relative_to(ROOT / "docs"))
    return {"name": name, "content": page.read_text(), "content_type": "markdown"}


def _table(answer: Json) -> Table:
    columns = ("mode", "first right", "of 5", "of 10", "nDCG@10", "MRR", "min_score", "answered")
    table = Table(*columns, title=f"{answer['questions']} questions, precision 0.9")
    for mode, found in answer["modes"].items():
        measured = [found[name] for name in ("success_at_1", "success_at_5", "success_at_10", "ndcg_at_10", "mrr")]
        sure = (
            ("never", "")
            if found["min_score"] is None
            else (f"{found[name]:.2f}" for name in ("min_score", "answered"))
        )
        table.add_row(mode, *(f"{value:.2f}" for value in measured), *sure)
    return table
