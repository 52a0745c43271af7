"""An extracted file as a document whose passages say on which page, slide or sheet they stand."""

from hashlib import sha256
from itertools import accumulate
from typing import Any

from pydantic_core import to_json

from flomastr.errors import ErrorCode, UnprocessableError
from flomastr.knowledge.chunking import without_images
from flomastr.knowledge.ingest import CutDocument, NewDocument, cut
from flomastr.readers.extracted import MAX_TEXT, Extracted, Part, too_much_text

BETWEEN = "\n\n"
MAX_PLACES = 100  # of a passage, which short sheets and slides could exceed


def cut_file(name: str, title: str | None, extracted: Extracted, metadata: dict[str, Any] | None = None) -> CutDocument:
    """As a document of that text is cut. Raises UnprocessableError for one without text, and of too many passages."""
    parts = [Part(without_images(part.text), part.place) for part in extracted.parts if part.text.strip()]
    if not parts:
        raise UnprocessableError("The file has no text.", ErrorCode.FILE_WITHOUT_TEXT)
    content = BETWEEN.join(part.text for part in parts)
    if len(content) > MAX_TEXT:
        raise too_much_text()
    sent = NewDocument(content=content, content_type=extracted.content_type, title=title, metadata=metadata or {})
    document = cut(name, sent, "file")
    if not extracted.places:
        return document
    starts = list(accumulate((len(part.text) + len(BETWEEN) for part in parts), initial=0))
    for chunk in document.chunks:
        places = [p.place for p, start in zip(parts, starts, strict=False) if overlaps(chunk, start, len(p.text))]
        chunk["metadata"] |= {extracted.places: places[:MAX_PLACES]}
    where = to_json([part.place for part in parts])
    return document.model_copy(update={"content_hash": sha256(document.content_hash.encode() + where).hexdigest()})


def overlaps(chunk: dict[str, Any], start: int, length: int) -> bool:
    return chunk["start"] < start + length and start < chunk["end"]
