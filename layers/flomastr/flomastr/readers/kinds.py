"""Which reader takes a file: by its media type or, where that says nothing, by the end of its name."""

from dataclasses import dataclass

from flomastr.errors import ErrorCode, UnprocessableError

OFFICE = "application/vnd.openxmlformats-officedocument"
READERS = {
    "application/pdf": "pdf",
    f"{OFFICE}.wordprocessingml.document": "docx",
    f"{OFFICE}.spreadsheetml.sheet": "xlsx",
    f"{OFFICE}.presentationml.presentation": "pptx",
    "application/epub+zip": "epub",
    "message/rfc822": "eml",
    "text/csv": "csv",
    "text/plain": "text",
    "text/markdown": "markdown",
    "text/html": "html",
}
ENDS = {
    ".pdf": "application/pdf",
    ".docx": f"{OFFICE}.wordprocessingml.document",
    ".xlsx": f"{OFFICE}.spreadsheetml.sheet",
    ".pptx": f"{OFFICE}.presentationml.presentation",
    ".epub": "application/epub+zip",
    ".eml": "message/rfc822",
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".html": "text/html",
}
SAY_NOTHING = ("", "application/octet-stream", "application/x-www-form-urlencoded", "binary/octet-stream")


@dataclass(frozen=True)
class SentFile:
    """Bytes, and what the client calls them."""

    data: bytes
    media_type: str
    name: str

    def reader(self) -> str:
        """The module that reads it, or the type of text that it is. Raises UnprocessableError for other types."""
        media_type = self.media_type.partition(";")[0].strip().lower()
        if media_type in SAY_NOTHING:
            media_type = ENDS.get("." + self.name.lower().rpartition(".")[2], "")
        if reader := READERS.get(media_type):
            return reader
        said = f"sent as {media_type[:100]}, which is not read" if media_type else "of a type that nothing says"
        detail = f"The file is {said}. These are read, by Content-Type or name: {', '.join(ENDS)}."
        raise UnprocessableError(detail, ErrorCode.FILE_TYPE_UNKNOWN)
