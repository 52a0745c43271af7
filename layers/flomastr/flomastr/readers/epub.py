"""EPUB: its chapters in their order of reading, as Markdown."""

import posixpath
import re
from urllib.parse import unquote
from zipfile import ZipFile

from defusedxml.ElementTree import fromstring

from flomastr.errors import ErrorCode, UnprocessableError
from flomastr.readers import zips
from flomastr.readers.extracted import Budget, Extracted, Part, written
from flomastr.readers.texts import decoded, markdown

CONTAINER = "META-INF/container.xml"
ROOTFILE = ".//{urn:oasis:names:tc:opendocument:xmlns:container}rootfile"
OPF = "{http://www.idpf.org/2007/opf}"
TITLE = ".//{http://purl.org/dc/elements/1.1/}title"
CLOSED = re.compile(r"<(title|script|style|textarea|iframe|noframes|noembed|xmp)\b([^<>]*)/>", re.IGNORECASE)
PAGES = ("application/xhtml+xml", "text/html")


def read(data: bytes) -> Extracted:
    """Raises UnprocessableError, and other errors for what is no EPUB."""
    archive, budget = zips.opened(data), Budget()
    if "META-INF/rights.xml" in archive.namelist():
        raise UnprocessableError("The book is copy protected, and cannot be read.", ErrorCode.FILE_ENCRYPTED)
    (root,) = (one.attrib["full-path"] for one in fromstring(archive.read(CONTAINER)).iterfind(ROOTFILE))
    package = fromstring(archive.read(root))
    pages = {
        item.attrib["id"]: posixpath.normpath(posixpath.join(posixpath.dirname(root), unquote(item.attrib["href"])))
        for item in package.iterfind(f"{OPF}manifest/{OPF}item")
        if item.attrib.get("media-type") in PAGES
    }
    spine = [item.attrib["idref"] for item in package.iterfind(f"{OPF}spine/{OPF}itemref")]
    parts = [Part(budget.take(chapter(archive, pages[name]))) for name in spine if name in pages]
    return written(Extracted(parts, "markdown", title=package.findtext(TITLE)))


def chapter(archive: ZipFile, path: str) -> str:
    """Of XHTML, where `<title/>` has an end: to HTML all that follows would be the title."""
    return markdown(CLOSED.sub(r"<\1\2></\1>", decoded(archive.read(path))))
