"""An answer of analytics: JSON, or its rows as CSV for who accepts that, kept for half a minute and with an ETag."""

import csv
import re
from collections.abc import Sequence
from hashlib import md5
from io import StringIO
from typing import Annotated, Any, cast

from fastapi import Depends, Header, Response
from pydantic import BaseModel

from flomastr.errors import NotModifiedError
from flomastr.http.etags import IfNoneMatch

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # which a spreadsheet would carry out


class Answering:
    """How the caller wants the answer, and which it has already."""

    def __init__(self, known: list[str], accept: str, response: Response):
        self.known = known
        self.response = response
        self.as_csv = any(map(wants_csv, accept.split(",")))

    def __call__[Body: BaseModel](self, body: Body, rows: Sequence[BaseModel]) -> Body:
        text = table(rows) if self.as_csv else body.model_dump_json(by_alias=True)
        etag = md5(text.encode(), usedforsecurity=False).hexdigest()
        headers = {
            "ETag": f'"{etag}"',
            "Cache-Control": "private, max-age=30",
            "Vary": "Authorization, X-Tenant, Accept",
        }
        if etag in self.known or "*" in self.known:
            raise NotModifiedError(headers=headers)
        self.response.headers.update(headers)
        return cast(
            Any,
            Response(text, headers=self.response.headers, media_type="text/csv" if self.as_csv else "application/json"),
        )


def wants_csv(accepted: str) -> bool:
    """One media range of an Accept header: text/csv, unless its weight is 0."""
    media, *parameters = (part.strip().lower() for part in accepted.split(";"))
    return media == "text/csv" and not any(re.fullmatch(r"q=0(\.0*)?", parameter) for parameter in parameters)


async def answering(
    response: Response,
    known: IfNoneMatch,
    accept: Annotated[str, Header(description="`text/csv` answers a table.")] = "application/json",
) -> Answering:
    return Answering(known, accept, response)


Answer = Annotated[Answering, Depends(answering)]
CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


def table(rows: Sequence[BaseModel]) -> str:
    """CSV (RFC 4180) with the names of the fields; a list is joined by blanks."""
    written = StringIO()
    writer = csv.writer(written)
    flat = [flattened(row.model_dump(mode="json", by_alias=True)) for row in rows]
    if flat:
        writer.writerow(flat[0])
    writer.writerows(row.values() for row in flat)
    return written.getvalue()


def flattened(row: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            inner = cast(dict[str, Any], value)
            fields |= {f"{name}_{part}": cell(field) for part, field in inner.items()}
        else:
            fields[name] = cell(value)
    return fields


def cell(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join(map(str, cast(list[Any], value)))
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value
