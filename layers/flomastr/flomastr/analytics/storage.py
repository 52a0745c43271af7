"""What tenants keep, hot and archived, by kind, and how it grows. From measurements of a job: no table is read."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import Query as QueryParameter
from pydantic import BaseModel, Field, model_validator

from flomastr.analytics.storage_sizes import OF_ALL, OF_TENANT, TENANTS, kinds
from flomastr.database.query import Query
from flomastr.database.session import Database

type StoredKind = Literal["workflow_executions", "webchat_sessions", "documents", "chunks", "embeddings"]
type StorageTier = Literal["hot", "cold", "all"]
type StorageSort = Literal["bytes", "rows", "growth", "limit", "vectors"]


class Filter(BaseModel):
    """`limit_bytes` of the tier: without it nothing runs full. Growth is counted over at most so many `days`."""

    tier: StorageTier = "all"
    limit_bytes: Annotated[int | None, Field(ge=1, le=10**18)] = None
    days: Annotated[int, Field(ge=1, le=30)] = 7


class PlatformFilter(Filter):
    sort: StorageSort = "bytes"
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0

    @model_validator(mode="after")
    def has_a_limit(self) -> Self:
        if self.sort == "limit" and self.limit_bytes is None:
            raise ValueError("sort=limit needs limit_bytes")
        return self


class Size(BaseModel):
    """Hot bytes are those of rows as they are stored, without indexes; cold bytes are those of files.

    Growth is null where nothing was measured before. What is rehydrated is hot and cold.
    """

    hot_rows: int
    hot_bytes: int
    cold_rows: int
    cold_bytes: int
    vectors: int
    hot_bytes_per_day: float | None
    cold_bytes_per_day: float | None


class Total(Size):
    """`days_until_limit`: until the tier has `limit_bytes` if it goes on like this; 0 if it has; null: never."""

    days_until_limit: float | None


class KindSize(Size):
    kind: StoredKind


class TenantSize(Total):
    tenant_id: UUID
    slug: str
    name: str
    deleted_at: datetime | None  # its rows are there until it is erased
    kinds: list[KindSize]


class KindOfTenant(BaseModel):
    """A row of a table."""

    tenant_id: UUID
    slug: str
    size: KindSize


class Storage(BaseModel):
    """As it was at `as_of`, null if nothing was measured yet. Growth is since `since`."""

    as_of: datetime | None
    since: datetime | None
    tier: StorageTier
    limit_bytes: int | None
    totals: Total
    kinds: list[KindSize]


class PlatformStorage(Storage):
    """`tenant_count` in all, and those of the page: the highest first, or the soonest at the limit."""

    sort: StorageSort
    tenant_count: int
    tenants: list[TenantSize]

    def rows(self) -> list[KindOfTenant]:
        return [
            KindOfTenant(tenant_id=tenant.tenant_id, slug=tenant.slug, size=kind)
            for tenant in self.tenants
            for kind in tenant.kinds
        ]


class Found(KindSize):
    """Of all tenants that are to be seen."""

    as_of: datetime | None
    since: datetime | None
    tenant_count: int


class FoundOfTenant(KindSize):
    tenant_id: UUID
    slug: str
    name: str
    deleted_at: datetime | None


Matching = Annotated[Filter, QueryParameter()]
PlatformMatching = Annotated[PlatformFilter, QueryParameter()]


def storage(db: Database, asked: Filter) -> Storage:
    """One round trip: of the tenant."""
    return summed(db.all(Query(kinds(OF_TENANT), asked.model_dump(), Found)), asked)


def platform_storage(db: Database, asked: PlatformFilter) -> PlatformStorage:
    """One round trip: of all tenants together, and of each on the page."""
    params = asked.model_dump()
    of_all, found = db.both(Query(kinds(OF_ALL), params, Found), Query(TENANTS, params, FoundOfTenant))
    of_tenants = [list(rows) for _, rows in groupby(found, lambda row: row.tenant_id)]
    return PlatformStorage(
        **summed(of_all, asked).model_dump(),
        sort=asked.sort,
        tenant_count=of_all[0].tenant_count,
        tenants=[tenant(rows, asked) for rows in of_tenants],
    )


def summed(kinds: Sequence[Found], asked: Filter) -> Storage:
    return Storage(
        as_of=kinds[0].as_of,
        since=kinds[0].since,
        tier=asked.tier,
        limit_bytes=asked.limit_bytes,
        totals=total(kinds, asked),
        kinds=[KindSize.model_validate(row, from_attributes=True) for row in kinds],
    )


def tenant(kinds: Sequence[FoundOfTenant], asked: Filter) -> TenantSize:
    return TenantSize(
        **kinds[0].model_dump(include={"tenant_id", "slug", "name", "deleted_at"}),
        **total(kinds, asked).model_dump(),
        kinds=[KindSize.model_validate(row, from_attributes=True) for row in kinds],
    )


def total(kinds: Sequence[KindSize], asked: Filter) -> Total:
    size = Size(
        hot_rows=sum(kind.hot_rows for kind in kinds),
        hot_bytes=sum(kind.hot_bytes for kind in kinds),
        cold_rows=sum(kind.cold_rows for kind in kinds),
        cold_bytes=sum(kind.cold_bytes for kind in kinds),
        vectors=sum(kind.vectors for kind in kinds),
        hot_bytes_per_day=growth(kind.hot_bytes_per_day for kind in kinds),
        cold_bytes_per_day=growth(kind.cold_bytes_per_day for kind in kinds),
    )
    return Total(**size.model_dump(), days_until_limit=days_until_limit(size, asked))


def growth(of_kinds: Iterable[float | None]) -> float | None:
    known = [each for each in of_kinds if each is not None]
    return sum(known) if known else None


def days_until_limit(size: Size, asked: Filter) -> float | None:
    hot, cold = asked.tier != "cold", asked.tier != "hot"
    stored = size.hot_bytes * hot + size.cold_bytes * cold
    if asked.limit_bytes is None:
        return None
    if stored >= asked.limit_bytes:
        return 0
    per_day = (size.hot_bytes_per_day or 0) * hot + (size.cold_bytes_per_day or 0) * cold
    return round((asked.limit_bytes - stored) / per_day, 1) if per_day > 0 else None
