"""`python -m dev fill`: a knowledge base of many passages, put in through the API of the running platform."""

import time
from collections.abc import Iterator
from itertools import batched, islice
from pathlib import Path
from random import Random

from rich.progress import Progress

from dev.console import console
from dev.paths import ROOT
from dev.samples.knowledge_api import Api, Json, embedded, new_base, wait_for
from dev.samples.load_demo import TENANT
from dev.samples.people import OWNER
from dev.services.oidc_issuer import Identity

PASSAGES = 20  # of a document
DOCUMENTS = 10  # of a request


def fill(passages: int, port: int, data: Path) -> None:
    """Store them, wait until all are embedded, and say how long each took."""
    api = Api(f"127.0.0.1:{port}", Identity(data).token(OWNER.id, OWNER.email))
    started = time.monotonic()
    base = f"/routes/knowledge-bases/{new_base(api, 'Filled')}"
    documents = list(documents_of(passages))
    with Progress(console=console) as progress:
        stored = progress.add_task("  Storing documents  ", total=len(documents))
        vectors = progress.add_task("  Embedding documents", total=len(documents))
        for batch in batched(documents, DOCUMENTS, strict=False):
            api.ask("POST", f"{base}/documents/batch", {"documents": batch})
            progress.update(stored, advance=len(batch), refresh=True)
            progress.update(vectors, completed=embedded(api, base))
        storing = time.monotonic() - started
        wait_for(api, base, progress, vectors, len(documents))
    all_in_all = time.monotonic() - started
    about, _ = api.ask("GET", base)
    console.print(
        f"{about['total_chunks']:,} passages in {about['document_count']:,} documents: stored after {storing:.0f} s,"
        f" embedded after {all_in_all:.0f} s. The knowledge base is {about['id']}, of tenant {TENANT}."
    )


def documents_of(passages: int) -> Iterator[Json]:
    """As requests have them, with so many passages in all."""
    for index, texts in enumerate(batched(islice(_texts(), passages), PASSAGES, strict=False)):
        yield {"name": f"document-{index:06}", "chunks": [{"text": text} for text in texts]}


def _texts() -> Iterator[str]:
    """Each another one: sentences of the decisions in a new order."""
    text = "\n\n".join(page.read_text() for page in sorted((ROOT / "docs/decisions").glob("0*.md")))
    sentences = [line.strip(" .") for line in text.replace("\n\n", ". ").split(". ") if len(line) > 40]
    random, number = Random(1), 0
    while True:
        number += 1
        yield f"{number}. {'. '.join(random.sample(sentences, 5))}"[:2000]
