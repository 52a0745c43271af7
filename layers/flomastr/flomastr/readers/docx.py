"""DOCX: headings, lists, tables and notes as Markdown, by way of HTML."""

from io import BytesIO
from typing import Any

import mammoth

from flomastr.readers import zips
from flomastr.readers.extracted import Budget, Extracted, Part, written
from flomastr.readers.texts import markdown

MAMMOTH: Any = mammoth  # which has no types


def read(data: bytes) -> Extracted:
    """Raises UnprocessableError, and other errors for what is no DOCX."""
    zips.opened(data).getinfo("word/document.xml")
    page = MAMMOTH.convert_to_html(BytesIO(data), convert_image=no_image, external_file_access=False).value
    return written(Extracted([Part(Budget().take(markdown(page)))], "markdown"))


def no_image(image: Any) -> list[Any]:
    """Its text stands for it, where it has one."""
    return [MAMMOTH.html.text(image.alt_text)] if image.alt_text else []
