"""PPTX: each slide with its title, its texts and tables from top to bottom, and its notes."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any

import pptx
from pptx.enum.shapes import MSO_SHAPE_TYPE

from flomastr.readers import zips
from flomastr.readers.extracted import Budget, Extracted, Part, written
from flomastr.readers.sheets import lines, one_line

GROUP: Any = MSO_SHAPE_TYPE.GROUP


def read(data: bytes) -> Extracted:
    """Raises UnprocessableError, and other errors for what is no PPTX."""
    zips.opened(data)
    presentation: Any = pptx.Presentation(BytesIO(data))
    budget = Budget()
    parts = [Part(slide(one, budget), number) for number, one in enumerate(presentation.slides, 1)]
    return written(Extracted(parts, "markdown", "slides", presentation.core_properties.title or None))


def slide(one: Any, budget: Budget) -> str:
    title = one.shapes.title
    heading = one_line(title.text_frame.text) if title is not None else ""
    texts = [budget.take(f"# {heading}")] if heading else []
    texts += [text for shape in shapes(one.shapes) if shape != title for text in texts_of(shape, budget)]
    if one.has_notes_slide and (notes := one.notes_slide.notes_text_frame):
        texts.append(budget.take(notes.text))
    return "\n\n".join(text.strip() for text in texts if text.strip())


def shapes(found: Iterable[Any]) -> Iterator[Any]:
    """Those of groups among them, as they stand on the slide."""
    for shape in sorted(found, key=lambda one: (one.top or 0, one.left or 0)):
        if shape.shape_type == GROUP:
            yield from shapes(shape.shapes)
        else:
            yield shape


def texts_of(shape: Any, budget: Budget) -> Iterator[str]:
    if shape.has_text_frame:
        yield budget.take("\n".join(paragraph.text for paragraph in shape.text_frame.paragraphs))
    if getattr(shape, "has_table", False):
        yield "".join(lines(([cell.text for cell in row.cells] for row in shape.table.rows), budget))
