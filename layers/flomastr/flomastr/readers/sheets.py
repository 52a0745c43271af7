"""XLSX and CSV: each sheet is a table of Markdown under its name."""

import csv
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from io import BytesIO, StringIO
from itertools import islice
from typing import Any

import python_calamine

from flomastr.readers import zips
from flomastr.readers.extracted import MAX_TEXT, Budget, Extracted, Part, written
from flomastr.readers.texts import decoded

DELIMITERS = ",;\t|"
CALAMINE: Any = python_calamine  # whose types are unknown in part
SAMPLE = 5000  # characters by which the delimiter is known
MAX_COLUMNS = 1000
MAX_NAME = 100  # characters of a sheet's; spreadsheets allow 31


def read(data: bytes) -> Extracted:
    """Raises UnprocessableError, and other errors for what is no XLSX."""
    zips.opened(data)
    workbook, budget = CALAMINE.load_workbook(BytesIO(data)), Budget()
    parts = [sheet(name, workbook.get_sheet_by_name(name).iter_rows(), budget) for name in workbook.sheet_names]
    return written(Extracted(parts, "markdown", "sheets"))


def read_csv(data: bytes) -> Extracted:
    """Raises UnprocessableError."""
    text = decoded(data)
    csv.field_size_limit(MAX_TEXT)  # beside its own 131,072 characters
    rows = csv.reader(StringIO(text, newline=""), delimiter=delimiter_of(text[:SAMPLE]))
    return written(Extracted([Part("".join(lines(rows, Budget())))], "markdown"))


def delimiter_of(sample: str) -> str:
    try:
        return csv.Sniffer().sniff(sample, DELIMITERS).delimiter
    except csv.Error:
        return max(DELIMITERS, key=sample.partition("\n")[0].count)


def sheet(name: str, rows: Iterable[list[Any]], budget: Budget) -> Part:
    table, title = "".join(lines(rows, budget)), one_line(name)[:MAX_NAME]
    return Part(budget.take(f"# {title}\n\n") + table if table else "", title)


def lines(rows: Iterable[list[Any]], budget: Budget) -> Iterator[str]:
    """A table: the first row that has something is its head. Empty rows and what is empty at the right are left out."""
    width = 0
    for row in rows:
        cells = [cell(value) for value in islice(row, MAX_COLUMNS)]
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            continue
        line = budget.take(f"| {' | '.join(cells)} |\n")
        yield line if width else line + budget.take("|" + " --- |" * len(cells) + "\n")
        width = len(cells)


def cell(value: Any) -> str:
    """As a person would write it: 3 for 3.0, and a moment without its midnight."""
    match value:
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case datetime() if (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0):
            return value.date().isoformat()
        case datetime() | date():
            return value.isoformat()
        case _:
            return one_line(str(value)).replace("|", "\\|")


def one_line(text: str) -> str:
    """The text without line breaks and other runs of space."""
    return " ".join(text.split())
