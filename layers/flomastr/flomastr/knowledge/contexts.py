"""What stands around results, whose text comes once where several share it."""

from collections.abc import Iterable
from typing import Protocol
from uuid import UUID

from pydantic import BaseModel, Field


class Context(BaseModel):
    """Passages that follow each other: `content[start:end]`, or ready-made ones with an empty line between them."""

    first_index: int
    last_index: int
    start: int | None
    end: int | None
    text: str | None = Field(description="With the best of the results that share this context.")


class Row(Protocol):
    knowledge_base_id: UUID
    document_name: str
    context: Context | None


def place_texts(rows: Iterable[Row]) -> None:
    """Puts each text where the best of the results that share it now is."""
    sharing: dict[tuple[UUID, str, int], list[Context]] = {}
    for row in rows:
        if row.context:
            place = (row.knowledge_base_id, row.document_name, row.context.first_index)
            sharing.setdefault(place, []).append(row.context)
    for first, *others in sharing.values():
        first.text = next((context.text for context in (first, *others) if context.text is not None), None)
        for other in others:
            other.text = None
