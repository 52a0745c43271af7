"""PDF files as bytes, written by hand: pages of text, and objects that are not as they should be."""

from collections.abc import Sequence

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"


def pdf(pages: Sequence[str], title: str = "", padding: int = 0) -> bytes:
    """A line of the text is a line of the page. So many bytes of it are a picture that no page shows."""
    numbers = range(4, 4 + 2 * len(pages), 2)
    kids = b" ".join(b"%d 0 R" % number for number in numbers)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages)),
        FONT,
    ]
    for number, text in zip(numbers, pages, strict=True):
        objects += [page(number + 1), stream(content(text))]
    info = [b"<< /Title (%s) >>" % escaped(title)] if title else []
    picture = [stream(bytes(padding))] if padding else []
    return of_objects(objects + info + picture, b"/Info %d 0 R" % (len(objects) + 1) if title else b"")


def page(contents: int) -> bytes:
    about = b"/MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >>"
    return b"<< /Type /Page /Parent 2 0 R %s /Contents %d 0 R >>" % (about, contents)


def content(text: str) -> bytes:
    lines = b" ".join(b"(%s) ' " % escaped(line) for line in text.splitlines())
    return b"BT /F1 10 Tf 12 TL 40 780 Td %s ET" % lines


def escaped(text: str) -> bytes:
    return text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def stream(data: bytes, about: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), about, data)


def of_objects(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """A file of these, numbered from 1; the first is its catalog."""
    written, offsets = bytearray(b"%PDF-1.7\n"), list[int]()
    for number, body in enumerate(objects, 1):
        offsets.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size, start = len(objects) + 1, len(written)
    written += b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    written += b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF" % (size, trailer, start)
    return bytes(written)
