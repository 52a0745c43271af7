"""Files that are not what they seem, made when they are asked for: each with its name and the code that answers it."""

import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

from tests.support import office, pdfs
from tests.support.office import SHEET, WORD, XML

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BILLION = f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>'
LEAK = '<!DOCTYPE x [<!ENTITY leak SYSTEM "file:///etc/hostname">]>'
CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
ONE_PAGE = b"<< /Type /Pages /Kids [4 0 R] /Count 1 >>"
OLE = bytes.fromhex("d0cf11e0a1b11ae1")
CUT_SHORT, NO_TEXT, TOO_LARGE = "file_unreadable", "file_without_text", "file_too_large"

type Hostile = tuple[str, str, Callable[[], bytes]]


def with_content(*streams: bytes) -> bytes:
    """A PDF of one page; the first stream is its content."""
    return pdfs.of_objects([CATALOG, ONE_PAGE, pdfs.FONT, pdfs.page(5), *streams])


def packed(data: bytes, times: int = 1, about: bytes = b"") -> bytes:
    for _ in range(times):
        data = zlib.compress(data, 9)
    return pdfs.stream(data, about + b" /Filter [%s]" % (b"/FlateDecode " * times))


def of_pages(pages: bytes, *objects: bytes) -> bytes:
    return pdfs.of_objects([CATALOG, pages, pdfs.FONT, *objects])


def deep_tree() -> bytes:
    """Each node of the tree of pages has one child."""
    levels = (b"<< /Type /Pages /Kids [%d 0 R] /Count 1 >>" % number for number in range(5, 20_005))
    return of_pages(ONE_PAGE, *levels)


def encrypted_pdf() -> bytes:
    lock = b"/Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s>" % (b"1f" * 32, b"2e" * 32)
    objects = [CATALOG, ONE_PAGE, pdfs.FONT, pdfs.page(5), pdfs.stream(b""), b"<< %s >>" % lock]
    return pdfs.of_objects(objects, b"/Encrypt 6 0 R /ID [<%s> <%s>]" % (b"00" * 16, b"00" * 16))


def body(text: str, doctype: str = "") -> bytes:
    return office.docx_of(f"{XML}{doctype}<w:document {WORD}><w:body>{text}</w:body></w:document>")


def zip_bomb(name: str, megabytes: int = 200) -> bytes:
    data = BytesIO()
    with ZipFile(data, "w", ZIP_DEFLATED) as archive, archive.open(name, "w", force_zip64=True) as file:
        for _ in range(megabytes):
            file.write(b" " * 1_000_000)
    return data.getvalue()


def nested_zips() -> bytes:
    data = zip_bomb("0.xml", 50)
    for _ in range(5):
        data = office.zipped({"word/a.docx": data, "word/b.docx": data})
    return data


def that_lies() -> bytes:
    """Its directory says of each size that it is 10 bytes."""
    data = bytearray(office.xlsx_of({"A": f"{XML}<worksheet {SHEET}>{' ' * 100_000_000}</worksheet>"}))
    position = data.find(b"PK\x01\x02")
    while position >= 0:
        data[position + 24 : position + 28] = (10).to_bytes(4, "little")
        position = data.find(b"PK\x01\x02", position + 1)
    return bytes(data)


def many_entries() -> bytes:
    return office.zipped({f"word/{number}": "" for number in range(10_001)})


def far_cell() -> bytes:
    cells = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
    return office.xlsx_of({"A": f"{XML}<worksheet {SHEET}><sheetData>{cells}</sheetData></worksheet>"})


def deep_mail() -> bytes:
    parts = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(2000))
    return f"From: a@b.example\n{parts}".encode()


def slide_of(doctype: str, text: str) -> bytes:
    """A presentation whose first slide begins with that doctype and says that text."""
    whole, data = office.slides(["Title"]), BytesIO()
    with ZipFile(BytesIO(whole)) as old, ZipFile(data, "w", ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "ppt/slides/slide1.xml":
                content = content.replace(b"?>", b"?>" + doctype.encode(), 1).replace(
                    b"Title</a:t>", text.encode() + b"</a:t>"
                )
            new.writestr(name, content)
    return data.getvalue()


def hostile() -> Iterator[Hostile]:
    yield "empty.pdf", CUT_SHORT, lambda: b""
    yield "cut-short.pdf", CUT_SHORT, lambda: pdfs.pdf(["Refunds"] * 100)[:20_000]
    yield "picture.pdf", CUT_SHORT, lambda: b"\x89PNG\r\n\x1a\n" + bytes(1000)
    yield "zeros.pdf", CUT_SHORT, lambda: bytes(4_000_000)
    yield "encrypted.pdf", "file_encrypted", encrypted_pdf
    yield "scan.pdf", NO_TEXT, lambda: with_content(pdfs.stream(b"q 612 0 0 792 0 0 cm Q"))
    yield "pages-in-a-loop.pdf", NO_TEXT, lambda: of_pages(b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 >>")
    yield "deep-tree.pdf", NO_TEXT, deep_tree
    yield "ten-thousand.pdf", TOO_LARGE, lambda: pdfs.pdf(["Refunds"] * 10_000)
    yield (
        "two-billion.pdf",
        NO_TEXT,
        lambda: of_pages(b"<< /Type /Pages /Kids [4 0 R] /Count 2147483647 >>", pdfs.page(5)),
    )
    yield "no-pages.pdf", CUT_SHORT, lambda: of_pages(b"<< /Type /Pages /Kids [] /Count -5 >>")
    yield "bomb.pdf", TOO_LARGE, lambda: with_content(packed(b"BT /F1 9 Tf (ha) Tj ET\n" * 8_000_000))
    yield "nested-bomb.pdf", TOO_LARGE, lambda: with_content(packed(b"BT /F1 9 Tf (ha) Tj ET\n" * 8_000_000, 3))
    yield (
        "form-in-a-loop.pdf",
        NO_TEXT,
        lambda: with_content(
            pdfs.stream(b"/X Do"),
            pdfs.stream(
                b"/X Do", b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 6 0 R >> >>"
            ),
        ),
    )
    yield (
        "same-page.pdf",
        TOO_LARGE,
        lambda: of_pages(
            b"<< /Type /Pages /Kids [%s] /Count 1500 >>" % (b"4 0 R " * 1500),
            pdfs.page(5),
            pdfs.stream(pdfs.content("refund refund\n" * 60)),
        ),
    )
    yield "bomb.docx", TOO_LARGE, lambda: zip_bomb("word/document.xml")
    yield "nested-bomb.docx", CUT_SHORT, nested_zips
    yield "billion-laughs.docx", CUT_SHORT, lambda: body("<w:p><w:r><w:t>&l9;</w:t></w:r></w:p>", BILLION)
    yield "leak.docx", NO_TEXT, lambda: body("<w:p><w:r><w:t>&leak;</w:t></w:r></w:p>", LEAK)
    yield "deep.docx", CUT_SHORT, lambda: body("<w:tbl><w:tr><w:tc>" * 20_000 + "</w:tc></w:tr></w:tbl>" * 20_000)
    yield "many-paragraphs.docx", TOO_LARGE, lambda: body("<w:p><w:r><w:t>a</w:t></w:r></w:p>" * 400_000)
    yield "cut-short.docx", CUT_SHORT, lambda: office.docx("Refunds")[:-50]
    yield "no-document.docx", CUT_SHORT, lambda: office.zipped({"a.txt": "Refunds"})
    yield "without-text.docx", NO_TEXT, lambda: office.docx("")
    yield "encrypted.docx", "file_encrypted", lambda: OLE + bytes(504) + "EncryptedPackage".encode("utf-16-le")
    yield "old.docx", "file_type_unknown", lambda: OLE + bytes(2000)
    yield "many-entries.docx", TOO_LARGE, many_entries
    yield "rows.xlsx", TOO_LARGE, lambda: office.xlsx({"A": [["Refunds", n] for n in range(100_000)]})
    yield "far-cell.xlsx", TOO_LARGE, far_cell
    yield "bomb.xlsx", TOO_LARGE, lambda: zip_bomb("xl/sharedStrings.xml")
    yield "lies.xlsx", CUT_SHORT, that_lies
    yield "billion-laughs.pptx", CUT_SHORT, lambda: slide_of(BILLION, "&l9;")
    yield "outside.epub", CUT_SHORT, lambda: office.epub("Text", within="../../../etc")
    yield "without-text.epub", NO_TEXT, lambda: office.epub("<p></p>")
    yield "deep.eml", CUT_SHORT, deep_mail
    yield "no-mail.eml", CUT_SHORT, lambda: b"Refunds take two weeks."
    yield "wide.csv", TOO_LARGE, lambda: b"a," * 1_000_000 + b"\n" + b"refund\n" * 200_000
    yield "bytes.txt", CUT_SHORT, lambda: bytes(range(256))
    yield "program.exe", "file_type_unknown", lambda: b"MZ" + bytes(100)


HOSTILE = list(hostile())
