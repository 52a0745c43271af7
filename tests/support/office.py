"""Files of other programs as bytes: DOCX, XLSX, EPUB and mails by hand, PPTX by the library that reads it."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

import pptx

XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
SHEET = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONS = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
TYPES = 'xmlns="http://schemas.openxmlformats.org/package/2006/content-types"'
OFFICE = "application/vnd.openxmlformats-officedocument"


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    data = BytesIO()
    with ZipFile(data, "w", ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def relations(**targets: str) -> str:
    """Each is of the type that its id begins with."""
    each = (
        f'<Relationship Id="{id}" Type="{RELATION}/{id.rstrip("0123456789")}" Target="{target}"/>'
        for id, target in targets.items()
    )
    return f"{XML}<Relationships {RELATIONS}>{''.join(each)}</Relationships>"


def docx(*paragraphs: str, body: str = "") -> bytes:
    """Those that begin with # are headings."""
    written = "".join(paragraph(text) for text in paragraphs)
    return docx_of(f"{XML}<w:document {WORD}><w:body>{written}{body}</w:body></w:document>")


def docx_of(document: str) -> bytes:
    part = f'<Override PartName="/word/document.xml" ContentType="{OFFICE}.wordprocessingml.document.main+xml"/>'
    types = f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>{part}'
    return zipped(
        {
            "[Content_Types].xml": f"{XML}<Types {TYPES}>{types}</Types>",
            "_rels/.rels": relations(officeDocument="word/document.xml"),
            "word/document.xml": document,
        }
    )


def paragraph(text: str) -> str:
    words = text.lstrip("# ")
    level = len(text) - len(text.lstrip("#"))
    style = f'<w:pPr><w:pStyle w:val="Heading{level}"/></w:pPr>' if level else ""
    return f"<w:p>{style}<w:r><w:t>{escape(words)}</w:t></w:r></w:p>"


def xlsx(sheets: Mapping[str, Sequence[Sequence[str | float]]]) -> bytes:
    return xlsx_of({name: sheet(rows) for name, rows in sheets.items()})


def xlsx_of(sheets: Mapping[str, str]) -> bytes:
    """Of the XML of each sheet."""
    numbered = list(enumerate(sheets, 1))
    named = "".join(f'<sheet name="{escape(name)}" sheetId="{n}" r:id="worksheet{n}"/>' for n, name in numbered)
    files = {f"xl/worksheets/sheet{n}.xml": sheets[name] for n, name in numbered}
    return zipped(
        {
            "_rels/.rels": relations(officeDocument="xl/workbook.xml"),
            "xl/workbook.xml": f'{XML}<workbook {SHEET} xmlns:r="{RELATION}"><sheets>{named}</sheets></workbook>',
            "xl/_rels/workbook.xml.rels": relations(
                **{f"worksheet{n}": f"worksheets/sheet{n}.xml" for n, _ in numbered}
            ),
            **files,
        }
    )


def sheet(rows: Sequence[Sequence[str | float]]) -> str:
    written = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
    return f"{XML}<worksheet {SHEET}><sheetData>{written}</sheetData></worksheet>"


def cell(value: str | float) -> str:
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f"<c><v>{value}</v></c>"


def slides(titles: Sequence[str], notes: str = "") -> bytes:
    presentation: Any = pptx.Presentation()
    for title in titles:
        one = presentation.slides.add_slide(presentation.slide_layouts[1])
        one.shapes.title.text = title
        one.placeholders[1].text = f"What there is to say of {title.lower()}"
        if notes:
            one.notes_slide.notes_text_frame.text = notes
    data = BytesIO()
    presentation.save(data)
    return data.getvalue()


def epub(*chapters: str, title: str = "A book", within: str = "OEBPS") -> bytes:
    """Of their HTML."""
    names = [f"chapter{n}" for n in range(len(chapters))]
    page = 'media-type="application/xhtml+xml"'
    manifest = "".join(f'<item id="{name}" href="text/{name}.xhtml" {page}/>' for name in names)
    spine = "".join(f'<itemref idref="{name}"/>' for name in names)
    metadata = f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></metadata>'
    package = f"{metadata}<manifest>{manifest}</manifest><spine>{spine}</spine>"
    container = "urn:oasis:names:tc:opendocument:xmlns:container"
    rootfile = f'<rootfiles><rootfile full-path="{within}/content.opf"/></rootfiles>'
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": f'{XML}<container xmlns="{container}">{rootfile}</container>',
            "OEBPS/content.opf": f'{XML}<package xmlns="http://www.idpf.org/2007/opf">{package}</package>',
            **{f"OEBPS/text/{name}.xhtml": text for name, text in zip(names, chapters, strict=True)},
        }
    )
