"""PDF: the text of each page, by PDFium."""

import ctypes
import re
from typing import Any

import pypdfium2

from flomastr.errors import ErrorCode, UnprocessableError
from flomastr.readers.extracted import Budget, Extracted, Part, too_large

MAX_PAGES = 2000
HYPHENATED = re.compile(r"[\ufffe\x02]\r?\n?")  # where PDFium found a word that goes on in the next line
NO_TITLES = ("", "untitled", "(anonymous)")  # that programs write where people gave none
SCANNED = "The PDF has no text, as scans have none: run text recognition (OCR) over it, and send it again."
PDFIUM: Any = pypdfium2.raw  # which has no types
LOCKED = (PDFIUM.FPDF_ERR_PASSWORD, PDFIUM.FPDF_ERR_SECURITY)


def read(data: bytes) -> Extracted:
    """Raises UnprocessableError, and PdfiumError for what is no PDF."""
    if b"%%EOF" not in data:
        raise UnprocessableError("The PDF is cut short: it has no end.", ErrorCode.FILE_UNREADABLE)
    document = opened(data)
    if len(document) > MAX_PAGES:
        raise too_large(f"The PDF has {len(document):,} pages, and may have {MAX_PAGES:,}.")
    budget = Budget()
    parts = [Part(budget.take(page(document, index)), index + 1) for index in range(len(document))]
    if not any(part.text.strip() for part in parts):
        raise UnprocessableError(SCANNED, ErrorCode.FILE_WITHOUT_TEXT)
    return Extracted(parts, "text", "pages", title(document))


def opened(data: bytes) -> Any:
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) in LOCKED:
            detail = "The PDF is encrypted. Save it without a password, and send it again."
            raise UnprocessableError(detail, ErrorCode.FILE_ENCRYPTED) from error
        raise


def page(document: Any, index: int) -> str:
    """Its text; nothing of a page that is damaged among others."""
    try:
        text: str = document[index].get_textpage().get_text_bounded()
    except pypdfium2.PdfiumError:
        return ""
    return HYPHENATED.sub("", text).replace("\r\n", "\n")


def title(document: Any) -> str | None:
    size = PDFIUM.FPDF_GetMetaText(document.raw, b"Title", None, 0)
    buffer = ctypes.create_string_buffer(size)
    PDFIUM.FPDF_GetMetaText(document.raw, b"Title", buffer, size)
    found = buffer.raw.decode("utf-16-le", "ignore").strip("\0 ")
    return None if found.lower() in NO_TITLES else found
