"""Documents of knowledge bases: what is sent, and the passages that it is cut into."""

from collections import Counter
from hashlib import sha256
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from flomastr.errors import UnprocessableError
from flomastr.http.fields import Body, DocumentName, JsonObject, at_most
from flomastr.http.patterns import NO_NUL, VISIBLE
from flomastr.knowledge.chunking import CHUNKER, MAX_CONTENT, Chunk, chunks_of_markdown, chunks_of_text, markdown_of

MAX_CONTENTS = 750_000  # characters of all documents of one request
MAX_CHUNKS = 600  # of one request
MAX_METADATA = 10_000  # bytes of JSON; up to about 4,000 it lies beside the vector, in the same page

type ContentType = Literal["text", "markdown", "html"]


Title = Annotated[str, StringConstraints(max_length=1000, pattern=NO_NUL)]
Content = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CONTENT, pattern=NO_NUL)]
ChunkText = Annotated[str, StringConstraints(min_length=1, max_length=8000, pattern=VISIBLE)]
TinyMetadata = Annotated[JsonObject, at_most(MAX_METADATA)]


class NewChunk(Body):
    text: ChunkText
    metadata: TinyMetadata = Field(default={})


class NewDocument(Body):
    """Its content, to be cut into passages, or the passages themselves."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["content"], "properties": {"content": {"type": "string"}}},
                {"required": ["chunks"], "properties": {"chunks": {"type": "array", "items": {}}}},
            ]
        }
    )

    content: Content | None = None
    content_type: ContentType = "text"
    chunks: Annotated[list[NewChunk], Field(min_length=1, max_length=MAX_CHUNKS)] | None = None
    title: Title | None = None
    metadata: TinyMetadata = Field(default={})

    @model_validator(mode="after")
    def has_content_or_chunks(self) -> Self:
        if (self.content is None) == (self.chunks is None):
            raise ValueError("content or chunks is required, and not both")
        if self.length > MAX_CONTENT:
            raise ValueError(f"holds {self.length:,} characters of chunks, and may hold {MAX_CONTENT:,}")
        return self

    @property
    def length(self) -> int:
        return len(self.content or "") + sum(len(chunk.text) for chunk in self.chunks or ())


class NamedDocument(NewDocument):
    name: DocumentName


class DocumentBatch(Body):
    documents: Annotated[list[NamedDocument], Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def is_within_limits(self) -> Self:
        names = [document.name for document in self.documents]
        if repeated := [name for name, times in Counter(names).items() if times > 1]:
            raise ValueError(f"holds two documents of the name {repeated[0]}")
        if sum(document.length for document in self.documents) > MAX_CONTENTS:
            raise ValueError(f"holds more than {MAX_CONTENTS:,} characters: send fewer documents at once")
        return self


class CutDocument(BaseModel):
    """A document as app.store_documents takes it. Positions count in its content."""

    name: str
    title: str | None
    content_type: str
    content: str | None
    metadata: dict[str, Any]
    content_hash: str
    chunker: str
    chunks: list[dict[str, Any]]


def cut(name: str, document: NewDocument, field: str = "body") -> CutDocument:
    """A document as passages. `field` names it in the UnprocessableError that one of too many passages raises."""
    content, chunks = passages(document, field)
    if len(chunks) > MAX_CHUNKS:
        raise UnprocessableError(f"{field}.content: is {len(chunks):,} passages, and may be {MAX_CHUNKS:,}")
    as_sent = document.model_dump_json(include={"content", "content_type", "chunks"})
    return CutDocument(
        name=name,
        title=document.title,
        content_type="chunks" if document.chunks else document.content_type,
        content=content,
        metadata=document.metadata,
        content_hash=sha256(as_sent.encode()).hexdigest(),
        chunker="none" if document.chunks else CHUNKER,
        chunks=chunks,
    )


def cut_all(documents: list[NamedDocument]) -> list[CutDocument]:
    """The documents of a batch as passages. Raises UnprocessableError for what cannot be read, and for too many."""
    done = [cut(d.name, d, f"body.documents.{index}") for index, d in enumerate(documents)]
    if (total := sum(len(document.chunks) for document in done)) > MAX_CHUNKS:
        raise UnprocessableError(f"body.documents: are {total:,} passages, and may be {MAX_CHUNKS:,} at once")
    return done


def passages(document: NewDocument, field: str) -> tuple[str | None, list[dict[str, Any]]]:
    match document:
        case NewDocument(chunks=[_, *_] as chunks):
            return None, ready_made(chunks)
        case NewDocument(content_type="text"):
            return document.content, [stored(chunk) for chunk in chunks_of_text(document.content or "")]
        case _:
            content = markdown(document, field)
            return content, [stored(chunk) for chunk in chunks_of_markdown(content)]


def markdown(document: NewDocument, field: str) -> str:
    """The content as Markdown. Raises UnprocessableError for HTML that cannot be read."""
    if document.content_type == "markdown":
        return document.content or ""
    try:
        return markdown_of(document.content or "")
    except ValueError as error:
        raise UnprocessableError(f"{field}.content: {error}") from error


def stored(chunk: Chunk) -> dict[str, Any]:
    metadata = {"headings": chunk.headings} if chunk.headings else {}
    return {"text": chunk.text, "start": chunk.start, "end": chunk.end, "metadata": metadata}


def ready_made(chunks: list[NewChunk]) -> list[dict[str, Any]]:
    """Chunks as the client cut them. Positions count in the chunk's own text."""
    return [{"text": c.text, "start": 0, "end": len(c.text), "metadata": c.metadata} for c in chunks]
