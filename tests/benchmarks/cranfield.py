"""Cranfield: 1,400 abstracts on aerodynamics, 225 questions, and which abstracts people judged to answer which."""

import json
from collections.abc import Iterable, Sequence
from itertools import batched
from math import log2
from typing import Any

import pytest

from dev.paths import ROOT
from tests.benchmarks.searching import Question

FOLDER = ROOT.parent / "shared" / "data" / "cranfield"
needs_cranfield = pytest.mark.skipif(
    not FOLDER.exists(), reason=f"Cranfield is missing: put its three files in {FOLDER}"
)

type Ranking = Sequence[str]  # names of documents, the best first


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text().splitlines()]


def batches() -> Iterable[list[dict[str, str]]]:
    """The documents as requests have them, some each. Two have no text."""
    for rows in batched((row for row in lines("documents.jsonl") if row["text"].strip()), 25, strict=False):
        yield [{"name": str(row["id"]), "content": f"{row['title']}\n\n{row['text']}"} for row in rows]


def questions() -> list[Question]:
    relevant: dict[int, set[str]] = {}
    for row in lines("relevance.jsonl"):
        if row["grade"] >= 1:
            relevant.setdefault(row["query"], set()).add(str(row["document"]))
    return [Question(row["text"], frozenset(relevant[row["id"]])) for row in lines("queries.jsonl")]


def ndcg(ranking: Ranking, relevant: frozenset[str], at: int = 10) -> float:
    gained = sum(1 / log2(index + 2) for index, name in enumerate(ranking[:at]) if name in relevant)
    return gained / sum(1 / log2(index + 2) for index in range(min(at, len(relevant))))


def recall(ranking: Ranking, relevant: frozenset[str], at: int = 100) -> float:
    return len(relevant.intersection(ranking[:at])) / len(relevant)
