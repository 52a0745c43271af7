"""The questions of `python -m dev evaluate`: each is answered by a page that there is."""

import json

from dev.paths import ROOT
from dev.samples.evaluate_knowledge import QUESTIONS


def test_each_question_is_answered_by_pages_of_the_docs() -> None:
    questions = json.loads(QUESTIONS.read_text())
    assert len({question["query"] for question in questions}) == 24
    pages = {expected["document_name"] for question in questions for expected in question["expected"]}
    assert pages <= {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
