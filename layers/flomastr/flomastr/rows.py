"""What rows of any noun may be."""

from uuid import UUID

from pydantic import BaseModel


class Count(BaseModel):
    count: int


class Deleted(BaseModel):
    id: UUID


class Nothing(BaseModel):
    """That there is a row."""
