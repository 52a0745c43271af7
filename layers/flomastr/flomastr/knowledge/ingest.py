"""Documents of knowledge bases: what is sent, and the passages that it is cut into."""

from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import to_json

from flomastr.errors import UnprocessableError
from flomastr.http.fields import MAX_TINY_METADATA, Body, DocumentName, TinyMetadata, Title
from flomastr.http.patterns import NO_NUL, VISIBLE
from flomastr.knowledge.chunking import CHUNKER, Chunk, chunks_of_markdown, chunks_of_text, without_images
from flomastr.knowledge.front_matter import front_matter
from flomastr.knowledge.html import MAX_CONTENT, markdown_of, title_of

MAX_CONTENTS = 750_000  # characters of all documents of one request
MAX_CHUNKS = 600  # of one request

type ContentType = Literal["text", "markdown", "html"]

EMPTY: dict[ContentType, str] = {
    "text": "has no text",
    "markdown": "has no text",
    "html": "has no text: what scripts write and what pictures show is not read",
}


Content = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CONTENT, pattern=NO_NUL)]
ChunkText = Annotated[str, StringConstraints(min_length=1, max_length=8000, pattern=VISIBLE)]


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
    """A document as app.store_documents takes it. Positions count in its content.

    Where the request says nothing of title and metadata, they are those of a page's head or of front matter.
    """

    name: str
    title: str | None
    content_type: str
    content: str | None
    metadata: dict[str, Any]
    content_hash: str
    chunker: str
    chunks: list[dict[str, Any]]


@dataclass(frozen=True)
class Read:
    """What a document's content says: its text, passages, and what it says of itself."""

    content: str | None
    chunks: list[Chunk]
    title: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


def cut(name: str, document: NewDocument, where: str = "body") -> CutDocument:
    """A document as passages. `where` names it in the UnprocessableError that one without or of too many raises."""
    if document.chunks:
        return ready_made(name, document, document.chunks)
    read = reading(document, where)
    if not read.chunks:
        raise UnprocessableError(f"{where}.content: {EMPTY[document.content_type]}")
    if len(read.chunks) > MAX_CHUNKS:
        raise UnprocessableError(f"{where}.content: is {len(read.chunks):,} passages, and may be {MAX_CHUNKS:,}")
    title = document.title or read.title
    both = read.metadata | document.metadata
    return CutDocument(
        name=name,
        title=title,
        content_type=document.content_type,
        content=read.content,
        metadata=both if len(to_json(both)) <= MAX_TINY_METADATA else document.metadata,
        content_hash=hash_of(document),
        chunker=CHUNKER,
        chunks=[stored(chunk, title) for chunk in read.chunks],
    )


def hash_of(document: NewDocument) -> str:
    as_sent = document.model_dump_json(include={"content", "content_type", "chunks"})
    return sha256(as_sent.encode()).hexdigest()


def cut_all(documents: list[NamedDocument]) -> list[CutDocument]:
    """The documents of a batch as passages. Raises UnprocessableError for what cannot be read, and for too many."""
    done = [cut(one.name, one, f"body.documents.{index}") for index, one in enumerate(documents)]
    if (total := sum(len(document.chunks) for document in done)) > MAX_CHUNKS:
        raise UnprocessableError(f"body.documents: are {total:,} passages, and may be {MAX_CHUNKS:,} at once")
    return done


def reading(document: NewDocument, where: str) -> Read:
    """Raises UnprocessableError for HTML that cannot be read."""
    content = document.content or ""
    match document.content_type:
        case "text":
            return Read(content, chunks_of_text(content))
        case "markdown":
            content = without_images(content)
            metadata, begin = front_matter(content)
            title = metadata.get("title")
            return Read(
                content, chunks_of_markdown(content, begin), title[:1000] if isinstance(title, str) else None, metadata
            )
        case "html":
            try:
                markdown = markdown_of(content)
            except ValueError as error:
                raise UnprocessableError(f"{where}.content: {error}") from error
            return Read(markdown, chunks_of_markdown(markdown), title_of(content))


def stored(chunk: Chunk, title: str | None) -> dict[str, Any]:
    above = [title] if title and title not in chunk.headings else []
    return {
        "text": chunk.text,
        "start": chunk.start,
        "end": chunk.end,
        "metadata": {"headings": chunk.headings} if chunk.headings else {},
        "context": "\n".join([*above, *chunk.context]),
    }


def ready_made(name: str, document: NewDocument, chunks: list[NewChunk]) -> CutDocument:
    """Passages as the client cut them. Positions count in the passage's own text."""
    title = document.title or ""
    return CutDocument(
        name=name,
        title=document.title,
        content_type="chunks",
        content=None,
        metadata=document.metadata,
        content_hash=hash_of(document),
        chunker="none",
        chunks=[
            {"text": c.text, "start": 0, "end": len(c.text), "metadata": c.metadata, "context": title} for c in chunks
        ],
    )
