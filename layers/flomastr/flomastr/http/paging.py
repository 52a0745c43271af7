"""Pages by keyset: newest first, at most 250 rows, and a signed cursor that only fits the list it came from."""

import base64
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import takewhile
from typing import Annotated, Any, LiteralString, cast
from urllib.parse import quote, urlencode
from uuid import UUID

from fastapi import Depends, Header, Request, Response
from fastapi import Query as QueryParameter
from pydantic import BaseModel
from pydantic_core import to_json

from flomastr.database.query import Count, Query
from flomastr.database.session import Database
from flomastr.errors import BadRequestError, ErrorCode
from flomastr.http.etags import ListItem
from flomastr.settings import signing_key

MAX_PAGE_BYTES = 4_000_000
# of a row in a page, what the rows before it weigh
ROWS_BEFORE = "ORDER BY id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
POSITION = {"cursor", "limit", "offset"}  # what says where in a list; all else says which list


def keyset(id: LiteralString) -> LiteralString:
    """What ends a list's statement, after WHERE or AND, by its column. Its parameters are those of PageRequest."""
    return f"""
      (%(after)s::uuid IS NULL OR {id} < %(after)s) ORDER BY {id} DESC LIMIT %(limit)s + 1 OFFSET %(offset)s
    """


KEYSET = keyset("id")


def as_many_as_fit(columns: LiteralString, rows: LiteralString, name: LiteralString) -> LiteralString:
    """Of rows with `bytes_before` those that fit into %(max_bytes)s, and one more as the sign of a next page.

    It is marked, as what Postgres writes has other bytes than the answer. `name` is how the columns name the rows.
    """
    return f"""
        SELECT {columns}, coalesce({name}.bytes_before > %(max_bytes)s, false) AS is_sign
        FROM (
          SELECT r.*, lag(r.bytes_before) OVER (ORDER BY r.id DESC) AS bytes_before_last FROM ({rows}) AS r
        ) AS {name}
        WHERE coalesce({name}.bytes_before_last, 0) <= %(max_bytes)s
        ORDER BY {name}.id DESC
    """


@dataclass(frozen=True)
class PageRequest:
    limit: int
    offset: int
    after: UUID | None  # the last id of the page before
    counts: bool
    path: str  # as a header can carry it: ids of people hold any characters
    list_query: str  # the list's own query string
    tenant: str  # as X-Tenant names it

    def params(self) -> dict[str, Any]:
        """Those of KEYSET."""
        return {"limit": self.limit, "offset": self.offset, "after": self.after}

    def next_link(self, last: UUID) -> str:
        """The Link header of the page after the row with this id, for this list and tenant alone."""
        list_query = f"{self.list_query}&" if self.list_query else ""
        cursor = signed(last, self.path, self.list_query, self.tenant)
        return f'<{self.path}?{list_query}limit={self.limit}&cursor={cursor}>; rel="next"'

    def of[Row: ListItem](
        self,
        newest: Query[Row],
        count: Query[Count],
        db: Database,
        response: Response,
        parent: Query[Any] | None = None,
        complete: Callable[[list[Row]], list[Row]] = list,
    ) -> list[Row]:
        """The page of a list as its answer, written into JSON once: what weighs it is sent, and FastAPI passes it on.

        `complete` adds what the database has not. Raises NotFoundError where the list is empty and so is `parent`, a
        query for what the list belongs to.
        """
        page, text = self.written(complete(self.fetched(newest, count, db, response)), response)
        if parent and not page:
            db.counted.one(parent)
        return cast(Any, Response(text, headers=response.headers, media_type="application/json"))

    def fetched[Row: ListItem](
        self, newest: Query[Row], count: Query[Count], db: Database, response: Response
    ) -> list[Row]:
        """The page and the row beyond it, and its count, if it was asked for, in the same round trip."""
        if not self.counts:
            return db.all(newest)
        rows, (total,) = db.both(newest, count)
        response.headers["X-Total-Count"] = str(total.count)
        return rows

    def cut[Row: ListItem](self, rows: Sequence[Row], response: Response) -> list[Row]:
        """The page. A row beyond it means that there is a next page."""
        page, _ = self.written(rows, response)
        return page

    def written[Row: ListItem](self, rows: Sequence[Row], response: Response) -> tuple[list[Row], bytes]:
        """The page and its JSON, cut where Lambda can answer no more. Sets Link where there is a next page."""
        page = list(takewhile(lambda row: not row.is_sign, rows[: self.limit]))
        text = to_json(page)
        if weight(text) > MAX_PAGE_BYTES:
            page = page[: fitting(page)]
            text = to_json(page)
        if len(rows) > len(page):
            response.headers["Link"] = self.next_link(page[-1].sort_key)
        return page, text


def fitting(rows: Sequence[BaseModel]) -> int:
    """How many of the first rows Lambda can answer. Always one."""
    total = 0
    for index, row in enumerate(rows):
        total += weight(to_json(row))
        if index and total > MAX_PAGE_BYTES:
            return index
    return len(rows)


def weight(text: bytes) -> int:
    """Bytes of an answer, which Lambda writes into JSON as a text."""
    return len(text) + text.count(b'"') + text.count(b"\\")


async def page_request(
    request: Request,
    limit: Annotated[int, QueryParameter(ge=1, le=250)] = 50,
    offset: Annotated[int, QueryParameter(ge=0, le=10_000, description="For old clients: prefer Link.")] = 0,
    cursor: Annotated[str | None, QueryParameter(max_length=200, description="From a Link header.")] = None,
    prefer: Annotated[str | None, Header(description="`count=exact` adds X-Total-Count.")] = None,
) -> PageRequest:
    """Which page the query asks for. Raises BadRequestError for a cursor that is not this list's."""
    path, tenant = quote(request.url.path), request.headers.get("x-tenant", "")
    list_query = urlencode(sorted((k, v) for k, v in request.query_params.multi_items() if k not in POSITION))
    after = verified(cursor, path, list_query, tenant) if cursor else None
    return PageRequest(limit, offset, after, "count=exact" in (prefer or ""), path, list_query, tenant)


Page = Annotated[PageRequest, Depends(page_request)]


def signed(last: UUID, *list_name: str) -> str:
    """The cursor of a page that goes on after this id, in the list that these names tell from all others."""
    signature = hmac.digest(signing_key(), " ".join((str(last), *list_name)).encode(), sha256)[:16]
    return base64.urlsafe_b64encode(last.bytes + signature).decode()


def verified(cursor: str, *list_name: str) -> UUID:
    """The id in a cursor. Raises BadRequestError unless `signed` has made it of the same list."""
    try:
        last = UUID(bytes=base64.urlsafe_b64decode(cursor)[:16])
    except ValueError:
        raise invalid_cursor() from None
    if not hmac.compare_digest(cursor, signed(last, *list_name)):
        raise invalid_cursor()
    return last


def invalid_cursor() -> BadRequestError:
    return BadRequestError(
        "query.cursor does not belong to this list. Start again without it.", ErrorCode.INVALID_CURSOR
    )
